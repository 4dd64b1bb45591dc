import { describe, expect, it } from 'vitest'
import { columns, elements, guidedBlocks, sequence } from '../../../src/connectors/index.ts'
import { readSource } from '../../support/read-source.ts'

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)
const sorted = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b)

describe('elements', () => {
  it('emits its values in order, in one subtask', async () => {
    const { all, outputs } = await readSource(elements(['a', 'b', 'c']), { parallelism: 4 })
    expect(all).toEqual(['a', 'b', 'c'])
    expect(outputs).toHaveLength(1)
  })

  it('emits nothing for an empty list', async () => {
    expect((await readSource(elements([]))).all).toEqual([])
  })

  it.each([1, 3])('goes on where its snapshot stood, %i records a poll', async (recordsMax) => {
    const { all } = await readSource(elements(numbers(1, 10)), { recordsMax, restoresAfterPoll: true })
    expect(all).toEqual(numbers(1, 10))
  })
})

describe('columns', () => {
  it.each([1, 2, 3, 8])('emits every number once at parallelism %i', async (parallelism) => {
    const array = Float64Array.from(numbers(0, 99))
    const { all } = await readSource(columns(array), { parallelism, recordsMax: 7, room: 3 })
    expect(sorted(all)).toEqual(numbers(0, 99))
  })

  it('emits in order where one subtask reads', async () => {
    expect((await readSource(columns(Int32Array.of(3, 1, 2)))).all).toEqual([3, 1, 2])
  })

  it('declares int32 for small integers and float64 for the rest', () => {
    expect(columns(new Int8Array(1)).type?.dataType.kind).toBe('int32')
    expect(columns(new Uint32Array(1)).type?.dataType.kind).toBe('float64')
  })

  it('takes an empty array', async () => {
    expect((await readSource(columns(new Float64Array(0)), { parallelism: 2 })).all).toEqual([])
  })
})

describe('sequence', () => {
  it('emits both bounds, in order where one subtask reads', async () => {
    expect((await readSource(sequence(5, 25), { recordsMax: 4 })).all).toEqual(numbers(5, 25))
  })

  it.each([2, 3, 7])('emits every number once at parallelism %i, through restores', async (parallelism) => {
    const { all } = await readSource(sequence(-10, 1000), { parallelism, recordsMax: 13, restoresAfterPoll: true })
    expect(sorted(all)).toEqual(numbers(-10, 1000))
  })

  it('is empty where the end lies before the start', async () => {
    expect((await readSource(sequence(1, 0), { parallelism: 2 })).all).toEqual([])
  })

  it('refuses bounds that are no safe integers', () => {
    expect(() => sequence(0, 0.5)).toThrow(expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE' }))
  })
})

describe('guided blocks', () => {
  const lengthsOf = (from: number, end: number, parallelism: number): number[] => {
    const blocks = guidedBlocks(from, end, parallelism)
    expect(blocks.map(({ next }) => next)).toEqual([from, ...blocks.map((block) => block.end)].slice(0, -1))
    expect(blocks.at(-1)?.end ?? from).toBe(Math.max(from, end))
    return blocks.map((block) => block.end - block.next)
  }

  it('follow one another from the first number to the last, and are none where there is none', () => {
    expect(lengthsOf(5, 5, 2)).toEqual([])
    expect(lengthsOf(-3, 0, 4)).toEqual([1, 1, 1])
  })

  it('are of one length, and smaller towards the end, so that no subtask is left with much', () => {
    const lengths = lengthsOf(0, 10_000_000, 2)
    expect(lengths.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 1 << 19))
    expect(lengths.toSorted((a, b) => b - a)).toEqual(lengths)
    expect(lengths.at(-1)).toBeLessThanOrEqual(4096)
  })

  it('give every subtask several where there is little, and are not too many where there is much', () => {
    expect(lengthsOf(0, 100, 2).length).toBeGreaterThan(8)
    expect(lengthsOf(0, 2 ** 40, 2).length).toBeLessThan(4200)
  })
})
