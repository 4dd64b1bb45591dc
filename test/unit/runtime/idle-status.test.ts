/** Idle inputs in whole jobs: they hold no watermark back, whatever operator lies in between. */
import { expect, test } from 'vitest'
import { noTimestamp } from '../../../src/common/limits.ts'
import { Progress } from '../../../src/common/progress.ts'
import type { StreamEvent } from '../../../src/exchange/stream-event.ts'
import { SubtaskMetrics, allocateMetrics } from '../../../src/metrics/shared-metrics.ts'
import type { Operator } from '../../../src/operators/operator.ts'
import { Chain, type ChainOutput, type ChainParts } from '../../../src/runtime/chain.ts'
import { discard, StreamExecutionEnvironment, WatermarkStrategy } from '../../../src/index.ts'
import { stepSource } from '../../support/step-source.ts'

const punctuated = WatermarkStrategy.forGenerator<number>(() => ({
  onEvent: (_value, timestampMs, output) => output.emitWatermark(timestampMs),
  onPeriodicEmit() {},
}))

test.each(['chained', 'behind an exchange'])('an idle input passes an asynchronous operator %s', async (place) => {
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 1 })
  let seenMs = Number.NEGATIVE_INFINITY
  let isOver = false
  const idle = env.source(
    stepSource('idle', { count: 1, perPoll: 1, startsIdle: true, mayRead: () => false, isOver: () => isOver }),
  )
  const calls = (place === 'chained' ? idle : idle.rebalance()).mapAsync(async (value) => value)
  const busy = env.source(stepSource('busy', { count: 20_000, perPoll: 1, isOver: () => isOver }), punctuated)
  busy
    .union(calls)
    .process((value: number, context) => {
      if (!isOver) seenMs = context.currentWatermark()
      // The other input is there, and idle, until then.
      if (seenMs > 100 || value === 19_999) isOver = true
    })
    .sinkTo(discard())
  await env.execute('idle')
  expect(seenMs).toBeGreaterThan(100)
  expect(seenMs).toBeLessThan(20_000)
})

test('a status does not overtake a watermark that an operator has not taken whole', () => {
  let progress: Progress = Progress.Blocked
  const operator: Operator = {
    inputCount: 1,
    relaysWatermarks: true,
    setup() {},
    processElement() {},
    advanceWatermark: () => progress,
  }
  const events: StreamEvent[] = []
  const output: ChainOutput = { emit() {}, emitEvent: (event) => void events.push(event), isFull: () => false }
  const node = { id: 1, name: 'op', body: { kind: 'operator' }, outputs: [] as unknown[] }
  const edge = { source: node, target: node, inputIndex: 0 }
  node.outputs.push(edge)
  const chain = new Chain({
    vertex: { nodes: [node] },
    subtask: 0,
    record: { timestampMs: noTimestamp },
    metrics: new SubtaskMetrics(allocateMetrics(1), 0),
    operators: new Map([[1, operator]]),
    keyedStates: new Map(),
    outputs: new Map([[edge, output]]),
  } as unknown as ChainParts)
  expect(chain.advanceWatermark(10)).toBe(Progress.Blocked)
  chain.emitStatus(true)
  expect(events).toEqual([])
  progress = Progress.Done
  chain.resume()
  expect(events).toEqual([
    { type: 'watermark', timestampMs: 10 },
    { type: 'status', isIdle: true },
  ])
  progress = Progress.Blocked
  chain.emitStatus(false)
  chain.advanceWatermark(20)
  chain.emitStatus(true)
  chain.emitStatus(false)
  progress = Progress.Done
  chain.resume()
  expect(events.slice(2)).toEqual([
    { type: 'status', isIdle: false },
    { type: 'watermark', timestampMs: 20 },
  ])
})
