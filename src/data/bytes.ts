/**
 * Growable byte output and bounds-checked byte input: what codecs, snapshots and generic batches are written with.
 * Little-endian throughout. Hot: no allocation per value except where the buffer grows or a text is read.
 *
 * Text is `varint(units << 1 | wide)` and then one byte a unit (every unit <= 0xff) or two (UTF-16): exact for every
 * JavaScript string, lone surrogates included, and the same string always gives the same bytes.
 * Reading past the end throws MR_DATA_CORRUPT.
 */
import { MillraceError } from '../common/errors.ts'
import type { NativeBuffer } from '../memory/memory-views.ts'

/** Strings up to this length are copied by a loop; a native call costs more below it. */
const loopUnitsMax = 40

export class ByteWriter {
  /** The whole buffer; only [0, position) is written. Replaced when it grows. */
  buffer: NativeBuffer
  position = 0
  #view: DataView

  constructor(initialBytes = 256) {
    this.buffer = Buffer.allocUnsafeSlow(initialBytes) as NativeBuffer
    this.#view = new DataView(this.buffer.buffer)
  }

  /** Forgets what was written and keeps the buffer. */
  reset(): void {
    this.position = 0
  }

  /** A copy of what was written since the last reset, and a reset. */
  take(): Uint8Array {
    const taken = Uint8Array.prototype.slice.call(this.buffer, 0, this.position)
    this.position = 0
    return new Uint8Array(taken.buffer, taken.byteOffset, taken.byteLength)
  }

  /** What was written since the last reset, without a copy; goes on in another buffer of the same size. */
  detach(): Uint8Array {
    return this.detachInto(Buffer.allocUnsafeSlow(this.buffer.length) as NativeBuffer)
  }

  /** The same, but goes on in a given buffer. */
  detachInto(next: NativeBuffer): Uint8Array {
    const { buffer, position } = this
    this.position = 0
    this.buffer = next
    this.#view = new DataView(next.buffer, next.byteOffset, next.byteLength)
    return new Uint8Array(buffer.buffer, buffer.byteOffset, position)
  }

  /** What was written, without a copy: valid until the next write. */
  written(): Uint8Array {
    return this.buffer.subarray(0, this.position)
  }

  /** Makes room for `bytes` more; returns the position. */
  reserve(bytes: number): number {
    const needed = this.position + bytes
    if (needed > this.buffer.length) this.#grow(needed)
    return this.position
  }

  u8(value: number): void {
    if (this.position === this.buffer.length) this.#grow(this.position + 1)
    this.buffer[this.position++] = value
  }

  u32(value: number): void {
    const start = this.#advance(4)
    this.#view.setUint32(start, value, true)
  }

  i32(value: number): void {
    const start = this.#advance(4)
    this.#view.setInt32(start, value, true)
  }

  /** `i32` of each, up to the first that is no 32-bit whole number; answers how many. */
  int32s(values: readonly unknown[]): number {
    const { length } = values
    const start = this.reserve(4 * length)
    const view = this.#view
    let i = 0
    for (; i < length; i++) {
      const value = values[i]
      if (typeof value !== 'number' || (value | 0) !== value) break
      view.setInt32(start + 4 * i, value, true)
    }
    this.position = start + 4 * i
    return i
  }

  f64(value: number): void {
    const start = this.#advance(8)
    this.#view.setFloat64(start, value, true)
  }

  /** The low 64 bits of `value`, two's complement. */
  i64(value: bigint): void {
    const start = this.#advance(8)
    this.#view.setBigInt64(start, value, true)
  }

  /** A whole number in 0 … 2^53 - 1; 1 byte up to 127, 2 up to 16383, … */
  varint(value: number): void {
    if (this.position + 8 > this.buffer.length) this.#grow(this.position + 8)
    let rest = value
    while (rest > 0x7fffffff) {
      this.buffer[this.position++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    while (rest > 127) {
      this.buffer[this.position++] = (rest & 127) | 0x80
      rest >>>= 7
    }
    this.buffer[this.position++] = rest
  }

  /** A 32-bit whole number, small magnitudes short: 0 → 0, -1 → 1, 1 → 2, … */
  zigzag(value: number): void {
    this.varint(((value << 1) ^ (value >> 31)) >>> 0)
  }

  text(value: string): void {
    const units = value.length
    if (units > loopUnitsMax) return this.#longText(value)
    this.varint(units << 1)
    const start = this.reserve(units)
    const buffer = this.buffer
    for (let i = 0; i < units; i++) {
      const unit = value.charCodeAt(i)
      if (unit > 0xff) return this.#wideText(value, start)
      buffer[start + i] = unit
    }
    this.position = start + units
  }

  /** `varint(length)` and the bytes. */
  bytes(value: Uint8Array): void {
    this.varint(value.length)
    this.raw(value)
  }

  /** The bytes alone. */
  raw(value: Uint8Array): void {
    const start = this.#advance(value.length)
    this.buffer.set(value, start)
  }

  #advance(bytes: number): number {
    const start = this.reserve(bytes)
    this.position = start + bytes
    return start
  }

  #longText(value: string): void {
    const units = value.length
    const isNarrow = Buffer.byteLength(value, 'utf8') === units || isLatin1(value)
    this.varint(units * 2 + (isNarrow ? 0 : 1))
    const start = this.#advance(isNarrow ? units : units * 2)
    this.buffer.write(value, start, isNarrow ? 'latin1' : 'utf16le')
  }

