/**
 * Large arrays give their memory back when they are done with, not when they are collected: the collector sees little
 * need, and once let 200 MB of dead tables stand beside a budget of 128.
 */
const worthwhileBytes = 64 * 1024

/** Nobody may use the array any more: it is empty afterwards. */
export function freeMemory(array: ArrayBufferView): void {
  if (array.byteLength >= worthwhileBytes) (array.buffer as ArrayBuffer).transfer(0)
}
