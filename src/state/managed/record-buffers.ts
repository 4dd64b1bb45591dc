/**
 * Buffers of records that nobody uses any more, kept to be used again: the tables of windows come and go, and those that
 * grow leave a trail of sizes that the next one takes, too. Memory fresh from the system costs a page fault for every
 * 4 KiB, and each buffer brings the next garbage collection nearer; cleaning a used one is several times cheaper.
 *
 * One pool per thread. What it keeps is charged to nobody, so it is bounded.
 */
const keptBytesMax = 16 * 1024 * 1024
/** Smaller ones are no trouble. */
const bufferBytesMin = 16 * 1024
const pageWords = 1024

const kept: Map<number, ArrayBuffer[]> = new Map()
let keptBytes = 0

/** A buffer of zeros. */
export function takeRecordBuffer(bytes: number): ArrayBuffer {
  const buffer = kept.get(bytes)?.pop()
  if (buffer === undefined) return freshBuffer(bytes)
  keptBytes -= bytes
  new Int32Array(buffer).fill(0)
  return buffer
}

/** Nobody reads or writes the buffer from now on. Its size is a multiple of 4. */
export function giveRecordBuffer(buffer: ArrayBuffer): void {
  const bytes = buffer.byteLength
  if (bytes < bufferBytesMin || keptBytes + bytes > keptBytesMax) return
  keptBytes += bytes
  const ofThisSize = kept.get(bytes)
  if (ofThisSize === undefined) kept.set(bytes, [buffer])
  else ofThisSize.push(buffer)
}

/**
 * Each page is written to once, in order: a page that is read before it is written to costs two faults, as the first one
 * maps the page of zeros that all share.
 */
function freshBuffer(bytes: number): ArrayBuffer {
  const buffer = new ArrayBuffer(bytes)
  if (bytes < bufferBytesMin) return buffer
  const words = new Int32Array(buffer)
  for (let word = 0; word < words.length; word += pageWords) words[word] = 0
  return buffer
}
