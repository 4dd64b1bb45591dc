/** Whole jobs in this thread of which a part fails: its region starts again, the others go on. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ConfigurationValues } from '../../../src/common/configuration.ts'
import { parametersOf } from '../../../src/common/parameters.ts'
import { executeJob } from '../../../src/coordinator/execute.ts'
import type { JobControls } from '../../../src/coordinator/job-control.ts'
import type { JobResult } from '../../../src/coordinator/job-execution.ts'
import { Progress } from '../../../src/common/progress.ts'
import type { Sink } from '../../../src/connectors/sink.ts'
import type { Source } from '../../../src/connectors/source.ts'
import { generator, job, type JobDefinition } from '../../../src/index.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { committedValues, transactionSink } from '../../support/transaction-sink.ts'

interface Options {
  readonly parallelism?: number
  readonly configuration?: ConfigurationValues
  readonly ask?: (controls: JobControls) => void
  readonly warnings?: string[]
}

function run(
  definition: JobDefinition,
  { parallelism = 1, configuration = {}, ask, warnings }: Options = {},
): Promise<JobResult> {
  return executeJob({
    definition,
    parameters: parametersOf({}),
    parallelism,
    configuration: {
      'execution.checkpointing.interval': '15 ms',
      'restart-strategy.exponential-delay.initial-backoff': '1 ms',
      ...configuration,
    },
    ...(ask && { onControl: ask }),
    onWarning: (text) => void warnings?.push(text),
  })
}

const ids = (out: string): number[] =>
  (committedValues(out) as { id: number }[]).map(({ id }) => id).toSorted((a, b) => a - b)
const upTo = (count: number): number[] => Array.from({ length: count }, (_, id) => id)

/** How often each subtask of each sink was opened, and what fails when. */
class Watch {
  readonly opened = new Map<string, number>()
  readonly seen = new Map<string, number>()

  open(name: string): void {
    this.opened.set(name, (this.opened.get(name) ?? 0) + 1)
  }

  /** Counts a record; throws at the given counts, which go on over restarts. */
  pass(name: string, failAt: readonly number[] = []): void {
    const count = (this.seen.get(name) ?? 0) + 1
    this.seen.set(name, count)
    if (failAt.includes(count)) throw new Error(`${name} fails at ${count}`)
  }
}

function watched(watch: Watch, directory: string, name: string): Sink<unknown> {
  const sink = transactionSink(join(directory, name))
  return {
    ...sink,
    createWriter(context) {
      watch.open(`${name}${context.task.subtaskIndex}`)
      return sink.createWriter(context)
    },
  } as Sink<unknown>
}

const perPipeline = 2_000

/** Two pipelines with keyed sums that share nothing: `a` fails, `b` does not. */
function twoPipelines(directory: string, watch: Watch, failAt: readonly number[]): JobDefinition {
  return job('two pipelines', (env) => {
    for (const name of ['a', 'b']) {
      env
        .source(generator({ count: perPipeline, ratePerSecond: 8_000, make: (id) => ({ id, key: id % 7, sum: 1 }) }))
        .uid(`records-${name}`)
        .map((record) => {
          watch.pass(name, name === 'a' ? failAt : [])
          return record
        })
        .keyBy('key')
        .reduce((before, record) => ({ ...record, sum: before.sum + 1 }))
        .uid(`sums-${name}`)
        .sinkTo(watched(watch, directory, name))
        .uid(`out-${name}`)
    }
  })
}

function expectSums(out: string): void {
  expect(ids(out)).toEqual(upTo(perPipeline))
  const values = committedValues(out) as { key: number; sum: number }[]
  for (let key = 0; key < 7; key++) {
    const sums = values.filter((value) => value.key === key).map(({ sum }) => sum)
    expect(sums.toSorted((a, b) => a - b)).toEqual(Array.from({ length: sums.length }, (_, i) => i + 1))
  }
}

