/**
 * One attempt of a job: allocates what its slots share, starts them, watches them, and ends them all when one fails.
 * Thread: the coordinator's. Every wait has a bound: the start of a slot, and its end after a cancellation.
 */
import type { CheckpointCoordinator } from '../checkpoint/checkpoint-coordinator.ts'
import { subtaskKey } from '../checkpoint/messages.ts'
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import type { Doors } from '../common/doors.ts'
import { codeOf, fromPlain, MillraceError, type PlainError } from '../common/errors.ts'
import { minWatermark } from '../common/limits.ts'
import { layOutExchange, resetChannels } from '../exchange/exchange.ts'
import { allocateLatency } from '../metrics/latency-histograms.ts'
import { allocateMetrics } from '../metrics/shared-metrics.ts'
import type { ExecutionGraph } from '../plan/execution-graph.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { describePlan } from '../plan/plan-description.ts'
import type { PipelinedRegion } from '../plan/regions.ts'
import { allocateControlWords } from '../runtime/control-layout.ts'
import type { RegionStart, SlotReport, SlotSetting } from '../runtime/deployment.ts'
import { sourceVertices } from '../runtime/latency-markers.ts'
import { claimedBy, type OwnedSplits, type SplitPool } from '../runtime/source-head.ts'
import { allocateAlignment } from '../runtime/watermark-alignment.ts'
import { AttemptSlots } from './attempt-slots.ts'
import type { AttemptCheckpoints, JobCheckpoints, RestorePoint } from './job-checkpoints.ts'
import type { JobRequest, JobStatus, RestartReport, VertexReport } from './job-execution.ts'
import { ProgressTracker } from './progress-tracker.ts'
import { RegionFailover } from './region-failover.ts'
import { isRestartable, type RestartStrategy, restartWarning } from './restart-strategy.ts'
import type { Slots } from './slots.ts'

/** What stays the same over the attempts of a job. */
export interface JobPlan {
  readonly job: JobGraph
  readonly graph: ExecutionGraph
  readonly jobId: string
  readonly request: JobRequest
  /** Absent: local mode. */
  readonly pool: Slots | undefined
  readonly doors: Doors
  /** Aborted where the job is cancelled. */
  readonly signal: AbortSignal
  /** Undefined where the job takes no checkpoints. */
  readonly checkpoints: JobCheckpoints | undefined
  readonly strategy: RestartStrategy
  /** Notes a restart; answers how many there have been, this one included. */
  countRestart(restart: RestartReport): number
}

/** What an attempt begins with. */
export interface AttemptStart {
  /** 0 for the first, counted up by restarts. */
  readonly attempt: number
  readonly splitPools: Readonly<Record<number, SplitPool>>
  readonly restore: RestorePoint | undefined
}

export interface AttemptOutcome {
  /** True where the job was stopped with a savepoint before its input had ended. */
  readonly isSuspended: boolean
  readonly netRuntimeMs: number
  readonly vertices: readonly VertexReport[]
  readonly accumulators: Readonly<Record<string, number>>
}

const cancelReason = 'the job was cancelled'

export class JobAttempt {
  readonly #plan: JobPlan
  readonly #begin: AttemptStart
  readonly #setting: SlotSetting
  readonly #tracker: ProgressTracker
  readonly #slots: AttemptSlots
  readonly #failover: RegionFailover
  readonly #startedMs: number
  /** When the first slot's loop began. */
  #runningMs: number | undefined
  readonly #checkpoints: AttemptCheckpoints | undefined
  #status: JobStatus = 'RUNNING'
  #failure: Error | undefined
  /** A slot's thread goes on after all. */
  #hung: Error | undefined
  /** Why regions are down. */
  #causes: Error[] = []
  #isCancelled = false
  #isSuspended = false
  #resolveOver: () => void = () => {}
  readonly #over: Promise<void> = new Promise((resolve) => (this.#resolveOver = resolve))

