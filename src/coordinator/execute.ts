/**
 * Runs a job from its request to its end: plans it, opens its checkpoints, prepares sinks and splits, runs attempts until
 * one finishes or the restart strategy gives up, and publishes or removes the output. Thread: the coordinator's; carries
 * no records.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { intervalTextDefault } from '../checkpoint/checkpoint-settings.ts'
import { systemClock } from '../common/clock.ts'
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import { codeOf, MillraceError } from '../common/errors.ts'
import { prng } from '../common/prng.ts'
import { executionGraph } from '../plan/execution-graph.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { translate } from '../plan/translate.ts'
import { type AttemptOutcome, JobAttempt, type JobPlan } from './job-attempt.ts'
import { JobCheckpoints, type RestorePoint } from './job-checkpoints.ts'
import { JobControl } from './job-control.ts'
import type { ExecuteJob, JobRequest, JobResult } from './job-execution.ts'
import { JobSinks } from './job-sinks.ts'
import { isRestartable, restartStrategy } from './restart-strategy.ts'
import { SlotPool } from './slot-pool.ts'
import { enumerateSplits, type Splits, splitPools } from './splits.ts'

export const executeJob: ExecuteJob = async (given) => {
  const { request, job } = withCheckpointInterval(given, translate(given.definition.build(given)))
  const graph = executionGraph(job)
  const checkpoints = await JobCheckpoints.open(job, request)
  const jobId = checkpoints?.jobId ?? randomBytes(16).toString('hex')
  const control = new JobControl(request.signal)
  const sinks = new JobSinks(job)
  let pool: SlotPool | undefined
  try {
    const restore = await checkpoints?.restorePoint()
    const splits = await enumerateSplits(job, restore?.splitPools ?? {})
    await sinks.prepare({ isRestored: restore !== undefined, checkpointsEnabled: checkpoints !== undefined })
    pool = request.moduleUrl === undefined ? undefined : openPool(job, graph.slotCount)
    const plan = { job, graph, jobId, request, pool, checkpoints, signal: control.signal }
    request.onControl?.(control, { jobId, jobName: job.jobName })
    const outcome = await runAttempts(plan, control, { restore, splits })
    if (!outcome.isSuspended) await sinks.commit()
    return resultOf(job, jobId, outcome, control)
  } catch (error) {
    // What a later run goes on with must not be removed.
    if (checkpoints?.isPersistent !== true) await sinks.abort()
    throw error
  } finally {
    control.close()
    await pool?.close()
    await checkpoints?.close()
  }
}

/**
 * A job that has a job directory, or starts from a savepoint, and says nothing about checkpoints takes them by default.
 * It says so in its configuration, which is what slots and connectors read.
 */
function withCheckpointInterval(request: JobRequest, job: JobGraph): { request: JobRequest; job: JobGraph } {
  const { checkpointInterval, checkpointDir, recoveryPath } = configOptions
  const configuration = Configuration.of(job.configuration)
  const place = request.jobDir ?? request.from ?? configuration.get(checkpointDir) ?? configuration.get(recoveryPath)
  if (configuration.has(checkpointInterval) || place === undefined) return { request, job }
  const values = { ...request.configuration, [checkpointInterval.key]: intervalTextDefault }
  const settled = { ...request, configuration: values }
  return { request: settled, job: translate(request.definition.build(settled)) }
}

function openPool(job: JobGraph, slotCount: number): SlotPool {
  const heapBytes = Configuration.of(job.configuration).get(configOptions.heapPerSlot)
  return new SlotPool({ slotCount, heapPerSlotMb: Math.max(64, Math.floor(heapBytes / 2 ** 20)) })
}

interface Beginning {
  readonly restore: RestorePoint | undefined
  readonly splits: Splits
}

async function runAttempts(plan: JobPlan, control: JobControl, first: Beginning): Promise<AttemptOutcome> {
  const { job, checkpoints } = plan
  const strategy = restartStrategy(Configuration.of(job.configuration), checkpoints !== undefined, {
    clock: systemClock,
    prng: prng(randomInt(2 ** 32)),
  })
  let { restore, splits } = first
  for (let attempt = 0; ; attempt++) {
    const running = new JobAttempt(plan, { attempt, restore, splitPools: splitPools(job, splits) })
    control.attach(running.checkpoints)
    try {
      return await running.run()
    } catch (error) {
      control.attach(undefined)
      if (codeOf(error) === 'MR_JOB_CANCELED' || !isRestartable(error)) throw error
      const delayMs = strategy.afterFailure()
      if (delayMs === undefined) throw error
      running.report('RESTARTING')
      await pause(delayMs, plan.signal)
      control.restarts++
      const latest = await checkpoints?.restorePoint()
      restore = latest ?? first.restore
      splits = latest === undefined ? first.splits : await enumerateSplits(job, latest.splitPools)
    }
  }
}

/** MR_JOB_CANCELED where the job is cancelled meanwhile. */
async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, delayMs)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
    if (signal.aborted) resolve()
  })
  if (signal.aborted) throw new MillraceError('MR_JOB_CANCELED', 'the job was cancelled')
}

function resultOf(job: JobGraph, jobId: string, outcome: AttemptOutcome, control: JobControl): JobResult {
  const { netRuntimeMs, vertices, accumulators } = outcome
  const { jobName } = job
  const savepoint = control.stoppedWith
  return {
    jobName,
    jobId,
    status: 'FINISHED',
    netRuntimeMs,
    vertices,
    accumulators,
    ...(control.restarts > 0 && { restarts: control.restarts }),
    ...(savepoint !== undefined && { savepoint }),
  }
}

export type { JobRequest }
