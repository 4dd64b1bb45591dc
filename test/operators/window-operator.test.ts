import { describe, expect, it } from 'vitest'
import { outputTag } from '../../src/operators/output-tag.ts'
import { combinationOf } from '../../src/operators/reduce-function.ts'
import { OperatorHarness } from '../../src/testing/operator-harness.ts'
import { session } from '../../src/windows/assigners/session.ts'
import { sliding } from '../../src/windows/assigners/sliding.ts'
import { tumbling } from '../../src/windows/assigners/tumbling.ts'
import { globalWindows } from '../../src/windows/assigners/global.ts'
import { countEvictor } from '../../src/windows/evictors/count-evictor.ts'
import { incrementalReduce } from '../../src/windows/incremental.ts'
import { countTrigger } from '../../src/windows/triggers/count-trigger.ts'
import { purgingTrigger } from '../../src/windows/triggers/purging-trigger.ts'
import { WindowOperator } from '../../src/windows/window-operator.ts'
import type { WindowSpec } from '../../src/windows/window-spec.ts'
import type { TimeWindow, Window } from '../../src/windows/window.ts'

interface Item {
  readonly key: string
  readonly n: number
}

const sum = incrementalReduce(combinationOf<Item>((left, right) => ({ key: left.key, n: left.n + right.n })))

function open<Mid, Out, W extends Window>(
  spec: WindowSpec<Item, never, Mid, Out, string, W> | WindowSpec<Item, Item, Mid, Out, string, W>,
  restore?: Parameters<typeof OperatorHarness.open>[0]['restore'],
): Promise<OperatorHarness<Item, Out>> {
  return OperatorHarness.open<Item, Out>({
    operator: () => new WindowOperator(spec as WindowSpec<Item, Item, Mid, Out, string, W>),
    keySelector: (item: Item) => item.key,
    ...(restore === undefined ? {} : { restore }),
  })
}

const rows = (harness: OperatorHarness<Item, unknown>): [string, number, number][] =>
  (harness as OperatorHarness<Item, Item>).records().map(({ value, timestampMs }) => [value.key, value.n, timestampMs])

