/** Idle inputs in whole jobs: they hold no watermark back, whatever operator lies in between. */
import { expect, test } from 'vitest'
import { discard, StreamExecutionEnvironment, WatermarkStrategy } from '../../../src/index.ts'
import { stepSource } from '../../support/step-source.ts'

const punctuated = WatermarkStrategy.forGenerator<number>(() => ({
  onEvent: (_value, timestampMs, output) => output.emitWatermark(timestampMs),
  onPeriodicEmit() {},
}))

test.each(['chained', 'behind an exchange'])('an idle input passes an asynchronous operator %s', async (place) => {
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 1 })
  let seenMs = Number.NEGATIVE_INFINITY
  let isBusyOver = false
  const idle = env.source(
    stepSource('idle', { count: 1, perPoll: 1, startsIdle: true, mayRead: () => isBusyOver, isOver: () => isBusyOver }),
  )
  const calls = (place === 'chained' ? idle : idle.rebalance()).mapAsync(async (value) => value)
  const busy = env.source(stepSource('busy', { count: 50_000, perPoll: 1, isOver: () => seenMs > 100 }), punctuated)
  const counted = busy.map((value) => {
    isBusyOver = value === 49_999
    return value
  })
  counted
    .union(calls)
    .process((_value: number, context) => {
      seenMs = context.currentWatermark()
      if (seenMs > 100) isBusyOver = true
    })
    .sinkTo(discard())
  await env.execute('idle')
  expect(seenMs).toBeGreaterThan(100)
  expect(seenMs).toBeLessThan(50_000)
})
