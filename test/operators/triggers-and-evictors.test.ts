/** Every trigger, evictor and stagger by itself, in the window operator, as Flink's documentation describes it. */
import { describe, expect, it } from 'vitest'
import { outputTag } from '../../src/operators/output-tag.ts'
import { OperatorHarness } from '../../src/testing/operator-harness.ts'
import { endOfStreamWindows, globalWindows } from '../../src/windows/assigners/global.ts'
import { session } from '../../src/windows/assigners/session.ts'
import { sliding } from '../../src/windows/assigners/sliding.ts'
import { tumbling } from '../../src/windows/assigners/tumbling.ts'
import { countEvictor } from '../../src/windows/evictors/count-evictor.ts'
import { deltaEvictor } from '../../src/windows/evictors/delta-evictor.ts'
import { timeEvictor } from '../../src/windows/evictors/time-evictor.ts'
import {
  continuousEventTimeTrigger,
  continuousProcessingTimeTrigger,
} from '../../src/windows/triggers/continuous-trigger.ts'
import { countTrigger } from '../../src/windows/triggers/count-trigger.ts'
import { deltaTrigger } from '../../src/windows/triggers/delta-trigger.ts'
import { neverTrigger } from '../../src/windows/triggers/never-trigger.ts'
import { eventTimeTrigger } from '../../src/windows/triggers/event-time-trigger.ts'
import { processingTimeoutTrigger } from '../../src/windows/triggers/processing-timeout-trigger.ts'
import { purgingTrigger } from '../../src/windows/triggers/purging-trigger.ts'
import { type Trigger, TriggerResult } from '../../src/windows/trigger.ts'
import { WindowOperator } from '../../src/windows/window-operator.ts'
import type { WindowSpec } from '../../src/windows/window-spec.ts'
import type { TimeWindow, Window } from '../../src/windows/window.ts'

type Spec<W extends Window> = Omit<WindowSpec<number, never, number, string, number, W>, 'incremental' | 'process'>

/** Emits the elements of a firing, joined. */
async function open<W extends Window>(spec: Spec<W>, startMs = 0): Promise<OperatorHarness<number, string>> {
  return OperatorHarness.open<number, string>({
    startMs,
    operator: () =>
      new WindowOperator({
        ...spec,
        incremental: undefined,
        process: (_key: number, _context: unknown, elements: Iterable<number>, out: { collect(v: string): void }) =>
          out.collect([...elements].join(' ')),
      } as never),
    keySelector: () => 1,
  })
}

/** Feeds numbers that are their own event time. */
const feed = (harness: OperatorHarness<number, string>, ...values: number[]): void => {
  for (const value of values) harness.processElement(value, value)
}