describe('the window operator', () => {
  it('sums tumbling windows per key and stamps results with the end - 1', async () => {
    const harness = await open({ assigner: tumbling.eventTime<Item>(10), incremental: sum })
    harness.processElement({ key: 'a', n: 1 }, 3)
    harness.processElement({ key: 'b', n: 5 }, 9)
    harness.processElement({ key: 'a', n: 2 }, 9)
    harness.processElement({ key: 'a', n: 4 }, 10)
    harness.processElement({ key: 'a', n: 8 }, -1)
    harness.processWatermark(8)
    expect(rows(harness)).toEqual([['a', 8, -1]])
    harness.processWatermark(9)
    expect(rows(harness).slice(1)).toEqual([
      ['a', 3, 9],
      ['b', 5, 9],
    ])
    harness.endInput()
    expect(rows(harness).slice(3)).toEqual([['a', 4, 19]])
    expect(harness.keyedState!.entryCount()).toBe(0)
  })

  it('fires again with every late record while lateness allows, then sends late records aside', async () => {
    const late = outputTag<Item>('late')
    const harness = await open({
      assigner: tumbling.eventTime<Item>(10),
      incremental: sum,
      allowedLatenessMs: 5,
      lateTag: late,
    })
    harness.processElement({ key: 'a', n: 1 }, 3)
    harness.processWatermark(12)
    harness.processElement({ key: 'a', n: 2 }, 4)
    harness.processElement({ key: 'b', n: 7 }, 4)
    harness.processWatermark(14)
    harness.processElement({ key: 'a', n: 4 }, 5)
    expect(rows(harness)).toEqual([
      ['a', 1, 9],
      ['a', 3, 9],
      ['b', 7, 9],
    ])
    expect(harness.sideOutput(late)).toEqual([{ value: { key: 'a', n: 4 }, timestampMs: 5 }])
    expect(harness.keyedState!.entryCount()).toBe(0)
  })

  it('counts late records that nobody wants', async () => {
    const harness = await open({ assigner: tumbling.eventTime<Item>(10), incremental: sum })
    harness.processWatermark(30)
    harness.processElement({ key: 'a', n: 4 }, 5)
    expect(harness.counter('numLateRecordsDropped')).toBe(1)
    expect(rows(harness)).toEqual([])
  })

  it('puts a record into every sliding window that covers it', async () => {
    const harness = await open({ assigner: sliding.eventTime<Item>(10, 5), incremental: sum })
    harness.processElement({ key: 'a', n: 1 }, 7)
    harness.endInput()
    expect(rows(harness)).toEqual([
      ['a', 1, 9],
      ['a', 1, 14],
    ])
  })

  it('merges sessions, also where a pause is exactly the gap', async () => {
    const harness = await open({ assigner: session.eventTime<Item>(10), incremental: sum })
    harness.processElement({ key: 'a', n: 1 }, 0)
    harness.processElement({ key: 'a', n: 2 }, 30)
    harness.processElement({ key: 'a', n: 4 }, 20)
    harness.processElement({ key: 'a', n: 8 }, 10)
    harness.processElement({ key: 'a', n: 16 }, 41)
    harness.endInput()
    expect(rows(harness)).toEqual([
      ['a', 15, 39],
      ['a', 16, 50],
    ])
    expect(harness.keyedState!.entryCount()).toBe(0)
  })

  it('fires count windows and purges them', async () => {
    const harness = await open({
      assigner: globalWindows<Item>(),
      trigger: purgingTrigger(countTrigger<Item>(2)),
      incremental: sum,
    })
    for (let n = 1; n <= 5; n++) harness.processElement({ key: 'a', n })
    expect(rows(harness).map(([, n]) => n)).toEqual([3, 7])
  })

  it('slides count windows with an evictor', async () => {
    const harness = await open({
      assigner: globalWindows<Item>(),
      trigger: countTrigger<Item>(2),
      evictor: countEvictor<Item>(3),
      incremental: sum,
    })
    for (let n = 1; n <= 6; n++) harness.processElement({ key: 'a', n })
    expect(rows(harness).map(([, n]) => n)).toEqual([3, 9, 15])
  })

  it('gives a process function the elements, window state and global state', async () => {
    const seen: string[] = []
    const total = { kind: 'value', name: 'total' } as const
    const harness = await open<Item, string, TimeWindow>({
      assigner: tumbling.eventTime<Item>(10),
      process: {
        process(key, context, elements, out) {
          const state = context.globalState().getState<number>(total)
          const fired = context.windowState().getState<number>(total)
          for (const { n } of elements) state.update((state.value() ?? 0) + n)
          fired.update((fired.value() ?? 0) + 1)
          out.collect(`${key} ${context.window.startMs} ${state.value()} ${fired.value()}`)
        },
        clear(context) {
          seen.push(`clear ${context.window.startMs}`)
          context.windowState().getState<number>(total).clear()
        },
      },
    })
    harness.processElement({ key: 'a', n: 1 }, 1)
    harness.processElement({ key: 'a', n: 2 }, 2)
    harness.processElement({ key: 'a', n: 3 }, 11)
    harness.endInput()
    expect(harness.values()).toEqual(['a 0 3 1', 'a 10 6 1'])
    expect(seen).toEqual(['clear 0', 'clear 10'])
    expect(harness.keyedState!.entryCount()).toBe(1)
  })

  it('names key, window and element where a function throws', async () => {
    const harness = await open({
      assigner: tumbling.eventTime<Item>(10),
      incremental: incrementalReduce(
        combinationOf<Item>(() => {
          throw new Error('no sums today')
        }),
      ),
    })
    harness.processElement({ key: 'a', n: 1 }, 1)
    expect(() => harness.processElement({ key: 'a', n: 2 }, 2)).toThrow(
      expect.objectContaining({
        code: 'MR_USER_FUNCTION_FAILED',
        message: expect.stringMatching(/no sums today.*"n":2.*key "a".*start=0/),
      }),
    )
  })

  it('refuses a record without a timestamp in event time', async () => {
    const harness = await open({ assigner: tumbling.eventTime<Item>(10), incremental: sum })
    expect(() => harness.processElement({ key: 'a', n: 2 })).toThrow(
      expect.objectContaining({ code: 'MR_TIME_INVALID' }),
    )
  })

  it('fires by processing time', async () => {
    const harness = await open({ assigner: tumbling.processingTime<Item>(10), incremental: sum })
    harness.setProcessingTime(3)
    harness.processElement({ key: 'a', n: 1 })
    harness.setProcessingTime(8)
    harness.processElement({ key: 'a', n: 2 })
    expect(rows(harness)).toEqual([])
    harness.setProcessingTime(9)
    expect(rows(harness)).toEqual([['a', 3, 9]])
    expect(harness.keyedState!.entryCount()).toBe(0)
  })

  it('goes on from a snapshot, also at another parallelism', async () => {
    const before = await open({ assigner: session.eventTime<Item>(10), incremental: sum })
    for (const key of ['a', 'b', 'c', 'd', 'e']) before.processElement({ key, n: 1 }, 0)
    const snapshot = await before.snapshot()
    await before.close()
    const results: string[] = []
    for (const subtaskIndex of [0, 1]) {
      const after = await OperatorHarness.open<Item, Item>({
        operator: () => new WindowOperator({ assigner: session.eventTime<Item>(10), incremental: sum }),
        keySelector: (item: Item) => item.key,
        restore: [snapshot],
        subtaskIndex,
        parallelism: 2,
      })
      after.endInput()
      results.push(...after.values().map(({ key, n }) => key + n))
    }
    expect(results.toSorted()).toEqual(['a1', 'b1', 'c1', 'd1', 'e1'])
  })
})
