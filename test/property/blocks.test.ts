import assert from 'node:assert/strict'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { newBlockDecoder } from '../../src/data/block-decoder.ts'
import { newBlockEncoder, Written } from '../../src/data/block-encoder.ts'
import { type ColumnSchema, genericSchema, schemaOfType } from '../../src/data/column-schema.ts'
import { readSavedBatch, saveBlock, saveRecords } from '../../src/data/saved-batch.ts'
import { SchemaSampler } from '../../src/data/schema-sampler.ts'
import { types } from '../../src/data/types.ts'
import { privateViews } from '../../src/memory/memory-views.ts'

const runs = process.env['MILLRACE_FULL'] === '1' ? 5_000 : 300
const segmentBytes = 65_536

/** Writes what fits, seals in one of the two ways, reads back; returns how many rows fitted. */
function checkBlock(
  schema: ColumnSchema,
  values: readonly unknown[],
  times: readonly number[],
  manner: number,
): number {
  const views = privateViews(segmentBytes)
  const encoder = newBlockEncoder(schema, views)
  const hasTimes = times.some((time) => time !== -Infinity)
  const rows = encoder.rowsFor(segmentBytes - 64, hasTimes)
  encoder.open(64, segmentBytes - 64, rows, hasTimes)
  let written = 0
  while (written < values.length) {
    const answer = encoder.write(values[written], times[written]!)
    if (answer === Written.Full) break
    expect(answer).toBe(Written.Wrote)
    written++
  }
  const bytes = manner === 1 ? -1 : encoder.seal()
  const decoder =
    bytes < 0 ? readSavedBatch(saveBlock(schema.key, encoder.sealToBytes())) : newBlockDecoder(schema.key, views)
  if (bytes >= 0) {
    expect(bytes).toBeLessThanOrEqual(segmentBytes - 64)
    decoder.open(64)
  }
  expect(decoder.count).toBe(written)
  for (const i of [...values.keys()].slice(0, written).toReversed()) {
    const value = decoder.read(i)
    assert.deepStrictEqual(value, values[i])
    expect(decoder.timestampMs(i)).toBe(times[i])
  }
  return written
}

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 65535 })).map((units) => String.fromCharCode(...units)),
)
const leaf = fc.oneof(
  fc.double(),
  fc.integer(),
  anyText,
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt(),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array(),
  fc.constant(null),
  fc.constant(undefined),
)
const field = fc.oneof(
  { weight: 4, arbitrary: leaf },
  fc.array(fc.double()),
  fc.array(anyText, { maxLength: 4 }),
  fc.tuple(anyText, fc.double()),
  fc.record({ x: fc.double(), y: anyText }, { requiredKeys: ['x'] }),
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
  }),
)
const time = fc.oneof(fc.constant(-Infinity), fc.integer({ min: 0, max: 2 ** 40 }))
const manner = fc.integer({ min: 0, max: 1 })

/** Streams of a few object shapes whose fields mostly keep their type. */
const fieldOfOneType = fc.constantFrom<fc.Arbitrary<unknown>>(
  fc.double(),
  anyText,
  fc.boolean(),
  fc.option(anyText),
  fc.option(fc.double(), { nil: undefined }),
  fc.date(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.array(fc.double()),
  fc.tuple(anyText, fc.double()),
  fc.option(fc.record({ x: fc.double(), y: anyText }, { requiredKeys: ['x'] })),
  field,
)
const stream = fc
  .dictionary(fc.oneof(fc.string(), fc.constantFrom('a', 'b', '__proto__', 'constructor', 'quote"')), fieldOfOneType, {
    maxKeys: 6,
    noNullPrototype: true,
  })
  .chain((fields) =>
    fc.array(fc.record(fields, { requiredKeys: Object.keys(fields).slice(0, 3), noNullPrototype: true }), {
      minLength: 1,
      maxLength: 40,
    }),
  )

function inferred(values: readonly unknown[]): ColumnSchema {
  const sampler = new SchemaSampler()
  for (const value of values) sampler.add(value)
  return sampler.schema()
}

it('reads back any stream of objects through the schema inferred from it', () => {
  fc.assert(
    fc.property(stream, fc.array(time, { minLength: 40, maxLength: 40 }), manner, (values, times, how) => {
      expect(checkBlock(inferred(values), values, times.slice(0, values.length), how)).toBeGreaterThan(0)
    }),
    { numRuns: runs },
  )
})

it('reads back any stream of single values through the schema inferred from it', () => {
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 40 }), manner, (values, how) => {
      const times = values.map(() => -Infinity)
      expect(checkBlock(inferred(values), values, times, how)).toBeGreaterThan(0)
      expect(checkBlock(genericSchema, values, times, how)).toBeGreaterThan(0)
    }),
    { numRuns: runs },
  )
})

