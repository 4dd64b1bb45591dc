/**
 * Runs a job from its request to its end: plans it, opens its checkpoints, prepares sinks and splits, runs attempts until
 * one finishes or the restart strategy gives up, and publishes or removes the output. Thread: the coordinator's; carries
 * no records.
 */
import { intervalTextDefault } from '../checkpoint/checkpoint-settings.ts'
import { answeringFileSystem } from '../common/answering-file-system.ts'
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import { systemDoors } from '../common/doors.ts'
import { codeOf, MillraceError } from '../common/errors.ts'
import type { Timers } from '../common/timers.ts'
import { executionGraph } from '../plan/execution-graph.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { isAtMostOnce } from '../plan/plan-description.ts'
import { translate } from '../plan/translate.ts'
import { type AttemptOutcome, JobAttempt, type JobPlan, restartReport } from './job-attempt.ts'
import { type CheckpointDoors, JobCheckpoints, type RestorePoint } from './job-checkpoints.ts'
import { JobControl } from './job-control.ts'
import type { ExecuteJob, JobRequest, JobResult, RestartReport } from './job-execution.ts'
import { JobSinks } from './job-sinks.ts'
import { restoreWarnings } from './restore-warnings.ts'
import { isRestartable, restartStrategy, restartWarning } from './restart-strategy.ts'
import { SlotPool } from './slot-pool.ts'
import type { Slots } from './slots.ts'
import { enumerateSplits, type Splits, splitPools } from './splits.ts'

/** What surrounds the execution of jobs: the machine, or a simulation of one. */
export interface JobDoors extends CheckpointDoors {
  /** Undefined: the slots run in this thread, as one. */
  openSlots(job: JobGraph, slotCount: number, request: JobRequest): Slots | undefined
}

export const executeJob: ExecuteJob = (request) => executeBehind({ ...systemDoors, openSlots: openPool }, request)

export async function executeBehind(world: JobDoors, given: JobRequest): Promise<JobResult> {
  const { request, job } = withCheckpointInterval(given, translate(given.definition.build(given)))
  const doors = answeringDoors(world, job)
  const graph = executionGraph(job)
  // Its threads start while the job directory is being read.
  let pool = doors.openSlots(job, graph.slotCount, request)
  const closePool = async (): Promise<void> => {
    const open = pool
    pool = undefined
    await open?.close()
  }
  const checkpoints = await JobCheckpoints.open(job, request, doors).catch(async (error: unknown) => {
    await closePool().catch(() => undefined)
    throw error
  })
  const jobId = checkpoints?.jobId ?? doors.randomId()
  const control = new JobControl(request.signal)
  const sinks = new JobSinks(job)
  let hasFailed = false
  let isHung = false
  try {
    const restore = await checkpoints?.restorePoint()
    const splits = await enumerateSplits(job, restore?.splitPools ?? {})
    const { fileSystem } = doors
    const hasCheckpoints = checkpoints !== undefined
    await sinks.prepare({ isRestored: restore !== undefined, checkpointsEnabled: hasCheckpoints, jobId, fileSystem })
    const plan = {
      job,
      graph,
      jobId,
      request,
      pool,
      doors,
      checkpoints,
      signal: control.signal,
      strategy: restartStrategy(Configuration.of(job.configuration), hasCheckpoints, doors),
      countRestart: (restart: RestartReport) => control.countRestart(restart),
    }
    request.onControl?.(control, { jobId, jobName: job.jobName })
    const warnings = [
      ...(hasCheckpoints ? atMostOnceWarnings(job) : []),
      ...restoreWarnings(job, restore?.subtasks ?? {}),
    ]
    for (const warning of warnings) (request.onWarning ?? emitWarning)(warning)
    const outcome = await runAttempts(plan, control, { restore, splits })
    if (!outcome.isSuspended) await sinks.commit()
    return resultOf(job, jobId, outcome, control, warnings)
  } catch (error) {
    hasFailed = true
    // What a later run goes on with must not be removed.
    const end = codeOf(error) === 'MR_JOB_CANCELED' ? 'canceled' : 'failed'
    await closePool()
    // Nothing is removed, and the job directory not given free, while a thread may still do what it was about to.
    isHung = codeOf(error) === 'MR_WORKER_HUNG'
    if (isHung) throw error
    const isKept = (await checkpoints?.keepAfter(end)) === true
    if (!isKept) await sinks.abort()
    throw isKept ? error : withoutKeeping(error)
  } finally {
    control.close()
    await closePool()
    const closed = isHung ? undefined : checkpoints?.close()
    // The job's own error counts.
    await (hasFailed ? closed?.catch(() => undefined) : closed)
  }
}