describe('a failure in one of two pipelines', () => {
  for (const backend of ['heap', 'managed', 'leveldb']) {
    test(`starts its region again from the checkpoint, as often as it fails; the other goes on (${backend})`, async () => {
      const directory = temporaryDirectory()
      const watch = new Watch()
      const definition = twoPipelines(directory, watch, [100, 700, 1_400, 2_100])
      const result = await run(definition, { parallelism: 2, configuration: { 'state.backend.type': backend } })
      for (const name of ['a', 'b']) expectSums(join(directory, name))
      expect(Object.fromEntries(watch.opened)).toEqual({ a0: 5, a1: 5, b0: 1, b1: 1 })
      expect(watch.seen.get('b')).toBe(perPipeline)
      expect(result.restarts).toBe(4)
      expect(result.restartLog?.map(({ regions, code }) => ({ regions, code }))).toEqual(
        Array.from({ length: 4 }, () => ({ regions: [0], code: 'MR_USER_FUNCTION_FAILED' })),
      )
      expect(result.restartLog?.[0]?.tasks).toContain('Source: generator(2000) -> Map[0]')
      expect(result.vertices.map(({ finishedSubtasks }) => finishedSubtasks)).toEqual(result.vertices.map(() => 2))
    })
  }

  test('starts everything again where the failover strategy is full', async () => {
    const directory = temporaryDirectory()
    const watch = new Watch()
    const configuration = { 'jobmanager.execution.failover-strategy': 'full' }
    const result = await run(twoPipelines(directory, watch, [700]), { configuration })
    for (const name of ['a', 'b']) expectSums(join(directory, name))
    expect(Object.fromEntries(watch.opened)).toEqual({ a0: 2, b0: 2 })
    expect(result.restartLog).toEqual([{ code: 'MR_USER_FUNCTION_FAILED', message: expect.any(String) }])
  })

  test('is final where the restart strategy says so', async () => {
    const directory = temporaryDirectory()
    const configuration = { 'restart-strategy.type': 'fixed-delay', 'restart-strategy.fixed-delay.delay': '1 ms' }
    const warnings: string[] = []
    const failing = run(twoPipelines(directory, new Watch(), [50, 60]), { configuration, warnings })
    await expect(failing).rejects.toMatchObject({
      code: 'MR_USER_FUNCTION_FAILED',
      message: expect.stringContaining('60'),
    })
    expect(warnings).toEqual([
      expect.stringMatching(/^MR_USER_FUNCTION_FAILED: .* fails at 50; region 0 starts again in 0\.0 s$/),
    ])
  })

  test('keeps savepoints waiting until the region runs again', async () => {
    const directory = temporaryDirectory()
    const watch = new Watch()
    let saved: Promise<unknown> | undefined
    const definition = twoPipelines(directory, watch, [100])
    const result = await run(definition, {
      configuration: { 'restart-strategy.exponential-delay.initial-backoff': '60 ms' },
      ask(controls) {
        saved = (async () => {
          while ((watch.seen.get('a') ?? 0) < 100) await new Promise((resolve) => setTimeout(resolve, 1))
          return await controls.savepoint(join(directory, 'savepoints'))
        })()
      },
    })
    await expect(saved).resolves.toMatchObject({ path: expect.stringContaining('savepoints') })
    expect(result.restarts).toBe(1)
    for (const name of ['a', 'b']) expectSums(join(directory, name))
  })

  test('cancels a job whose region is down at once', async () => {
    const directory = temporaryDirectory()
    const watch = new Watch()
    const controller = new AbortController()
    const running = executeJob({
      definition: twoPipelines(directory, watch, [100]),
      parameters: parametersOf({}),
      configuration: {
        'execution.checkpointing.interval': '15 ms',
        'restart-strategy.exponential-delay.initial-backoff': '1 h',
      },
      signal: controller.signal,
      progressIntervalMs: 5,
      onProgress: ({ status }) => void (status === 'RESTARTING' && controller.abort()),
    })
    await expect(running).rejects.toMatchObject({ code: 'MR_JOB_CANCELED' })
  })
})