it('either refuses a value or reads it back exactly, whatever the schema', () => {
  fc.assert(
    fc.property(stream, fc.oneof(stream, fc.array(field, { minLength: 1 })), (sample, values) => {
      const views = privateViews(segmentBytes)
      const schema = inferred(sample)
      const encoder = newBlockEncoder(schema, views)
      encoder.open(0, segmentBytes, encoder.rowsFor(segmentBytes, false), false)
      const accepted = values.filter((value) => encoder.write(value, -Infinity) === Written.Wrote)
      expect(encoder.seal()).toBeGreaterThan(0)
      const decoder = newBlockDecoder(schema, views)
      decoder.open(0)
      assert.deepStrictEqual(
        Array.from({ length: decoder.count }, (_, i) => decoder.read(i)),
        accepted,
      )
    }),
    { numRuns: runs },
  )
})

it('leaves out the first rows of a saved batch', () => {
  const values = Array.from({ length: 50 }, (_, i) => ({
    n: i,
    s: `text ${i}`.repeat(i),
    l: [i],
    g: i % 2 ? i : 'even',
  }))
  const whole = saveRecords(
    values,
    values.map((_, i) => i),
  )
  new DataView(whole.buffer, whole.byteOffset).setUint32(4, 20, true)
  const decoder = readSavedBatch(whole)
  expect(decoder.count).toBe(30)
  expect(Array.from({ length: 30 }, (_, i) => decoder.read(i))).toEqual(values.slice(20))
  expect(decoder.timestampMs(0)).toBe(20)
  const views = privateViews(segmentBytes)
  const schema = inferred(values)
  const encoder = newBlockEncoder(schema, views)
  encoder.open(0, segmentBytes, encoder.rowsFor(segmentBytes, false), false)
  for (const value of values) expect(encoder.write(value, -Infinity)).toBe(Written.Wrote)
  const again = readSavedBatch(saveBlock(schema.key, encoder.sealToBytes(), 33))
  expect(Array.from({ length: again.count }, (_, i) => again.read(i))).toEqual(values.slice(33))
})

it('holds declared rows of every type', () => {
  const type = types.row({
    f: types.float64(),
    i: types.int32(),
    l: types.int64(),
    b: types.bool(),
    ts: types.timestamp(),
    t: types.text(),
    bytes: types.bytes(),
    d: types.decimal(12, 2),
    big: types.decimal(38, 2),
    list: types.list(types.row({ x: types.int32() })),
    row: types.nullable(types.row({ inner: types.nullable(types.text()) })),
    g: types.generic(),
  })
  const values = Array.from({ length: 100 }, (_, n) => ({
    f: n / 3,
    i: n - 50,
    l: -(2n ** 63n) + BigInt(n),
    b: n % 2 === 0,
    ts: 1e12 + n,
    t: n === 50 ? '漢字' : `t${n}`,
    bytes: new Uint8Array(n),
    d: -BigInt(n),
    big: -(10n ** 37n) - BigInt(n),
    list: [{ x: n }, { x: n - 7 }],
    row: n % 3 === 0 ? null : { inner: n % 5 === 0 ? null : `i${n}` },
    g: n % 2 ? { n } : [n],
  }))
  for (const how of [0, 1]) {
    expect(
      checkBlock(
        schemaOfType(type.dataType),
        values,
        values.map((_, i) => i),
        how,
      ),
    ).toBe(100)
  }
})
