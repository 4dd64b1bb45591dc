import { describe, expect, it } from 'vitest'
import { columns, elements, sequence } from '../../../src/connectors/index.ts'
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
