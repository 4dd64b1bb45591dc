/**
 * Buffers of records that nobody uses any more, kept to be used again: the tables of windows come and go, and those that
 * grow leave a trail of sizes that the next one takes, too. Memory fresh from the system costs a page fault for every
 * 4 KiB, and each buffer brings the next garbage collection nearer; cleaning a used one is several times cheaper.
 *
 * One pool per thread. What it keeps is charged to nobody, so it is bounded.
 */
import { touchPages } from '../../memory/map-pages.ts'

const keptBytesMax = 16 * 1024 * 1024
/** Smaller ones are no trouble. */
const bufferBytesMin = 16 * 1024

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

/** Where fresh buffers are noted instead of touched. */
let untouched: ArrayBuffer[] | undefined

/** What `make` takes that is fresh, as the system gives it: whoever asks has its pages mapped before others write to it. */
export function freshBuffersOf(make: () => void): ArrayBuffer[] {
  const fresh: ArrayBuffer[] = []
  untouched = fresh
  try {
    make()
  } finally {
    untouched = undefined
  }
  return fresh
}

function freshBuffer(bytes: number): ArrayBuffer {
  const buffer = new ArrayBuffer(bytes)
  if (untouched !== undefined) untouched.push(buffer)
  else if (bytes >= bufferBytesMin) touchPages(buffer)
  return buffer
}