/** With a file system whose calls end. */
function answeringDoors(world: JobDoors, job: JobGraph): JobDoors {
  const { clock, timers, prng, processes } = world
  const timeoutMs = Configuration.of(job.configuration).get(configOptions.fileSystemTimeout)
  return {
    clock,
    timers,
    prng,
    fileSystem: answeringFileSystem(world.fileSystem, { timers, timeoutMs }),
    randomId: () => world.randomId(),
    openSlots: (...given) => world.openSlots(...given),
    ...(processes !== undefined && { processes }),
  }
}

/** A sink's committer says that its transaction is kept in the checkpoint: that is gone where the job has no job directory. */
function withoutKeeping(error: unknown): unknown {
  if (codeOf(error) !== 'MR_SINK_COMMIT_FAILED' || !(error instanceof MillraceError)) return error
  const message = `${error.message}; the job's checkpoints are not kept after it (--job-dir), and the transaction with them`
  return new MillraceError('MR_SINK_COMMIT_FAILED', message, { cause: error.cause, context: error.context })
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

function openPool(job: JobGraph, slotCount: number, { moduleUrl }: JobRequest): SlotPool | undefined {
  if (moduleUrl === undefined) return undefined
  const configuration = Configuration.of(job.configuration)
  const heapPerSlotMb = Math.max(64, Math.floor(configuration.get(configOptions.heapPerSlot) / 2 ** 20))
  const endTimeoutMs = configuration.get(configOptions.cancellationTimeout)
  return new SlotPool({ moduleUrl, slotCount, heapPerSlotMb, endTimeoutMs })
}

interface Beginning {
  readonly restore: RestorePoint | undefined
  readonly splits: Splits
}

async function runAttempts(plan: JobPlan, control: JobControl, first: Beginning): Promise<AttemptOutcome> {
  const { job, checkpoints, doors, strategy } = plan
  let { restore, splits } = first
  for (let attempt = 0; ;) {
    const running = new JobAttempt(plan, { attempt, restore, splitPools: splitPools(job, splits) })
    control.attach(running.checkpoints)
    try {
      return await running.run()
    } catch (error) {
      control.attach(undefined)
      if (codeOf(error) === 'MR_JOB_CANCELED' || !isRestartable(error)) throw error
      const delayMs = running.isGivenUp ? undefined : strategy.afterFailure()
      if (delayMs === undefined) throw error
      running.report('RESTARTING')
      plan.request.onWarning?.(restartWarning(error, delayMs, 'the job starts'))
      await pause(doors.timers, delayMs, plan.signal)
      attempt = control.countRestart(restartReport(error as Error))
      const latest = await checkpoints?.restorePoint()
      restore = latest ?? first.restore
      splits = latest === undefined ? first.splits : await enumerateSplits(job, latest.splitPools)
    }
  }
}

/** MR_JOB_CANCELED where the job is cancelled meanwhile. */
async function pause(timers: Timers, delayMs: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const cancel = timers.after(delayMs, resolve)
    signal.addEventListener(
      'abort',
      () => {
        cancel()
        resolve()
      },
      { once: true },
    )
    if (signal.aborted) resolve()
  })
  if (signal.aborted) throw new MillraceError('MR_JOB_CANCELED', 'the job was cancelled')
}

function emitWarning(text: string): void {
  process.emitWarning(text, 'MillraceWarning')
}

/** Checkpoints promise what such a source cannot keep. */
function atMostOnceWarnings(job: JobGraph): string[] {
  return job.vertices
    .map(({ nodes }) => nodes[0]!)
    .filter(isAtMostOnce)
    .map(
      ({ name }) =>
        `${name} delivers at most once: what it has read since the last checkpoint is lost with a failure, although checkpoints are on`,
    )
}

function resultOf(
  job: JobGraph,
  jobId: string,
  outcome: AttemptOutcome,
  control: JobControl,
  warnings: readonly string[],
): JobResult {
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
    ...(control.restarts > 0 && { restarts: control.restarts, restartLog: control.restartLog }),
    ...(warnings.length > 0 && { warnings }),
    ...(savepoint !== undefined && { savepoint }),
  }
}

export type { JobRequest }
