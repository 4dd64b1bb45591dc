/** Codecs of what cells keep, by the state's declaration. */
import type { ByteReader, ByteWriter } from '../data/bytes.ts'
import { codecFor, type ValueCodec } from '../data/value-codec.ts'
import { cellType, genericType, type StateSpec } from './state-spec.ts'

export function cellCodec(spec: StateSpec): ValueCodec {
  return spec.kind === 'map' ? mapCodec(spec) : codecFor(cellType(spec))
}

/** A JavaScript Map: `varint(size)`, then key (generic) and value (of its type) in turn. */
function mapCodec(spec: StateSpec): ValueCodec {
  const keys = codecFor(genericType)
  const values = codecFor(cellType({ ...spec, kind: 'value' }))
  return {
    fixedBytes: -1,
    encode(value: unknown, out: ByteWriter) {
      const map = value as Map<unknown, unknown>
      out.varint(map.size)
      for (const [key, mapped] of map) {
        keys.encode(key, out)
        values.encode(mapped, out)
      }
    },
    decode(input: ByteReader) {
      const map = new Map<unknown, unknown>()
      for (let left = input.varint(); left > 0; left--) {
        const key = keys.decode(input)
        map.set(key, values.decode(input))
      }
      return map
    },
  }
}