  constructor(plan: JobPlan, start: AttemptStart) {
    const { job, graph, pool, doors } = plan
    this.#plan = plan
    this.#begin = start
    this.#startedMs = doors.clock.monotonicMs()
    this.#setting = slotSetting(plan, start)
    this.#tracker = new ProgressTracker(job, graph, this.#setting)
    this.#slots = new AttemptSlots({
      setting: this.#setting,
      job,
      pool,
      doors,
      onReport: (report) => this.#takeReport(report),
      onEnded: (slot, error) => this.#slotEnded(slot, error),
    })
    this.#failover = new RegionFailover({
      regions: graph.regions,
      slots: this.#slots,
      clock: doors.clock,
      timers: doors.timers,
      attempt: start.attempt,
      onAllRunning: () => this.#allRunning(),
      onDown: () => this.#down(),
      prepareRestart: (regions) => this.#prepareRestart(regions),
      escalate: (error) => this.#fail(error),
      onIdle: () => this.#checkOver(),
    })
    const slotOf = new Map(graph.subtasks.map((subtask) => [subtaskKey(subtask), subtask.slot]))
    this.#checkpoints = plan.checkpoints?.attempt({
      splitPools: Object.fromEntries(Object.entries(start.splitPools).map(([vertex, { splits }]) => [vertex, splits])),
      send: (to, command) => this.#slots.send(slotOf.get(subtaskKey(to))!, { type: 'checkpoint', to, command }),
      fail: (error) => this.#fail(error),
      end: (kind) => this.#end(kind),
    })
  }

  /** Takes checkpoints and savepoints on request; undefined where the job takes none. */
  get checkpoints(): CheckpointCoordinator | undefined {
    return this.#checkpoints?.coordinator
  }

  /** Resolves where every slot ended well; otherwise rejects once nothing of the attempt runs any more. */
  async run(): Promise<AttemptOutcome> {
    const { signal, graph } = this.#plan
    const onAbort = (): void => this.#cancel()
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) this.#cancel()
    const stopReporting = this.#reportProgress()
    const { attempt, restore } = this.#begin
    const starts = graph.regions.map((region) => startOf(region, attempt, restore))
    try {
      for (const slot of this.#slots.all) {
        this.#slots.start(
          slot,
          starts.filter(({ region }) => this.#slots.hostsOf(graph.regions[region]!).includes(slot)),
        )
      }
      await this.#over
    } finally {
      await this.#checkpoints?.close()
      stopReporting()
      signal.removeEventListener('abort', onAbort)
    }
    if (this.#hung !== undefined) throw this.#hung
    if (this.#isCancelled) throw new MillraceError('MR_JOB_CANCELED', cancelReason)
    if (this.#failure !== undefined) throw this.#failure
    const nowMs = this.#plan.doors.clock.monotonicMs()
    return {
      isSuspended: this.#isSuspended,
      netRuntimeMs: nowMs - (this.#runningMs ?? this.#startedMs),
      vertices: this.#tracker.vertices(nowMs),
      accumulators: this.#tracker.accumulators(),
    }
  }

  // --- what slots report ---

  #takeReport(report: SlotReport): void {
    switch (report.type) {
      case 'metric':
        return this.#tracker.takeRegistration(report.registration)
      case 'accumulators':
        return this.#tracker.takeAccumulators(report, report.totals)
      case 'subtaskFinished':
        return this.#tracker.subtaskFinished(report.subtask)
      case 'checkpoint':
        return this.#checkpoints?.take(report.report)
      case 'running':
        this.#runningMs ??= this.#plan.doors.clock.monotonicMs()
        return this.#failover.opened(report)
      case 'regionFailed': {
        if (!this.#failover.isCurrent(report)) return
        return this.#regionsFailed([report.region], asError(report.error))
      }
      case 'regionStopped':
        return this.#failover.stopped(report)
      case 'failed':
      case 'hello':
      case 'ended':
        return
    }
  }

  #slotEnded(slot: number, error: Error | undefined): void {
    const lost = this.#failover.regionsIn(slot)
    this.#failover.slotEnded(slot)
    if (error !== undefined) {
      if (codeOf(error) === 'MR_WORKER_HUNG') this.#hung ??= causedBy(error, this.#failure)
      const hasDied = codeOf(error) === 'MR_WORKER_DIED' || codeOf(error) === 'MR_WORKER_OUT_OF_MEMORY'
      if (hasDied) this.#regionsFailed(lost, error)
      else this.#fail(error)
    }
    this.#checkOver()
  }

  #checkOver(): void {
    if (this.#slots.liveCount === 0 && !this.#failover.isActive) this.#resolveOver()
  }

  // --- regions ---

  #allRunning(): void {
    this.#causes = []
    this.#status = 'RUNNING'
    this.#checkpoints?.start()
  }

  /** The regions start again, or, where that cannot help, the attempt fails. */
  #regionsFailed(regions: readonly number[], error: Error): void {
    if (this.#isOver()) return
    const configuration = Configuration.of(this.#plan.job.configuration)
    const isRegional =
      configuration.get(configOptions.failoverStrategy) === 'region' &&
      isRestartable(error) &&
      this.#checkpoints?.coordinator.isStopping !== true &&
      this.#failover.canSpare(regions)
    if (!isRegional) return this.#fail(error)
    const delayMs = this.#plan.strategy.afterFailure()
    if (delayMs === undefined) return this.#giveUp(error)
    this.#causes.push(error)
    const what = regions.length === 1 ? `region ${regions[0]} starts` : `regions ${regions.join(', ')} start`
    this.#plan.request.onWarning?.(restartWarning(error, delayMs, what))
    this.#failover.fail(regions, delayMs)
  }

  #down(): void {
    this.#checkpoints?.coordinator.suspend('a region of the job has failed and starts again')
    this.#status = 'RESTARTING'
    this.report('RESTARTING')
  }

  async #prepareRestart(regions: readonly PipelinedRegion[]): Promise<readonly RegionStart[]> {
    const { checkpoints, graph } = this.#plan
    const coordinator = this.#checkpoints?.coordinator
    await coordinator?.settled()
    const newest = (await checkpoints?.newest()) ?? this.#begin.restore
    const last = coordinator?.lastCompleted
    const expectedId = last?.checkpointId ?? this.#begin.restore?.checkpointId
    // The other regions are beyond an older checkpoint: only together can all go back to it.
    if (newest?.checkpointId !== expectedId || coordinator?.isStopping === true) throw this.#causes.at(-1)!
    const subtasks = regions.flatMap((region) => region.subtasks)
    coordinator?.restarting(subtasks)
    this.#tracker.startAgain(subtasks)
    const alignment = new Float64Array(this.#setting.alignment)
    for (const [position, subtask] of graph.subtasks.entries()) {
      if (subtasks.includes(subtask)) alignment[position] = minWatermark
    }
    for (const { channels } of regions) resetChannels(this.#setting.exchange, channels)
    const attempt = this.#plan.countRestart(this.#restartOf(regions))
    return regions.map((region) => ({
      ...startOf(region, attempt, newest),
      owned: this.#ownedSplits(region, last?.claimedSplits),
    }))
  }

  #ownedSplits(
    { subtasks }: PipelinedRegion,
    held: ReadonlyMap<string, readonly number[]> | undefined,
  ): Record<string, OwnedSplits> {
    const owned: Record<string, OwnedSplits> = {}
    for (const subtask of subtasks) {
      const pool = this.#setting.splitPools[subtask.vertexIndex]
      if (pool === undefined) continue
      const key = subtaskKey(subtask)
      const inCheckpoint = new Set(held?.get(key))
      const claimed = claimedBy(pool, subtask.subtaskIndex)
      owned[key] = { claimed, fresh: claimed.filter((index) => !inCheckpoint.has(index)) }
    }
    return owned
  }

  #restartOf(regions: readonly PipelinedRegion[]): RestartReport {
    const { vertices } = this.#plan.job
    const tasks = regions.flatMap((region) =>
      region.subtasks.map(({ vertexIndex, subtaskIndex }) => `${vertices[vertexIndex]!.name}[${subtaskIndex}]`),
    )
    return { ...restartReport(this.#causes.at(-1)!), regions: regions.map(({ index }) => index), tasks }
  }

  // --- the end ---

  /** Everything is committed: ended tasks may go; suspended ones are stopped where they are. */
  #end(kind: 'final' | 'stop-drain' | 'stop-suspend'): void {
    if (kind !== 'stop-suspend') {
      for (const slot of this.#slots.all) this.#slots.send(slot, { type: 'release' })
      return
    }
    if (this.#isOver()) return
    this.#isSuspended = true
    this.#stop()
  }

  /** No restart: the strategy has been asked already. */
  #giveUp(error: Error): void {
    this.#isGivenUp = true
    this.#fail(error)
  }

  /** The first failure counts; what follows from stopping the others does not. */
  #fail(error: Error): void {
    if (this.#isOver()) return
    this.#failure = error
    this.#stop()
  }

  #cancel(): void {
    if (this.#isOver()) return
    this.#isCancelled = true
    this.#stop()
  }

  #isOver(): boolean {
    return this.#isCancelled || this.#isSuspended || this.#failure !== undefined
  }

  #stop(): void {
    this.#slots.stop()
    this.#failover.end()
  }

  #isGivenUp = false

  /** The restart strategy has refused to go on. */
  get isGivenUp(): boolean {
    return this.#isGivenUp
  }

  /** Tells the request's listener where the job stands. */
  report(status: JobStatus): void {
    const nowMs = this.#plan.doors.clock.monotonicMs()
    this.#plan.request.onProgress?.({
      jobName: this.#plan.job.jobName,
      jobId: this.#plan.jobId,
      status,
      elapsedMs: nowMs - this.#startedMs,
      vertices: this.#tracker.vertices(nowMs),
      accumulators: this.#tracker.accumulators(),
    })
  }

  #reportProgress(): () => void {
    const { onProgress, progressIntervalMs = 500 } = this.#plan.request
    if (onProgress === undefined) return () => {}
    const timer = setInterval(() => this.report(this.#status), progressIntervalMs)
    timer.unref()
    return () => clearInterval(timer)
  }
}

