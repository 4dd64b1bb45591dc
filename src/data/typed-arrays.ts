/** Typed arrays in the generic codec: which there are, in the order of their stored numbers (append only). */
import { MillraceError } from '../common/errors.ts'
import type { ByteReader } from './bytes.ts'

type Maker = (bytes: ArrayBuffer) => unknown

const makers: Readonly<Record<string, Maker>> = {
  Buffer: (bytes) => Buffer.from(bytes),
  ArrayBuffer: (bytes) => bytes,
  DataView: (bytes) => new DataView(bytes),
  Int8Array: (bytes) => new Int8Array(bytes),
  Uint8ClampedArray: (bytes) => new Uint8ClampedArray(bytes),
  Int16Array: (bytes) => new Int16Array(bytes),
  Uint16Array: (bytes) => new Uint16Array(bytes),
  Int32Array: (bytes) => new Int32Array(bytes),
  Uint32Array: (bytes) => new Uint32Array(bytes),
  Float32Array: (bytes) => new Float32Array(bytes),
  Float64Array: (bytes) => new Float64Array(bytes),
  BigInt64Array: (bytes) => new BigInt64Array(bytes),
  BigUint64Array: (bytes) => new BigUint64Array(bytes),
}

export const typedArrayNames: readonly string[] = Object.keys(makers)

/** Stored number of a view's type, -1 for subclasses that cannot be rebuilt. */
export function bufferTypeIndex(view: ArrayBufferView): number {
  if (Buffer.isBuffer(view)) return typedArrayNames.indexOf('Buffer')
  return typedArrayNames.indexOf(view.constructor.name)
}

export function readTypedArray(input: ByteReader): unknown {
  const name = typedArrayNames[input.u8()]
  if (name === undefined) throw new MillraceError('MR_DATA_CORRUPT', 'unknown kind of typed array')
  return makers[name]!(input.bytes().buffer as ArrayBuffer)
}
