import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/data/bytes.ts'
import { hashKey } from '../../src/data/key-groups.ts'
import { codecFor } from '../../src/data/value-codec.ts'

const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withNullPrototype: true,
  withSparseArray: true,
  withUnicodeString: true,
})
const runs = process.env['MILLRACE_FULL'] === '1' ? 20_000 : 1_000

it('reads any plain value back exactly', () => {
  const codec = codecFor(undefined)
  const out = new ByteWriter()
  fc.assert(
    fc.property(fc.array(anything), (values) => {
      out.reset()
      for (const value of values) codec.encode(value, out)
      const input = new ByteReader(out.written())
      for (const value of values) expect(codec.decode(input)).toStrictEqual(value)
      expect(input.remaining).toBe(0)
    }),
    { numRuns: runs },
  )
})

it('reads any string back exactly, whatever its units and length', () => {
  const codec = codecFor({ kind: 'text' })
  const out = new ByteWriter()
  const unit = fc.oneof(
    fc.integer({ min: 0, max: 127 }),
    fc.integer({ min: 0, max: 255 }),
    fc.integer({ min: 0, max: 65535 }),
  )
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 100 }), (units) => {
      const value = String.fromCharCode(...units)
      out.reset()
      codec.encode(value, out)
      expect(codec.decode(new ByteReader(out.written()))).toBe(value)
      expect(hashKey(value)).toBe(hashKey(units.map((each) => String.fromCharCode(each)).join('')))
    }),
    { numRuns: runs },
  )
})
