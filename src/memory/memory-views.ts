/**
 * Views over one block of memory, made once: columns are addressed by base indices into these, so that no view is
 * made per batch. Index = byte offset / element width; every offset handed out is a multiple of 8.
 */

/** Node's buffer with the native calls that its typings leave out; `toString(encoding)` costs a dispatch more. */
export interface NativeBuffer extends Buffer {
  latin1Slice(start: number, end: number): string
  ucs2Slice(start: number, end: number): string
  latin1Write(text: string, offset: number, length?: number): number
  utf8Write(text: string, offset: number, length?: number): number
  ucs2Write(text: string, offset: number, length?: number): number
}

export interface MemoryViews {
  readonly f64: Float64Array
  readonly i64: BigInt64Array
  readonly i32: Int32Array
  readonly u8: NativeBuffer
}

/** Views over a whole buffer, shared or private; its length is a multiple of 8. */
export function viewsOf(buffer: ArrayBufferLike): MemoryViews {
  return {
    f64: new Float64Array(buffer),
    i64: new BigInt64Array(buffer),
    i32: new Int32Array(buffer),
    u8: Buffer.from(buffer as ArrayBuffer) as NativeBuffer,
  }
}

/** A private, zeroed block of at least `bytes`. */
export function privateViews(bytes: number): MemoryViews {
  return viewsOf(new ArrayBuffer(alignUp(bytes, 8)))
}

/** The smallest multiple of `alignment` (a power of two) that is not below `value` (under 2^53). */
export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment
}