describe('triggers', () => {
  it('continuous event time: at every interval that holds records, at the end, and for late records at once', async () => {
    const harness = await open({
      assigner: tumbling.eventTime<number>(100),
      trigger: continuousEventTimeTrigger<number>(30),
      allowedLatenessMs: 50,
    })
    feed(harness, 5)
    harness.processWatermark(29)
    expect(harness.values()).toEqual([])
    harness.processWatermark(30)
    expect(harness.values()).toEqual(['5'])
    feed(harness, 40)
    harness.processWatermark(75)
    expect(harness.values()).toEqual(['5', '5 40'])
    harness.processWatermark(99)
    expect(harness.values().slice(2)).toEqual(['5 40', '5 40'])
    feed(harness, 60)
    expect(harness.values().slice(4)).toEqual(['5 40 60'])
  })

  it('continuous processing time: at every interval by the clock', async () => {
    const harness = await open({
      assigner: globalWindows<number>(),
      trigger: continuousProcessingTimeTrigger<number>(10),
    })
    harness.setProcessingTime(3)
    feed(harness, 1)
    harness.setProcessingTime(9)
    expect(harness.values()).toEqual([])
    harness.setProcessingTime(10)
    feed(harness, 2)
    harness.setProcessingTime(20)
    expect(harness.values()).toEqual(['1', '1 2'])
  })

  it('count, purging: what has fired is forgotten, unless it is not purged', async () => {
    const purging = await open({ assigner: globalWindows<number>(), trigger: purgingTrigger(countTrigger<number>(2)) })
    feed(purging, 1, 2, 3, 4, 5)
    expect(purging.values()).toEqual(['1 2', '3 4'])
    const keeping = await open({ assigner: globalWindows<number>(), trigger: countTrigger<number>(2) })
    feed(keeping, 1, 2, 3, 4, 5)
    expect(keeping.values()).toEqual(['1 2', '1 2 3 4'])
  })

  it('delta: where a record differs from the one that fired last', async () => {
    const harness = await open({
      assigner: globalWindows<number>(),
      trigger: deltaTrigger<number>(10, (old, next) => next - old),
    })
    feed(harness, 0, 5, 10, 11, 20, 22)
    expect(harness.values()).toEqual(['0 5 10 11', '0 5 10 11 20 22'])
  })

  it('processing-time time-out: after the first record, after the last one, or where the inner trigger fires before', async () => {
    const inner = (): Trigger<number, Window> => countTrigger<number>(3)
    const first = await open({ assigner: globalWindows<number>(), trigger: processingTimeoutTrigger(inner(), 100) })
    feed(first, 1)
    first.setProcessingTime(60)
    feed(first, 2)
    first.setProcessingTime(100)
    expect(first.values()).toEqual(['1 2'])
    // The count began anew with the time-out.
    feed(first, 3, 4)
    expect(first.values().length).toBe(1)
    feed(first, 5)
    expect(first.values().slice(1)).toEqual(['1 2 3 4 5'])
    first.setProcessingTime(1_000)
    expect(first.values().length).toBe(2)

    const last = await open({
      assigner: globalWindows<number>(),
      trigger: processingTimeoutTrigger(inner(), 100, { resetTimerOnNewRecord: true, shouldClearOnTimeout: false }),
    })
    feed(last, 1)
    last.setProcessingTime(60)
    feed(last, 2)
    last.setProcessingTime(159)
    expect(last.values()).toEqual([])
    last.setProcessingTime(160)
    expect(last.values()).toEqual(['1 2'])
    feed(last, 3)
    expect(last.values().slice(1)).toEqual(['1 2 3'])
  })

  it('never: global windows give nothing, also at the end; with the end of the stream they give everything', async () => {
    const never = await open({ assigner: globalWindows<number>(), trigger: neverTrigger<number>() })
    feed(never, 1, 2)
    never.endInput()
    expect(never.values()).toEqual([])
    const ending = await open({ assigner: endOfStreamWindows<number>() })
    feed(ending, 1, 2)
    ending.processWatermark(1_000_000)
    expect(ending.values()).toEqual([])
    ending.endInput()
    expect(ending.values()).toEqual(['1 2'])
  })

  it('custom: with state that sessions merge, and timers that are cleared with the window', async () => {
    const count = { kind: 'reducing', name: 'count', reduce: (a: number, b: number) => a + b } as const
    const calls: string[] = []
    const trigger: Trigger<number, TimeWindow> = {
      name: 'third',
      onElement(_value, _timestampMs, window, context) {
        const state = context.getPartitionedState<number>(count)
        state.add(1)
        context.registerEventTimeTimer(window.maxTimestampMs)
        return state.get() === 3 ? TriggerResult.Fire : TriggerResult.Continue
      },
      onEventTime: (timeMs, window) =>
        timeMs === window.maxTimestampMs ? TriggerResult.FireAndPurge : TriggerResult.Continue,
      onProcessingTime: () => TriggerResult.Continue,
      onMerge(window, context) {
        context.mergePartitionedState(count)
        context.registerEventTimeTimer(window.maxTimestampMs)
        calls.push(`merge ${window.startMs}-${window.endMs}`)
      },
      clear(window, context) {
        context.getPartitionedState<number>(count).clear()
        context.deleteEventTimeTimer(window.maxTimestampMs)
        calls.push(`clear ${window.startMs}-${window.endMs}`)
      },
    }
    const harness = await open({ assigner: session.eventTime<number>(10), trigger })
    feed(harness, 0, 15)
    expect(harness.values()).toEqual([])
    feed(harness, 8)
    expect(harness.values()).toEqual(['0 15 8'])
    expect(calls).toContain('merge 0-25')
    harness.processWatermark(24)
    expect(harness.values()).toEqual(['0 15 8', '0 15 8'])
    expect(calls.at(-1)).toBe('clear 0-25')
    expect(harness.keyedState!.entryCount()).toBe(0)
  })
})

