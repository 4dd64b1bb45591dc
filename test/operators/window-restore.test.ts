import { describe, expect, it } from 'vitest'
import { combinationOf } from '../../src/operators/reduce-function.ts'
import { type HarnessOptions, OperatorHarness } from '../../src/testing/operator-harness.ts'
import { session } from '../../src/windows/assigners/session.ts'
import { sliding } from '../../src/windows/assigners/sliding.ts'
import { tumbling } from '../../src/windows/assigners/tumbling.ts'
import { createWindowOperator } from '../../src/windows/create-window-operator.ts'
import { incrementalReduce } from '../../src/windows/incremental.ts'

interface Item {
  readonly key: number
  readonly n: number
}

const sum = incrementalReduce(combinationOf<Item>((left, right) => ({ key: left.key, n: left.n + right.n })))
const keys = Array.from({ length: 40 }, (_, key) => key)

function open(options: Partial<HarnessOptions<Item>> = {}): Promise<OperatorHarness<Item, Item>> {
  return OperatorHarness.open<Item, Item>({
    operator: () => createWindowOperator({ assigner: sliding.eventTime<Item>(10, 5), incremental: sum }),
    keySelector: ({ key }) => key,
    ...options,
  })
}

describe('sliding windows after a restore', () => {
  it('fire each window once per key, though the subtasks before were not equally far', async () => {
    const fired: string[] = []
    const note = (harness: OperatorHarness<Item, Item>): void => {
      for (const { value, timestampMs } of harness.records()) fired.push(`${value.key} ${timestampMs}`)
    }
    const before = await Promise.all([0, 1].map((subtaskIndex) => open({ subtaskIndex, parallelism: 2 })))
    for (const key of keys) {
      const owner = before.find((harness) => {
        try {
          harness.processElement({ key, n: 1 }, 7)
          return true
        } catch {
          return false
        }
      })
      expect(owner).toBeDefined()
    }
    before[1]!.processWatermark(12)
    before.forEach(note)
    const restore = await Promise.all(before.map((harness) => harness.snapshot()))
    const after = await open({ restore })
    after.endInput()
    note(after)
    expect(fired.toSorted()).toEqual(keys.flatMap((key) => [`${key} 14`, `${key} 9`]).toSorted())
  })

  it('keep to the managed backend as well, at another parallelism', async () => {
    const before = await open({ backend: 'managed' })
    for (const key of keys) before.processElement({ key, n: key }, 3)
    before.processWatermark(4)
    const restore = [await before.snapshot()]
    const total = { n: 0 }
    for (const subtaskIndex of [0, 1, 2]) {
      const after = await open({ backend: 'managed', restore, subtaskIndex, parallelism: 3 })
      after.endInput()
      for (const { n } of after.values()) total.n += n
    }
    // The window that ended at 5 fired before: one window per key is left.
    expect(total.n).toBe(keys.reduce((left, right) => left + right, 0))
  })
})

describe('window parameters', () => {
  it('are refused where Flink refuses them', async () => {
    const refused = expect.objectContaining({ code: 'MR_TIME_INVALID' })
    expect(() => tumbling.eventTime(0)).toThrow(refused)
    expect(() => tumbling.eventTime(10, { offsetMs: 10 })).toThrow(refused)
    expect(() => sliding.eventTime(10, 5, { offsetMs: -5 })).toThrow(refused)
    expect(() => session.eventTime(0)).toThrow(refused)
    const assigner = session.dynamicEventTime<Item>(({ n }) => n)
    const harness = await open({ operator: () => createWindowOperator({ assigner, incremental: sum }) })
    expect(() => harness.processElement({ key: 1, n: -1 }, 5)).toThrow(refused)
  })

  it('let records vanish between windows where the slide is above the size', async () => {
    const assigner = sliding.eventTime<Item>(2, 5)
    const harness = await open({ operator: () => createWindowOperator({ assigner, incremental: sum }) })
    for (const timestampMs of [0, 1, 2, 3, 4, 5]) harness.processElement({ key: 1, n: 1 }, timestampMs)
    harness.endInput()
    expect(harness.records().map(({ value, timestampMs }) => [value.n, timestampMs])).toEqual([
      [2, 1],
      [1, 6],
    ])
    expect(harness.counter('numLateRecordsDropped')).toBe(0)
  })
})