  /** A short text turned out to hold wide units: its header (one byte, since units <= 40) is corrected. */
  #wideText(value: string, start: number): void {
    this.buffer[start - 1] = (value.length << 1) | 1
    this.position = start
    const offset = this.#advance(value.length * 2)
    for (let i = 0; i < value.length; i++) this.#view.setUint16(offset + i * 2, value.charCodeAt(i), true)
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2)) as NativeBuffer
    this.buffer.copy(grown, 0, 0, this.position)
    this.buffer = grown
    this.#view = new DataView(grown.buffer)
  }
}

export class ByteReader {
  buffer: NativeBuffer = emptyBuffer
  position = 0
  /** One past the last readable byte. */
  end = 0
  /** Of the same bytes as `buffer`. */
  view: DataView = emptyView
  #backing: ArrayBufferLike = emptyView.buffer

  constructor(bytes?: Uint8Array) {
    if (bytes !== undefined) this.reset(bytes)
  }

  /** Reads `bytes` from its start. The reader may be used again and again. */
  reset(bytes: Uint8Array): void {
    this.#backing = bytes.buffer
    this.buffer = Buffer.from(this.#backing as ArrayBuffer, bytes.byteOffset, bytes.byteLength) as NativeBuffer
    this.view = new DataView(this.#backing, bytes.byteOffset, bytes.byteLength)
    this.position = 0
    this.end = bytes.byteLength
  }

  /** Moves within the same bytes: reads [position, end) next. */
  seek(position: number, end: number = this.buffer.length): void {
    this.position = position
    this.end = end
  }

  get remaining(): number {
    return this.end - this.position
  }

  u8(): number {
    if (this.position >= this.end) this.#short(1)
    return this.buffer[this.position++]!
  }

  u32(): number {
    return this.view.getUint32(this.#advance(4), true)
  }

  i32(): number {
    return this.view.getInt32(this.#advance(4), true)
  }

  f64(): number {
    return this.view.getFloat64(this.#advance(8), true)
  }

  i64(): bigint {
    return this.view.getBigInt64(this.#advance(8), true)
  }

  varint(): number {
    const first = this.u8()
    if (first < 128) return first
    let value = first & 127
    let scale = 128
    for (;;) {
      const byte = this.u8()
      value += (byte & 127) * scale
      if (byte < 128) return value
      scale *= 128
      if (scale > 2 ** 49) throw new MillraceError('MR_DATA_CORRUPT', 'a varint is longer than 8 bytes')
    }
  }

  zigzag(): number {
    const value = this.varint()
    return (value >>> 1) ^ -(value & 1)
  }

  text(): string {
    const header = this.varint()
    if (header % 2 === 1) {
      const units = (header - 1) / 2
      const start = this.#advance(units * 2)
      return this.buffer.ucs2Slice(start, start + units * 2)
    }
    const units = header / 2
    const start = this.#advance(units)
    return units === 0 ? '' : this.buffer.latin1Slice(start, start + units)
  }

  /** A copy. */
  bytes(): Uint8Array {
    return this.raw(this.varint())
  }

  /** A copy of the next `length` bytes. */
  raw(length: number): Uint8Array {
    const start = this.#advance(length)
    const copy = new Uint8Array(length)
    copy.set(this.buffer.subarray(start, start + length))
    return copy
  }

  skip(bytes: number): void {
    this.#advance(bytes)
  }

  #advance(bytes: number): number {
    const start = this.position
    if (start + bytes > this.end) this.#short(bytes)
    this.position = start + bytes
    return start
  }

  #short(bytes: number): never {
    throw new MillraceError(
      'MR_DATA_CORRUPT',
      `expected ${bytes} more bytes at ${this.position}, the data ends at ${this.end}`,
    )
  }
}

const emptyBuffer = Buffer.alloc(0) as NativeBuffer
const emptyView: DataView = new DataView(new ArrayBuffer(0))

function isLatin1(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0xff) return false
  return true
}
