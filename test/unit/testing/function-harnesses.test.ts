import { expect, test } from 'vitest'
import {
  broadcastProcessHarness,
  coProcessHarness,
  keyedBroadcastProcessHarness,
  keyedCoProcessHarness,
  keyedProcessHarness,
  processHarness,
} from '../../../src/testing/index.ts'
import type { KeyedProcessFunction } from '../../../src/operators/keyed-process-operator.ts'
import type { ValueState } from '../../../src/state/keyed-state-backend.ts'

interface Reading {
  sensor: string
  value: number
}

/** Counts per sensor; a minute of processing time after the first reading it says the count and forgets it. */
class CountPerMinute implements KeyedProcessFunction<string, Reading, string> {
  #count!: ValueState<number>

  open: NonNullable<KeyedProcessFunction<string, Reading, string>['open']> = (context) => {
    this.#count = context.getState({ kind: 'value', name: 'count' })
  }

  processElement: KeyedProcessFunction<string, Reading, string>['processElement'] = (_, context) => {
    const count = this.#count.value()
    if (count === undefined) {
      const timers = context.timerService()
      timers.registerProcessingTimeTimer(timers.currentProcessingTime() + 60_000)
    }
    this.#count.update((count ?? 0) + 1)
  }

  onTimer: NonNullable<KeyedProcessFunction<string, Reading, string>['onTimer']> = (timeMs, context, out) => {
    out.collect(`${context.getCurrentKey()}: ${this.#count.value()} until ${timeMs}`)
    this.#count.clear()
  }
}

const bySensor = (reading: Reading): string => reading.sensor

test('a keyed function keeps state per key and fires its timers as the test moves the clock', async () => {
  const harness = await keyedProcessHarness(new CountPerMinute(), bySensor, { startMs: 1_000 })
  harness.processElement({ sensor: 'a', value: 1 })
  harness.processElement({ sensor: 'b', value: 1 })
  harness.processElement({ sensor: 'a', value: 2 })
  harness.setProcessingTime(60_999)
  expect(harness.values()).toEqual([])
  harness.setProcessingTime(61_000)
  expect(harness.values().toSorted()).toEqual(['a: 2 until 61000', 'b: 1 until 61000'])
  await harness.close()
})

test('a snapshot goes on in another harness', async () => {
  const first = await keyedProcessHarness(new CountPerMinute(), bySensor)
  first.processElement({ sensor: 'a', value: 1 })
  const snapshot = await first.snapshot()
  await first.close()
  const second = await keyedProcessHarness(new CountPerMinute(), bySensor, { restore: [snapshot] })
  second.processElement({ sensor: 'a', value: 1 })
  second.setProcessingTime(60_000)
  expect(second.values()).toEqual(['a: 2 until 60000'])
  await second.close()
})

test('functions without keys, of one and of two streams, see their records in the order of the calls', async () => {
  const single = await processHarness<number, string>({
    processElement: (n, context, out) => out.collect(`${n}@${context.timestamp()}`),
  })
  single.processElement(1, 10)
  expect(single.values()).toEqual(['1@10'])
  const two = await coProcessHarness<number, string, string>({
    processElement1: (n, _, out) => out.collect(`n${n}`),
    processElement2: (text, _, out) => out.collect(`t${text}`),
  })
  two.processElement(1)
  two.processElement2('x')
  two.processElement(2)
  expect(two.values()).toEqual(['n1', 'tx', 'n2'])
})

test('both streams of a keyed function share the state of a key', async () => {
  const harness = await keyedCoProcessHarness<string, Reading, Reading, number>(
    new (class {
      #sum!: ValueState<number>
      open: NonNullable<KeyedProcessFunction<string, Reading, string>['open']> = (context) => {
        this.#sum = context.getState({ kind: 'value', name: 'sum' })
      }
      #add(value: number): number {
        const sum = (this.#sum.value() ?? 0) + value
        this.#sum.update(sum)
        return sum
      }
      processElement1(reading: Reading, _: unknown, out: { collect(value: number): void }): void {
        out.collect(this.#add(reading.value))
      }
      processElement2(reading: Reading, _: unknown, out: { collect(value: number): void }): void {
        out.collect(-this.#add(reading.value))
      }
    })(),
    [bySensor, bySensor],
  )
  harness.processElement({ sensor: 'a', value: 1 })
  harness.processElement2({ sensor: 'a', value: 2 })
  harness.processElement({ sensor: 'b', value: 5 })
  expect(harness.values()).toEqual([1, -3, 5])
})

test('rules of a broadcast stream reach the records that come after them, keyed or not', async () => {
  const rules = { kind: 'map', name: 'rules' } as const
  const functions = {
    processElement: (n: number, context: { getBroadcastState: Function }, out: { collect(text: string): void }) =>
      out.collect(`${context.getBroadcastState(rules).get('prefix') ?? '-'}${n}`),
    processBroadcastElement: (prefix: string, context: { getBroadcastState: Function }) =>
      context.getBroadcastState(rules).put('prefix', prefix),
  }
  for (const harness of [
    await broadcastProcessHarness<number, string, string>(functions),
    await keyedBroadcastProcessHarness<number, number, string, string>(functions, (n) => n),
  ]) {
    harness.processElement(1)
    harness.processElement2('a')
    harness.processElement(2)
    expect(harness.values()).toEqual(['-1', 'a2'])
    await harness.close()
  }
})