function causedBy(error: Error, cause: Error | undefined): Error {
  return cause === undefined || cause === error ? error : new MillraceError('MR_WORKER_HUNG', error.message, { cause })
}

/** What all slots of an attempt share, allocated here. */
function slotSetting(plan: JobPlan, { splitPools }: AttemptStart): SlotSetting {
  const { job, graph, request } = plan
  const configuration = Configuration.of(job.configuration)
  return {
    jobId: plan.jobId,
    slots: Array.from({ length: graph.slotCount }, (_, slot) => slot),
    settings: {
      parameters: request.parameters,
      configuration: request.configuration,
      parallelism: request.parallelism,
    },
    plan: describePlan(job),
    executionGraph: graph,
    exchange: layOutExchange({
      slotCount: graph.slotCount,
      isLocal: plan.pool === undefined,
      channels: graph.channels,
      segmentBytes: configuration.get(configOptions.segmentBytes),
      buffersPerChannel: configuration.get(configOptions.buffersPerChannel),
      floatingBuffersPerGate: configuration.get(configOptions.floatingBuffersPerGate),
    }),
    metrics: allocateMetrics(graph.subtasks.length),
    alignment: allocateAlignment(graph.subtasks.length),
    latency:
      configuration.get(configOptions.latencyInterval) > 0
        ? allocateLatency(graph.subtasks.length, sourceVertices(job).length)
        : undefined,
    control: allocateControlWords(graph.slotCount),
    splitPools,
    checkpointing: plan.checkpoints?.location,
  }
}

function startOf(region: PipelinedRegion, attempt: number, restore: RestorePoint | undefined): RegionStart {
  const keys = region.subtasks.map(subtaskKey).filter((key) => restore?.subtasks[key] !== undefined)
  return {
    region: region.index,
    attempt,
    restore: Object.fromEntries(keys.map((key) => [key, restore!.subtasks[key]!])),
    owned: {},
  }
}

/** What a restart is noted as. */
export function restartReport(cause: Error): RestartReport {
  return { code: codeOf(cause) ?? 'MR_INTERNAL', message: cause.message }
}

const asError = (error: Error | PlainError): Error => (error instanceof Error ? error : fromPlain(error))
