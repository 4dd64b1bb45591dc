import { describe, expect, it } from 'vitest'
import { fieldAggregation } from '../../src/operators/field-aggregation.ts'
import { KeyedReduceOperator } from '../../src/operators/keyed-reduce-operator.ts'
import { LocalCombineOperator } from '../../src/operators/local-combine-operator.ts'
import {
  MapPartitionOperator,
  PartitionReduceOperator,
  sortPartition,
} from '../../src/operators/partition-window-operator.ts'
import { combinationOf } from '../../src/operators/reduce-function.ts'
import { OperatorHarness } from '../../src/testing/operator-harness.ts'
import { type HarnessInput, runTrial, trials } from '../../src/testing/operator-trials.ts'

interface Word {
  readonly word: string
  readonly count: number
}

const script = (...words: string[]): HarnessInput<Word>[] => [
  ...words.map((word, i) => ({ type: 'element', value: { word, count: i + 1 }, timestampMs: i }) as const),
  { type: 'endInput' },
]
const keySelector = ({ word }: Word): string => word

async function run(operator: () => object, trial = trials[0]!): Promise<Word[]> {
  const options = { operator: operator as never, keySelector }
  const byInput = await runTrial<Word, Word>(options, script('a', 'b', 'a', 'a'), trial)
  return byInput.flatMap((events) => events.map((event) => (event as { value: Word }).value))
}

describe('rolling aggregations', () => {
  it.each(trials)('emit the new value of the key with every record: $name', async (trial) => {
    const sum = fieldAggregation<Word>({ kind: 'sum', field: 'count' })
    expect(await run(() => new KeyedReduceOperator(sum), trial)).toEqual([
      { word: 'a', count: 1 },
      { word: 'b', count: 2 },
      { word: 'a', count: 4 },
      { word: 'a', count: 8 },
    ])
  })

  it.each(trials)('emit final values only, where asked to: $name', async (trial) => {
    const sum = fieldAggregation<Word>({ kind: 'sum', field: 'count' })
    const found = await run(() => new KeyedReduceOperator(sum, { emitFinalOnly: true }), trial)
    expect(found.toSorted((left, right) => left.count - right.count)).toEqual([
      { word: 'b', count: 2 },
      { word: 'a', count: 8 },
    ])
  })

  it('take the minimum and maximum of a field, or the whole record that has it', () => {
    const left = { id: 1, at: { x: 5 }, name: 'l' }
    const right = { id: 2, at: { x: 3 }, name: 'r' }
    const of = (kind: 'min' | 'max' | 'minBy' | 'maxBy', field: string): unknown =>
      fieldAggregation<object>({ kind, field }).combine(left, right)
    expect(of('min', 'at.x')).toEqual({ id: 1, at: { x: 3 }, name: 'l' })
    expect(of('max', 'id')).toEqual({ id: 2, at: { x: 5 }, name: 'l' })
    expect(of('minBy', 'at.x')).toBe(right)
    expect(of('maxBy', 'at.x')).toBe(left)
    expect(left).toEqual({ id: 1, at: { x: 5 }, name: 'l' })
    const tie = fieldAggregation<{ n: number }>({ kind: 'maxBy', field: 'n', onTie: 'last' })
    const last = { n: 1 }
    expect(tie.combine({ n: 1 }, last)).toBe(last)
    expect(fieldAggregation<number>({ kind: 'max', field: undefined }).combine(1, 3)).toBe(3)
    expect(fieldAggregation<[string, number]>({ kind: 'sum', field: 1 }).combine(['a', 1], ['b', 2])).toEqual(['a', 3])
  })

  it('refuse to add up what is no number', () => {
    const sum = fieldAggregation<object>({ kind: 'sum', field: 'n' })
    expect(() => sum.combine({ n: 1 }, { n: 'two' })).toThrow(
      expect.objectContaining({ code: 'MR_DATA_TYPE_MISMATCH' }),
    )
  })
})

describe('the local combiner', () => {
  it.each(trials.slice(0, 2))('loses and doubles nothing, however small it is: $name', async (trial) => {
    const combination = combinationOf<Word>((left, right) => ({ word: left.word, count: left.count + right.count }))
    const words = Array.from({ length: 500 }, (_, i) => `w${(i * i) % 37}`)
    const operator = (): LocalCombineOperator<Word> =>
      new LocalCombineOperator({ keySelector, combination, keysMax: 4 })
    const byInput = await runTrial<Word, Word>({ operator }, script(...words), trial)
    const found = new Map<string, number>()
    for (const event of byInput.flat()) {
      const { word, count } = (event as unknown as { value: Word }).value
      found.set(word, (found.get(word) ?? 0) + count)
    }
    const expected = new Map<string, number>()
    words.forEach((word, i) => expected.set(word, (expected.get(word) ?? 0) + i + 1))
    expect(found).toEqual(expected)
    expect(Math.max(...byInput.slice(0, -1).map((events) => events.length))).toBeLessThanOrEqual(2)
  })

  it('combines keys of every kind, however long', async () => {
    type Counted = { key: unknown; count: number }
    const combination = combinationOf<Counted>((left, right) => ({ key: left.key, count: left.count + right.count }))
    const harness = await OperatorHarness.open<Counted, Counted>({
      operator: () => new LocalCombineOperator<Counted>({ keySelector: ({ key }) => key, combination }),
    })
    const keys = [1, '1', '', 'x'.repeat(65), `${'x'.repeat(64)}y`, true, 1n, Number.NaN, 'ä', undefined]
    for (let round = 1; round <= 3; round++) for (const key of keys) harness.processElement({ key, count: round })
    await harness.snapshot()
    expect(harness.values()).toEqual(keys.map((key) => ({ key, count: 6 })))
  })

  it('lets a barrier pass only when it is empty', async () => {
    const combination = combinationOf<Word>((left, right) => ({ word: left.word, count: left.count + right.count }))
    const harness = await OperatorHarness.open<Word, Word>({
      operator: () => new LocalCombineOperator({ keySelector, combination }),
    })
    harness.processElement({ word: 'a', count: 1 })
    harness.processElement({ word: 'a', count: 2 })
    await harness.snapshot()
    expect(harness.values()).toEqual([{ word: 'a', count: 3 }])
  })
})

describe('full window partitions', () => {
  it.each(trials)('reduce a partition once its input has ended: $name', async (trial) => {
    const reduce = combinationOf<Word>((left, right) => ({
      word: left.word + right.word,
      count: left.count + right.count,
    }))
    expect(await run(() => new PartitionReduceOperator(reduce, undefined), trial)).toEqual([
      { word: 'abaa', count: 10 },
    ])
  })

  it.each(trials)('sort a partition: $name', async (trial) => {
    const operator = (): MapPartitionOperator<Word, Word> =>
      new MapPartitionOperator(sortPartition(keySelector, 'descending'))
    expect((await run(operator, trial)).map(({ word, count }) => word + count)).toEqual(['b2', 'a1', 'a3', 'a4'])
  })
})
