import { describe, expect, it } from 'vitest'
import { KeyedBroadcastProcessOperator } from '../../src/operators/keyed-broadcast-process-operator.ts'
import { KeyedCoProcessOperator } from '../../src/operators/keyed-co-process-operator.ts'
import type { KeyedProcessContext, OnTimerContext } from '../../src/operators/keyed-process-context.ts'
import { KeyedProcessOperator } from '../../src/operators/keyed-process-operator.ts'
import type { RuntimeContext } from '../../src/operators/runtime-context.ts'
import type { MapStateDescriptor, ValueState, ValueStateDescriptor } from '../../src/state/keyed-state-backend.ts'
import { OperatorHarness } from '../../src/testing/operator-harness.ts'
import { type HarnessInput, runTrial, trials } from '../../src/testing/operator-trials.ts'

interface Click {
  readonly user: string
  readonly n: number
}

const total: ValueStateDescriptor<number> = { kind: 'value', name: 'total' }

/** Emits a user's total 10 ms of event time after the last click. */
class Totals {
  #total!: ValueState<number>
  #due!: ValueState<number>

  open(context: RuntimeContext): void {
    this.#total = context.getState(total)
    this.#due = context.getState<number>({ kind: 'value', name: 'due' })
  }

  processElement(click: Click, context: KeyedProcessContext<string>): void {
    this.#total.update((this.#total.value() ?? 0) + click.n)
    const due = this.#due.value()
    if (due !== undefined) context.timerService().deleteEventTimeTimer(due)
    const next = context.timestamp()! + 10
    this.#due.update(next)
    context.timerService().registerEventTimeTimer(next)
    context.timerService().registerEventTimeTimer(next)
  }

  onTimer(timeMs: number, context: OnTimerContext<string>, out: { collect(value: string): void }): void {
    out.collect(`${context.getCurrentKey()} ${this.#total.value()} at ${timeMs} ${context.timeDomain()}`)
    this.#total.clear()
    this.#due.clear()
  }
}

const script: HarnessInput<Click>[] = [
  { type: 'element', value: { user: 'a', n: 1 }, timestampMs: 1 },
  { type: 'element', value: { user: 'b', n: 5 }, timestampMs: 2 },
  { type: 'element', value: { user: 'a', n: 2 }, timestampMs: 4 },
  { type: 'watermark', timestampMs: 11 },
  { type: 'watermark', timestampMs: 14 },
  { type: 'element', value: { user: 'a', n: 9 }, timestampMs: 20 },
  { type: 'endInput' },
]

describe('process functions with keys', () => {
  it.each(trials)('fires timers once, with key, state and time: $name', async (trial) => {
    const options = {
      operator: () => new KeyedProcessOperator(new Totals()),
      keySelector: (click: Click) => click.user,
    }
    const byInput = await runTrial<Click, string>(options, script, trial)
    expect(byInput.map((events) => events.map((event) => (event.type === 'record' ? event.value : event)))).toEqual([
      [],
      [],
      [],
      [],
      ['b 5 at 12 event-time', 'a 3 at 14 event-time'],
      [],
      ['a 9 at 30 event-time'],
    ])
    expect(byInput[4]![0]).toMatchObject({ timestampMs: 12 })
  })

  it('fires processing-time timers without a timestamp', async () => {
    const harness = await OperatorHarness.open<Click, string>({
      operator: () =>
        new KeyedProcessOperator<string, Click, string>({
          processElement: (_, context) => context.timerService().registerProcessingTimeTimer(100),
          onTimer: (timeMs, context, out) => out.collect(`${timeMs} ${context.timestamp()} ${context.timeDomain()}`),
        }),
      keySelector: (click) => click.user,
    })
    harness.processElement({ user: 'a', n: 1 }, 5)
    harness.setProcessingTime(99)
    expect(harness.values()).toEqual([])
    harness.setProcessingTime(250)
    expect(harness.records()).toEqual([{ value: '100 undefined processing-time', timestampMs: -Infinity }])
  })

  it('shares state between two keyed inputs', async () => {
    const harness = await OperatorHarness.open<Click, string, { id: string }>({
      operator: () =>
        new KeyedCoProcessOperator<string, Click, { id: string }, string>({
          ...(() => {
            let state: ValueState<number>
            return {
              open: (context: RuntimeContext) => void (state = context.getState(total)),
              processElement1: (click: Click) => state.update((state.value() ?? 0) + click.n),
              processElement2: (_: unknown, context: { getCurrentKey(): string }, out: { collect(v: string): void }) =>
                out.collect(`${context.getCurrentKey()} ${state.value()}`),
            }
          })(),
        }),
      keySelector: (click) => click.user,
      keySelector2: ({ id }) => id,
    })
    harness.processElement({ user: 'a', n: 1 })
    harness.processElement({ user: 'a', n: 2 })
    harness.processElement2({ id: 'a' })
    harness.processElement2({ id: 'b' })
    expect(harness.values()).toEqual(['a 3', 'b undefined'])
  })

  it('applies a broadcast rule to the state of every key, and only so', async () => {
    const limits: MapStateDescriptor<string, number> = { kind: 'map', name: 'limits' }
    let state: ValueState<number>
    const harness = await OperatorHarness.open<Click, string, { max: number }>({
      operator: () =>
        new KeyedBroadcastProcessOperator<string, Click, { max: number }, string>({
          open: (context) => void (state = context.getState(total)),
          processElement(click, context, out) {
            state.update((state.value() ?? 0) + click.n)
            const max = context.getBroadcastState(limits).get('max')
            if (max !== undefined && state.value()! > max) out.collect(`${click.user} over ${max}`)
          },
          processBroadcastElement(rule, context, out) {
            if (rule.max < 0) state.value()
            context.getBroadcastState(limits).put('max', rule.max)
            context.applyToKeyedState(total, (key, value) => {
              if (value.value()! > rule.max) out.collect(`${key} was over`)
              value.update(0)
            })
          },
        }),
      keySelector: (click) => click.user,
    })
    harness.processElement({ user: 'a', n: 10 })
    harness.processElement({ user: 'b', n: 1 })
    harness.processElement2({ max: 5 })
    harness.processElement({ user: 'a', n: 5 })
    harness.processElement({ user: 'a', n: 1 })
    expect(harness.values()).toEqual(['a was over', 'a over 5'])
    expect(() => harness.processElement2({ max: -1 })).toThrow(expect.objectContaining({ code: 'MR_STATE_NO_KEY' }))
  })

  it('names key and record where the function throws', async () => {
    const harness = await OperatorHarness.open<Click, string>({
      operator: () =>
        new KeyedProcessOperator<string, Click, string>(() => {
          throw new TypeError('boom')
        }),
      keySelector: (click) => click.user,
      operatorName: 'alerts',
    })
    expect(() => harness.processElement({ user: 'a', n: 1 })).toThrow(
      expect.objectContaining({
        code: 'MR_USER_FUNCTION_FAILED',
        context: { operator: 'alerts', subtask: 0, record: '{"user":"a","n":1}', key: '"a"' },
      }),
    )
  })
})
