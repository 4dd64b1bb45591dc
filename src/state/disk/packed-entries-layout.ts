/**
 * Packed entries: the format in which keys and values cross in bulk between JavaScript and a disk engine. The C++ side
 * is native-bindings/src/packed-entries.h.
 *
 *   0        4          8              8+k            8+k+v
 *   | k: u32 | v: u32   | key (k bytes) | value (v bytes) |   next entry follows at once
 *
 * Little endian. v = 0xffffffff: the key is deleted, no value follows. v = 0xfffffffe: all keys from `key` up to, not
 * including, an end key are deleted; the end key follows as | u32 length | bytes |.
 */
const tombstone = 0xffffffff
const rangeTombstone = 0xfffffffe
export const entryHeaderBytes = 8
/** Of the buffers in which a generation is handed to the store. */
export const packedBufferBytes: number = 4 * 1024 * 1024

export class PackedEntriesWriter {
  /** Replaced when it grows; only [0, position) is written. */
  buffer: Buffer
  position = 0
  count = 0
  /** Of the buffer. */
  view: DataView

  constructor(initialBytes: number = 64 * 1024) {
    this.buffer = Buffer.allocUnsafeSlow(initialBytes)
    this.view = new DataView(this.buffer.buffer)
  }

  reset(): void {
    this.position = 0
    this.count = 0
  }

  /** Somebody else has written so much into the buffer. */
  filled(bytes: number, count: number): void {
    this.position = bytes
    this.count = count
  }

  written(): Uint8Array {
    return this.buffer.subarray(0, this.position)
  }

  /** `key[keyStart, keyEnd)` with `value[valueStart, valueEnd)`. */
  put(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const keyBytes = keyEnd - keyStart
    const valueBytes = valueEnd - valueStart
    const at = this.#begin(keyBytes, valueBytes, valueBytes)
    copyBytes(key, keyStart, keyBytes, this.buffer, at)
    copyBytes(value, valueStart, valueBytes, this.buffer, at + keyBytes)
  }

  /** Room for an entry whose key and value the caller writes: the position of the key, which the value follows. */
  place(keyBytes: number, valueBytes: number): number {
    return this.#begin(keyBytes, valueBytes, valueBytes)
  }

  delete(key: Uint8Array, keyStart: number, keyEnd: number): void {
    const at = this.#begin(keyEnd - keyStart, tombstone, 0)
    copyBytes(key, keyStart, keyEnd - keyStart, this.buffer, at)
  }

  deleteRange(begin: Uint8Array, end: Uint8Array): void {
    const at = this.#begin(begin.length, rangeTombstone, 4 + end.length)
    this.buffer.set(begin, at)
    this.view.setUint32(at + begin.length, end.length, true)
    this.buffer.set(end, at + begin.length + 4)
  }

  #begin(keyBytes: number, valueField: number, tailBytes: number): number {
    const start = this.position
    const end = start + entryHeaderBytes + keyBytes + tailBytes
    if (end > this.buffer.length) this.#grow(end)
    this.view.setUint32(start, keyBytes, true)
    this.view.setUint32(start + 4, valueField, true)
    this.position = end
    this.count++
    return start + entryHeaderBytes
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2))
    this.buffer.copy(grown, 0, 0, this.position)
    this.buffer = grown
    this.view = new DataView(grown.buffer)
  }
}

/** Walks over packed entries in place. Of a range, `value` is the end key. */
export class PackedEntriesReader {
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  isDelete = false
  isRange = false
  readonly #view: DataView
  readonly #bytes: number
  #at = 0

  constructor(bytes: Uint8Array, length: number = bytes.length) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#bytes = length
  }

  next(): boolean {
    if (this.#at >= this.#bytes) return false
    const keyBytes = this.#view.getUint32(this.#at, true)
    const valueField = this.#view.getUint32(this.#at + 4, true)
    this.isDelete = valueField === tombstone
    this.isRange = valueField === rangeTombstone
    this.keyStart = this.#at + entryHeaderBytes
    this.keyEnd = this.keyStart + keyBytes
    this.valueStart = this.isRange ? this.keyEnd + 4 : this.keyEnd
    const valueBytes = this.isDelete ? 0 : this.isRange ? this.#view.getUint32(this.keyEnd, true) : valueField
    this.valueEnd = this.valueStart + valueBytes
    this.#at = this.valueEnd
    return true
  }
}

/** A native copy costs more than a loop for short ranges. */
const loopBytesMax = 32

function copyBytes(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
  if (length > loopBytesMax) return to.set(from.subarray(start, start + length), at)
  for (let i = 0; i < length; i++) to[at + i] = from[start + i]!
}
