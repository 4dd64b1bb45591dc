/** What becomes of a job whose sink fails while a snapshot is taken, while it opens, or never comes to an end. */
import { describe, expect, it } from 'vitest'
import { parametersOf } from '../../../src/common/parameters.ts'
import { Progress } from '../../../src/common/progress.ts'
import { executeJob } from '../../../src/coordinator/execute.ts'
import type { JobResult } from '../../../src/coordinator/job-execution.ts'
import { defineSink, generator, job, twoPhaseCommitSink } from '../../../src/index.ts'
import type { Sink } from '../../../src/connectors/sink.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const count = 300
const numbers = Array.from({ length: count }, (_, n) => n)

function run(
  sink: Sink<number>,
  configuration: Record<string, string> = {},
  jobDir: string | undefined = temporaryDirectory(),
): Promise<JobResult> {
  return executeJob({
    definition: job('sinks', (env) => {
      env.source(generator({ count, ratePerSecond: 1_500, make: (n) => n })).sinkTo(sink)
    }),
    parameters: parametersOf({}),
    parallelism: 1,
    ...(jobDir !== '' && { jobDir }),
    configuration: {
      'execution.checkpointing.interval': '20 ms',
      'restart-strategy.exponential-delay.initial-backoff': '1 ms',
      ...configuration,
    },
    onWarning: () => {},
  })
}

describe('a sink that fails while a snapshot is taken, where failed checkpoints are tolerated, loses nothing', () => {
  const tolerant = { 'execution.checkpointing.tolerable-failed-checkpoints': '100' }

  it.each(['preCommit', 'snapshotState'])('%s', async (place) => {
    /** By the first number: a transaction may be committed again. */
    const committed = new Map<number | undefined, readonly number[]>()
    let calls = 0
    const fail = (here: string): void => {
      if (here === place && ++calls === 3) throw new Error('once')
    }
    const sink = defineSink<number, readonly number[], number>({
      name: 'sink',
      createWriter() {
        const open: number[] = []
        return {
          write: (n) => void open.push(n),
          flush: () => Progress.Done,
          prepareCommit() {
            const prepared = open.splice(0)
            fail('preCommit')
            return [prepared]
          },
          snapshotState() {
            fail('snapshotState')
            return []
          },
        }
      },
      createCommitter: () => ({
        commit: async (requests) => requests.forEach(({ committable }) => committed.set(committable[0], committable)),
      }),
    })
    const { restarts } = await run(sink as Sink<number>, tolerant)
    expect(restarts).toBe(1)
    expect([...committed.values()].flat().toSorted((a, b) => a - b)).toEqual(numbers)
  })
})

const transactions = (parts: Partial<ReturnType<Parameters<typeof twoPhaseCommitSink<number, number>>[0]>>) =>
  twoPhaseCommitSink<number, number>(() => ({
    beginTransaction: () => 1,
    invoke: () => {},
    preCommit: () => {},
    commit: () => {},
    abort: () => {},
    ...parts,
  })) as Sink<number>

it('what a sink throws while it opens is its own failure, and names it', async () => {
  const beginTransaction = (): never => {
    throw new Error('no connection')
  }
  await expect(run(transactions({ beginTransaction }), { 'restart-strategy.type': 'none' })).rejects.toMatchObject({
    code: 'MR_USER_FUNCTION_FAILED',
    message: expect.stringMatching(/twoPhaseCommitSink.*no connection/),
  })
})

it('a commit that never comes to an end fails the job after the checkpoint time-out, its transaction kept', async () => {
  const commit = (): Promise<void> => new Promise(() => {})
  await expect(run(transactions({ commit }), { 'execution.checkpointing.timeout': '150 ms' })).rejects.toMatchObject({
    code: 'MR_SINK_COMMIT_FAILED',
    message: expect.stringMatching(/not over after 150 ms; kept in the checkpoint: \{"transaction":1\}/),
  })
})

it('where the job has no job directory, a failed commit does not claim that its transaction is kept', async () => {
  const commit = (): never => {
    throw new Error('down')
  }
  const failing = run(transactions({ commit }), { 'sink.committer.retries': '0' }, '')
  await expect(failing).rejects.toMatchObject({
    code: 'MR_SINK_COMMIT_FAILED',
    message: expect.stringMatching(/down.*are not kept after it \(--job-dir\), and the transaction with them/),
  })
})
