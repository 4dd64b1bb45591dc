import { expect, it } from 'vitest'
import { codeOf } from '../../../src/common/errors.ts'
import { ByteReader } from '../../../src/data/bytes.ts'
import { codecFor } from '../../../src/data/value-codec.ts'
import {
  BlockBuilder,
  BlockOp,
  BlockReader,
  decodeFileHeader,
  encodeFileHeader,
  keyCodecs,
} from '../../../src/state/snapshot-layout.ts'

const schema = { maxParallelism: 128, states: [] }

it('writes the entries of a block in their order', () => {
  const builder = new BlockBuilder({ op: BlockOp.Upsert, state: 300, keyClass: 3, namespace: 'w:1' })
  const text = codecFor({ kind: 'text' })
  const entries: [group: number, key: string, value: string][] = [
    [7, 'b', 'one'],
    [2, 'a', ''],
    [7, 'c', 'x'.repeat(100)],
    [0, 'd', 'four'],
    [2, 'e', 'five'],
  ]
  for (const [group, key, value] of entries) builder.add(group, key, value, text)
  const block = new BlockReader(builder.take(), 0)
  expect(block.next()).toBe(true)
  expect([block.op, block.state, block.keyClass, block.namespace, block.count]).toEqual([0, 300, 3, 'w:1', 5])
  const read = Array.from({ length: 5 }, (_, i) => [
    block.keyGroup(i),
    keyCodecs[3]!.decode(block.keys),
    text.decode(block.values),
  ])
  expect(read).toEqual(entries)
  expect(block.next()).toBe(false)
})

it('names the order of its entries where they have one', () => {
  const heads = [undefined, 0x9e3779b1 | 0, 5].map((order) => ({
    op: BlockOp.Upsert,
    state: 1,
    keyClass: 0,
    namespace: 7,
    order,
  }))
  for (const head of heads) {
    const builder = new BlockBuilder({ ...head, keyClass: 0 })
    builder.add(1, 5, 1.5, codecFor({ kind: 'float64' }))
    const block = new BlockReader(builder.take(), 0)
    expect(block.next()).toBe(true)
    expect([block.order, block.keyClass, block.namespace]).toEqual([head.order ?? 0, 0, 7])
    expect([block.keyGroup(0), keyCodecs[0]!.decode(block.keys), block.values.f64()]).toEqual([1, 5, 1.5])
  }
})

it('refuses a file that is none, of another version, or cut short', () => {
  const header = encodeFileHeader(schema)
  expect(decodeFileHeader(new ByteReader(header), 'f')).toEqual(schema)
  const newer = header.slice()
  newer[4] = 99
  const cases: [bytes: Uint8Array, code: string][] = [
    [new Uint8Array(20), 'MR_CHECKPOINT_CORRUPT'],
    [header.subarray(0, 5), 'MR_CHECKPOINT_CORRUPT'],
    [newer, 'MR_CHECKPOINT_INCOMPATIBLE'],
  ]
  for (const [bytes, code] of cases) {
    expect(() => decodeFileHeader(new ByteReader(bytes), 'f')).toThrow(expect.objectContaining({ code }))
  }
  const builder = new BlockBuilder({ op: BlockOp.Upsert, state: 0, keyClass: 0, namespace: 0 })
  builder.add(1, 5, 1.5, codecFor({ kind: 'float64' }))
  const cut = new BlockReader(builder.take().subarray(0, 20), 0)
  let code: string | undefined
  try {
    cut.next()
  } catch (error) {
    code = codeOf(error)
  }
  expect(code).toBe('MR_DATA_CORRUPT')
})
