/**
 * Runs a job from its request to its end: plans it, prepares sinks and splits, runs attempts until one finishes or the
 * restart strategy gives up, and publishes or removes the output. Thread: the coordinator's; carries no records.
 */
import { randomBytes } from 'node:crypto'
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import { MillraceError, asMillraceError, codeOf } from '../common/errors.ts'
import type { Sink } from '../connectors/sink.ts'
import { executionGraph } from '../plan/execution-graph.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { translate } from '../plan/translate.ts'
import { type AttemptOutcome, JobAttempt, type JobPlan } from './job-attempt.ts'
import type { ExecuteJob, JobRequest, JobResult } from './job-execution.ts'
import { SlotPool } from './slot-pool.ts'
import { enumerateSplits } from './splits.ts'

export const executeJob: ExecuteJob = async (request) => {
  const job = translate(request.definition.build(request))
  const graph = executionGraph(job)
  const jobId = randomBytes(16).toString('hex')
  const pool = request.moduleUrl === undefined ? undefined : openPool(job, graph.slotCount)
  const sinks = sinksOf(job)
  let isPrepared = false
  try {
    const splitPools = await enumerateSplits(job)
    await prepareSinks(sinks, job)
    isPrepared = true
    const outcome = await runAttempts({ job, graph, jobId, request, pool, splitPools })
    for (const { sink } of sinks) await guardSink(sink, () => sink.commitJob?.())
    return resultOf(job, jobId, outcome)
  } catch (error) {
    if (isPrepared) await abortSinks(sinks)
    throw error
  } finally {
    await pool?.close()
  }
}

function openPool(job: JobGraph, slotCount: number): SlotPool {
  const heapBytes = Configuration.of(job.configuration).get(configOptions.heapPerSlot)
  return new SlotPool({ slotCount, heapPerSlotMb: Math.max(64, Math.floor(heapBytes / 2 ** 20)) })
}

async function runAttempts(plan: JobPlan): Promise<AttemptOutcome> {
  return await new JobAttempt(plan, 0).run()
}

interface PlacedSink {
  readonly sink: Sink<unknown>
  readonly parallelism: number
}

function sinksOf(job: JobGraph): PlacedSink[] {
  return job.vertices.flatMap(({ nodes, parallelism }) =>
    nodes.flatMap(({ body }) => (body.kind === 'sink' ? [{ sink: body.sink, parallelism }] : [])),
  )
}

async function prepareSinks(sinks: readonly PlacedSink[], job: JobGraph): Promise<void> {
  const checkpointsEnabled = Configuration.of(job.configuration).get(configOptions.checkpointInterval) !== undefined
  const prepared: PlacedSink[] = []
  try {
    for (const placed of sinks) {
      await placed.sink.prepare?.({ parallelism: placed.parallelism, isRestored: false, checkpointsEnabled })
      prepared.push(placed)
    }
  } catch (error) {
    await abortSinks(prepared)
    throw asMillraceError(error, 'MR_SINK_FAILED')
  }
}

/** Removes what is not published. The job's own failure is what the caller throws. */
async function abortSinks(sinks: readonly PlacedSink[]): Promise<void> {
  for (const { sink } of sinks) {
    try {
      await sink.abortJob?.()
    } catch {
      // Nothing can be done about leavings of an aborted sink here; the next run's `prepare` removes them.
    }
  }
}

async function guardSink(sink: Sink<unknown>, call: () => void | Promise<void>): Promise<void> {
  try {
    await call()
  } catch (error) {
    if (codeOf(error) !== undefined) throw error
    throw new MillraceError('MR_SINK_FAILED', `${sink.name} could not publish its output: ${String(error)}`, {
      cause: error,
    })
  }
}

function resultOf(job: JobGraph, jobId: string, outcome: AttemptOutcome): JobResult {
  const { netRuntimeMs, vertices, accumulators } = outcome
  return { jobName: job.jobName, jobId, status: 'FINISHED', netRuntimeMs, vertices, accumulators }
}

export type { JobRequest }
