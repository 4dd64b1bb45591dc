/** Bit sets and words of entries in Int32Arrays. Hot while tables grow and snapshots are under way. */

export function hasBit(bits: Int32Array, index: number): boolean {
  return (bits[index >>> 5]! & (1 << (index & 31))) !== 0
}

export function copyWords(from: Int32Array, at: number, to: Int32Array, start: number, count: number): void {
  for (let i = 0; i < count; i++) to[start + i] = from[at + i]!
}

export function copyBit(from: Int32Array, source: number, to: Int32Array, target: number): void {
  if (hasBit(from, source)) to[target >>> 5]! |= 1 << (target & 31)
}

export function moveBit(bits: Int32Array, from: number, to: number): void {
  const bit = 1 << (to & 31)
  if (hasBit(bits, from)) bits[to >>> 5]! |= bit
  else bits[to >>> 5]! &= ~bit
}

/** A set of entries that an unconfirmed checkpoint has written. */
export interface WrittenEntries {
  readonly checkpointId: number
  bits: Int32Array
}

/**
 * Many arrays of zeros cut from one: the memory of a large one is mapped, and costs nothing before it is touched. A
 * barrier waits for that.
 */
export class Zeros {
  readonly #words: Int32Array
  #used = 0

  constructor(words: number) {
    this.#words = new Int32Array(words)
  }

  take(words: number): Int32Array {
    const start = this.#used
    this.#used += words
    return this.#words.subarray(start, this.#used)
  }
}
