/** Deep copies of plain values, by way of the generic codec: for what is kept while its owner may change it. */
import { ByteReader, ByteWriter } from './bytes.ts'
import { GenericDecoder, GenericEncoder } from './generic-codec.ts'

const encoder = new GenericEncoder()
const decoder = new GenericDecoder()
const out = new ByteWriter()
const input = new ByteReader()

/** MR_DATA_NOT_SERIALIZABLE where the value has no plain meaning. */
export function copyValue<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  out.reset()
  encoder.begin()
  encoder.encode(value, out)
  input.reset(out.written())
  decoder.begin()
  return decoder.decode(input) as T
}
