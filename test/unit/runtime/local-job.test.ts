/** Whole jobs in the caller's thread: chains, gates, ends of input, failures. */
import { expect, test } from 'vitest'
import { StreamExecutionEnvironment } from '../../../src/api/environment.ts'
import { Configuration } from '../../../src/common/configuration.ts'
import { Progress } from '../../../src/common/progress.ts'
import { sequence } from '../../../src/connectors/index.ts'
import { types } from '../../../src/data/types.ts'
import type { ValueState } from '../../../src/state/keyed-state-backend.ts'
import { WatermarkStrategy } from '../../../src/time/watermark-strategy.ts'
import type { Sink } from '../../../src/connectors/sink.ts'
import { executeJob } from '../../../src/coordinator/execute.ts'
import type { JobResult } from '../../../src/coordinator/job-execution.ts'

function gather<T>(into: T[]): Sink<T> {
  return {
    name: 'gather',
    createWriter: () => ({ write: (value) => void into.push(value), flush: () => Progress.Done }),
  }
}

async function runLocally(build: (env: StreamExecutionEnvironment) => void, parallelism = 1): Promise<JobResult> {
  const definition = {
    kind: 'millrace-job' as const,
    name: 'test',
    build: () => {
      const env = new StreamExecutionEnvironment({
        parameters: { named: {}, positional: [] },
        configuration: Configuration.empty,
        parallelism,
      })
      build(env)
      return env.toStreamGraph('test')
    },
  }
  return await executeJob({ definition, parameters: { named: {}, positional: [] }, configuration: {} })
}

test('a fused chain of stateless functions keeps order and content', async () => {
  const found: number[] = []
  await runLocally((env) => {
    env
      .source(sequence(1, 10))
      .filter((n) => n % 2 === 0)
      .flatMap((n) => [n, -n])
      .map((n) => n * 10)
      .sinkTo(gather(found))
  })
  expect(found).toEqual([20, -20, 40, -40, 60, -60, 80, -80, 100, -100])
})

test('records cross an exchange between subtasks once each', async () => {
  const found: number[] = []
  const result = await runLocally((env) => {
    env
      .source(sequence(1, 10_000))
      .rebalance()
      .map((n) => n)
      .sinkTo(gather(found))
  }, 3)
  expect(found.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1))
  expect(result.vertices.map(({ finishedSubtasks }) => finishedSubtasks)).toEqual([3, 3])
})

test('one operator may have several consumers in its chain', async () => {
  const even: number[] = []
  const all: number[] = []
  await runLocally((env) => {
    const numbers = env.source(sequence(1, 6)).map((n) => n)
    numbers.filter((n) => n % 2 === 0).sinkTo(gather(even))
    numbers.sinkTo(gather(all))
  })
  expect(even).toEqual([2, 4, 6])
  expect(all).toEqual([1, 2, 3, 4, 5, 6])
})

test('a function that throws names operator, subtask, record and keeps the cause', async () => {
  const failing = runLocally((env) => {
    env
      .source(sequence(1, 10))
      .map((n) => {
        if (n === 7) throw new RangeError('seven')
        return n
      })
      .name('picky')
      .sinkTo(gather([]))
  })
  await expect(failing).rejects.toMatchObject({
    code: 'MR_USER_FUNCTION_FAILED',
    context: { operator: 'picky', subtask: 0, record: '7' },
    cause: { message: 'seven' },
  })
})

test('state beyond the caches is staged: counts, order and timers stay exact', async () => {
  const keys = 300_000
  const counts = new Map<number, number>()
  const fired: number[] = []
  let staleTimers = 0
  let wrongCounts = 0
  await runLocally((env) => {
    env
      .source(
        sequence(0, keys * 2 + 100),
        WatermarkStrategy.forMonotonousTimestamps<number>().withTimestampAssigner((n) => n),
      )
      .keyBy((n) => Math.imul(n % keys, 7919) % 1_000_003)
      .process<readonly [number, number]>({
        processElement(_n, context, out) {
          const state = (this as unknown as { count: ValueState<number> }).count
          const next = (state.value() ?? 0) + 1
          state.update(next)
          out.collect([context.getCurrentKey(), next])
          if (next === 3) context.timerService().registerEventTimeTimer(context.timestamp()! + 10)
        },
        onTimer(timeMs, context) {
          fired.push(timeMs)
          if (context.currentWatermark() < timeMs) staleTimers++
        },
        open(context) {
          Object.assign(this, { count: context.getState({ kind: 'value', name: 'count', type: types.float64() }) })
        },
      })
      .sinkTo({
        name: 'check',
        createWriter: () => ({
          write([key, count]) {
            if (count !== (counts.get(key) ?? 0) + 1) wrongCounts++
            counts.set(key, count)
          },
          flush: () => Progress.Done,
        }),
      })
  })
  expect(wrongCounts).toBe(0)
  expect(counts.size).toBe(keys)
  expect([...counts.values()].filter((count) => count === 3)).toHaveLength(101)
  expect(fired).toEqual(Array.from({ length: 101 }, (_, i) => keys * 2 + i + 10))
  expect(staleTimers).toBe(0)
})