test('a pipeline that fails before it is open starts again by itself', async () => {
  const directory = temporaryDirectory()
  const opened: string[] = []
  const definition = job('late', (env) => {
    for (const name of ['a', 'b']) {
      env
        .source(generator({ count: 500, ratePerSecond: 5_000, make: (id) => ({ id }) }))
        .map({
          open() {
            opened.push(name)
            if (opened.length === 1) throw new Error('not yet')
          },
          map: (record) => record,
        })
        .sinkTo(transactionSink(join(directory, name)))
    }
  })
  const result = await run(definition)
  for (const name of ['a', 'b']) expect(ids(join(directory, name))).toEqual(upTo(500))
  expect(opened.toSorted()).toEqual(['a', 'a', 'b'])
  expect(result.restartLog).toMatchObject([{ regions: [0] }])
})

interface Stretch {
  readonly from: number
  readonly to: number
}

/** Numbers in stretches of 20, handed out on request; `pass` is told each before it is emitted. */
function stretches(count: number, pass: (subtask: number) => void): Source<{ id: number }, Stretch> {
  return {
    name: 'stretches',
    boundedness: 'bounded',
    enumerateSplits: () => upTo(count / 20).map((index) => ({ from: index * 20, to: index * 20 + 20 })),
    createReader({ task }) {
      let mine: Stretch[] = []
      let isOver = false
      return {
        addSplits: (more) => void mine.push(...more),
        noMoreSplits: () => void (isOver = true),
        needsSplit: () => mine.length === 0 && !isOver,
        poll(output) {
          const [first, ...rest] = mine
          if (first === undefined) return isOver ? Progress.Done : Progress.Idle
          pass(task.subtaskIndex)
          output.collect({ id: first.from })
          mine = first.from + 1 === first.to ? rest : [{ ...first, from: first.from + 1 }, ...rest]
          return Progress.Working
        },
        snapshot: () => mine,
      }
    },
  }
}

test('a subtask of a pipeline without exchanges starts again by itself, with the splits that it had claimed', async () => {
  const directory = temporaryDirectory()
  const watch = new Watch()
  const count = 2_000
  const definition = job('splits', (env) => {
    const source = stretches(count, (subtask) => {
      watch.pass(`${subtask}`, subtask === 1 ? [5, 60, 140] : [])
      // Slow enough that checkpoints come between.
      const until = performance.now() + 0.1
      while (performance.now() < until);
    })
    env.source(source).sinkTo(watched(watch, directory, 'out'))
  })
  const result = await run(definition, { parallelism: 3 })
  expect(ids(join(directory, 'out'))).toEqual(upTo(count))
  expect(result.restartLog?.map(({ regions }) => regions)).toEqual([[1], [1], [1]])
  expect(Object.fromEntries(watch.opened)).toEqual({ out0: 1, out1: 4, out2: 1 })
})

test('without checkpoints a region reads its input again from the start', async () => {
  const directory = temporaryDirectory()
  const watch = new Watch()
  const found: Record<string, number[]> = { a: [], b: [] }
  const definition = job('anew', (env) => {
    for (const name of ['a', 'b']) {
      env
        .source(generator({ count: 300, make: (id) => id }))
        .map((id) => {
          watch.pass(name, name === 'a' ? [200] : [])
          found[name]!.push(id)
          return id
        })
        .rebalance()
        .map((id) => id)
        .sinkTo(transactionSink(join(directory, name)))
    }
  })
  const result = await executeJob({
    definition,
    parameters: parametersOf({}),
    parallelism: 1,
    configuration: {
      'restart-strategy.type': 'fixed-delay',
      'restart-strategy.fixed-delay.delay': '1 ms',
      'pipeline.operator-chaining.enabled': 'false',
    },
  })
  expect(found['a']!.length).toBe(199 + 300)
  expect(found['b']).toEqual(upTo(300))
  expect(result.restarts).toBe(1)
})
