/** How channels choose columns: inferred, widened by surprises, given up. Seen through the shapes of the batches read. */
import { expect, it } from 'vitest'
import type { BlockDecoder } from '../../../src/data/block-decoder.ts'
import { types } from '../../../src/data/types.ts'
import { pollAll, type TwoEnds, twoEnds } from '../../support/two-ends.ts'
import { Polled } from '../../../src/exchange/channel.ts'

/** Writes each group with a flush after it, and gives the schema of every batch read. */
function schemasOf(ends: TwoEnds, groups: readonly (readonly unknown[])[]): string[] {
  const found: string[] = []
  for (const group of groups) {
    for (const value of group) ends.writer.write(value, -Infinity)
    ends.writer.flush()
    while (ends.reader.poll() === Polled.Batch) {
      found.push((ends.reader.batch as unknown as BlockDecoder).layout.schema.key)
    }
  }
  return found
}

const kindsIn = (schema: string): string[] => [...schema.matchAll(/"kind":"(\w+)"/g)].map((match) => match[1]!)

it('infers a column per field', () => {
  const [schema] = schemasOf(twoEnds('ring'), [
    [{ n: 1, t: 'x', b: true, l: 5n, d: new Date(0), u: new Uint8Array(1), list: ['a'], pair: [1, 'a'], o: { x: 1 } }],
  ])
  expect(kindsIn(schema!)).toEqual([
    'row',
    'float64',
    'text',
    'bool',
    'int64',
    'date',
    'bytes',
    'list',
    'list',
    'text',
    'tuple',
    'float64',
    'text',
    'row',
    'float64',
  ])
})

it('reads streams of single values as one column', () => {
  expect(kindsIn(schemasOf(twoEnds('ring'), [['a', 'b']])[0]!)).toEqual(['text'])
  expect(kindsIn(schemasOf(twoEnds('ring'), [[1, 2.5]])[0]!)).toEqual(['float64'])
})

it('widens the columns where a later record does not fit', () => {
  const schemas = schemasOf(twoEnds('ring'), [
    [{ a: 1, b: 'x' }],
    [{ a: null, b: 'x' }],
    [{ a: 1, b: 'x', c: 5 }],
    [{ a: 1, b: 7 }],
    [{ a: 1, b: 'x' }],
  ])
  expect(schemas.map(kindsIn)).toEqual([
    ['row', 'float64', 'text'],
    ['row', 'float64', 'text'],
    ['row', 'float64', 'text', 'float64'],
    ['row', 'float64', 'generic', 'float64'],
    ['row', 'float64', 'generic', 'float64'],
  ])
})

it('goes on without columns once too many records were surprises', () => {
  const ends = twoEnds('ring')
  const surprises = Array.from({ length: 100 }, (_, i) => [{ [`field ${i}`]: i }])
  const schemas = schemasOf(ends, surprises)
  expect(kindsIn(schemas[0]!)).toEqual(['row', 'float64'])
  expect(kindsIn(schemas.at(-1)!)).toEqual(['generic'])
  expect(ends.writer.stats.genericRecords).toBeGreaterThan(20)
})

it('keeps the declared columns where only a few records do not fit', () => {
  const type = types.row({ id: types.int32() }).dataType
  const ends = twoEnds('ring', { type })
  const schemas = schemasOf(ends, [[{ id: 1 }], [{ id: 'stray' }], [{ id: 2 }]])
  expect(schemas.map(kindsIn)).toEqual([['row', 'int32'], ['generic'], ['row', 'int32']])
  expect(ends.writer.stats.genericRecords).toBe(1)
})

it('writes rows too wide for a segment without columns', () => {
  const wide = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`column ${i}`, i]))
  const ends = twoEnds('ring', {
    segmentBytes: 4096,
    type: { kind: 'row', fields: Object.keys(wide).map((name) => ({ name, type: { kind: 'float64' } })) },
  })
  for (let i = 0; i < 50; i++) ends.writer.write(wide, -Infinity)
  ends.writer.flush()
  const carried = pollAll(ends)
  ends.writer.flush()
  carried.push(...pollAll(ends))
  expect(carried).toEqual(Array.from({ length: 50 }, () => ({ value: wide, timestampMs: -Infinity })))
})