describe('evictors', () => {
  const fireAt = (count: number): Pick<Spec<Window>, 'assigner' | 'trigger'> => ({
    assigner: globalWindows<number>() as never,
    trigger: countTrigger<number>(count),
  })

  it('count: the last ones, before or after the function', async () => {
    const before = await open({ ...fireAt(3), evictor: countEvictor<number>(2) })
    feed(before, 1, 2, 3, 4, 5, 6)
    expect(before.values()).toEqual(['2 3', '5 6'])
    const after = await open({ ...fireAt(3), evictor: countEvictor<number>(2, true) })
    feed(after, 1, 2, 3, 4, 5, 6)
    expect(after.values()).toEqual(['1 2 3', '2 3 4 5 6'])
  })

  it('time: those near the latest element of the window, not near now', async () => {
    const harness = await open({ ...fireAt(4), evictor: timeEvictor<number>(10) })
    feed(harness, 30, 5, 21, 20)
    expect(harness.values()).toEqual(['30 21'])
    const after = await open({ ...fireAt(2), evictor: timeEvictor<number>(10, true) })
    feed(after, 1, 30, 31, 32)
    expect(after.values()).toEqual(['1 30', '30 31 32'])
  })

  it('delta: those less than the threshold from the last one', async () => {
    const distance = (one: number, last: number): number => Math.abs(last - one)
    const harness = await open({ ...fireAt(4), evictor: deltaEvictor<number>(5, distance) })
    feed(harness, 1, 9, 5, 10)
    expect(harness.values()).toEqual(['9 10'])
  })
})

describe('assigners', () => {
  it('dynamic gaps: each record says how long its session goes on', async () => {
    const harness = await open({ assigner: session.dynamicEventTime<number>((value) => (value === 10 ? 100 : 5)) })
    feed(harness, 0, 10, 60, 120)
    harness.endInput()
    expect(harness.values()).toEqual(['0', '10 60', '120'])
  })

  it('stagger natural: windows begin where the clock stands with the first record; random: all of a subtask alike', async () => {
    const natural = await open({ assigner: tumbling.processingTime<number>(100, { stagger: 'natural' }) }, 1_030)
    feed(natural, 1)
    natural.setProcessingTime(1_128)
    feed(natural, 2)
    natural.setProcessingTime(1_130)
    expect(natural.values()).toEqual(['1 2'])
    const random = await open({ assigner: tumbling.eventTime<number>(100, { stagger: 'random' }) })
    feed(random, ...Array.from({ length: 30 }, (_, i) => i * 10))
    random.endInput()
    const ends = random.records().map(({ timestampMs }) => timestampMs + 1)
    expect(new Set(ends.map((end) => end % 100)).size).toBe(1)
  })

  it('offsets shift windows, also below zero, and negative times fall into the right ones', async () => {
    const harness = await open({ assigner: sliding.eventTime<number>(10, 5, { offsetMs: -2 }) })
    feed(harness, -4, 7)
    harness.endInput()
    expect(harness.records().map(({ value, timestampMs }) => `${value}@${timestampMs}`)).toEqual([
      '-4@-3',
      '-4@2',
      '7@7',
      '7@12',
    ])
  })

  it('late records go aside only beyond every window that covers them', async () => {
    const late = outputTag<number>('late')
    const harness = await open({
      assigner: sliding.eventTime<number>(10, 5),
      lateTag: late,
      trigger: eventTimeTrigger(),
    })
    harness.processWatermark(10)
    feed(harness, 7, 4)
    harness.processWatermark(14)
    expect(harness.values()).toEqual(['7'])
    expect(harness.sideOutput(late).map(({ value }) => value)).toEqual([4])
  })
})
