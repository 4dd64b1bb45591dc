/**
 * One attempt of a job: allocates what its slots share, starts them, watches them, and ends them all when one fails.
 * Thread: the coordinator's. Every wait has a bound: the start of a slot, and its end after a cancellation.
 */
import type { CheckpointCoordinator } from '../checkpoint/checkpoint-coordinator.ts'
import { subtaskKey } from '../checkpoint/messages.ts'
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import type { Doors } from '../common/doors.ts'
import { MillraceError, fromPlain } from '../common/errors.ts'
import { isWithin } from '../common/timers.ts'
import { layOutExchange, ringDoorbell } from '../exchange/exchange.ts'
import { allocateLatency } from '../metrics/latency-histograms.ts'
import { allocateMetrics } from '../metrics/shared-metrics.ts'
import type { ExecutionGraph } from '../plan/execution-graph.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { describePlan } from '../plan/plan-description.ts'
import { ControlWords, allocateControlWords } from '../runtime/control-layout.ts'
import type { SlotCommand, SlotDeployment, SlotReport } from '../runtime/deployment.ts'
import { sourceVertices } from '../runtime/latency-markers.ts'
import { runSlot } from '../runtime/slot-runtime.ts'
import type { SplitPool } from '../runtime/source-head.ts'
import { allocateAlignment } from '../runtime/watermark-alignment.ts'
import type { AttemptCheckpoints, JobCheckpoints, RestorePoint } from './job-checkpoints.ts'
import type { JobRequest, JobStatus, VertexReport } from './job-execution.ts'
import { ProgressTracker } from './progress-tracker.ts'
import type { RunningSlot, Slots } from './slots.ts'

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
  readonly #deployment: SlotDeployment
  readonly #tracker: ProgressTracker
  readonly #controls: readonly ControlWords[]
  readonly #startedMs: number
  /** When the first slot's loop began. */
  #runningMs: number | undefined
  readonly #checkpoints: AttemptCheckpoints | undefined
  readonly #sendTo: ((command: SlotCommand) => void)[] = []
  #runningSlots = 0
  #failure: Error | undefined
  #isCancelled = false
  #isSuspended = false

  constructor(plan: JobPlan, start: AttemptStart) {
    const { job, graph, request } = plan
    const configuration = Configuration.of(job.configuration)
    this.#plan = plan
    this.#startedMs = plan.doors.clock.monotonicMs()
    this.#deployment = {
      jobId: plan.jobId,
      slots: Array.from({ length: graph.slotCount }, (_, slot) => slot),
      attempt: start.attempt,
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
      splitPools: start.splitPools,
      checkpointing: plan.checkpoints?.location,
      restore: start.restore?.subtasks ?? {},
    }
    this.#tracker = new ProgressTracker(job, graph, this.#deployment)
    this.#controls = this.#deployment.slots.map((slot) => new ControlWords(this.#deployment.control, slot))
    const slotOf = new Map(graph.subtasks.map((subtask) => [subtaskKey(subtask), subtask.slot]))
    this.#checkpoints = plan.checkpoints?.attempt({
      splitPools: Object.fromEntries(Object.entries(start.splitPools).map(([vertex, { splits }]) => [vertex, splits])),
      send: (to, command) => this.#send(slotOf.get(subtaskKey(to))!, { type: 'checkpoint', to, command }),
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
    const { signal } = this.#plan
    const onAbort = (): void => this.#cancel()
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) this.#cancel()
    const stopReporting = this.#reportProgress()
    try {
      if (this.#plan.pool === undefined) await this.#runLocally()
      else await this.#runInWorkers(this.#plan.pool)
    } finally {
      await this.#checkpoints?.close()
      stopReporting()
      signal.removeEventListener('abort', onAbort)
    }
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

  async #runLocally(): Promise<void> {
    const commands: SlotCommand[] = []
    for (const slot of this.#deployment.slots) this.#sendTo[slot] = (command) => void commands.push(command)
    const port = { post: (report: SlotReport) => this.#takeReport(report), receive: () => commands.shift() }
    try {
      await runSlot(this.#deployment, this.#plan.job, port, { doors: this.#plan.doors, mayBlock: false })
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  async #runInWorkers(pool: Slots): Promise<void> {
    const configuration = Configuration.of(this.#plan.job.configuration)
    const startTimeoutMs = configuration.get(configOptions.slotStartTimeout)
    const cancelTimeoutMs = configuration.get(configOptions.cancellationTimeout)
    const { timers } = this.#plan.doors
    await Promise.all(
      this.#deployment.slots.map(async (slot) => {
        let markAlive = (): void => {}
        const alive = new Promise<void>((resolve) => (markAlive = resolve))
        const running = pool.start({ ...this.#deployment, slots: [slot] }, (report) => {
          if (report.type === 'hello') markAlive()
          this.#takeReport(report)
        })
        this.#sendTo[slot] = (command) => running.send(command)
        const ended = running.ended.catch((error: unknown) => this.#fail(error as Error))
        if (!(await isWithin(timers, Promise.race([alive, ended]), startTimeoutMs))) {
          this.#fail(new MillraceError('MR_RUNTIME_TIMEOUT', `slot ${slot} did not start within ${startTimeoutMs} ms`))
        }
        await this.#awaitEnd(running, ended, cancelTimeoutMs)
      }),
    )
  }

  /** Waits for a slot; once the attempt is over for another reason, at most the cancellation time-out. */
  async #awaitEnd(running: RunningSlot, ended: Promise<void>, cancelTimeoutMs: number): Promise<void> {
    let isEnded = false
    void ended.then(() => (isEnded = true))
    await Promise.race([ended, this.#stopRequested])
    const { timers } = this.#plan.doors
    if (isEnded || (await isWithin(timers, ended, cancelTimeoutMs))) return
    running.terminate()
    await isWithin(timers, ended, cancelTimeoutMs)
  }

  #resolveStop: () => void = () => {}
  readonly #stopRequested: Promise<void> = new Promise((resolve) => (this.#resolveStop = resolve))

  #takeReport(report: SlotReport): void {
    switch (report.type) {
      case 'failed':
        return this.#fail(fromPlain(report.error))
      case 'metric':
        return this.#tracker.takeRegistration(report.registration)
      case 'accumulators':
        return this.#tracker.takeAccumulators(report.slot, report.totals)
      case 'subtaskFinished':
        return this.#tracker.subtaskFinished(report.subtask.vertexIndex)
      case 'checkpoint':
        return this.#checkpoints?.take(report.report)
      case 'running':
        this.#runningMs ??= this.#plan.doors.clock.monotonicMs()
        this.#runningSlots++
        if (this.#plan.pool === undefined || this.#runningSlots === this.#deployment.slots.length)
          this.#checkpoints?.start()
        return
      case 'hello':
      case 'ended':
        return
    }
  }

  #send(slot: number, command: SlotCommand): void {
    this.#sendTo[slot]?.(command)
    // In local mode one runtime hosts all slots and looks at the words of the first.
    const listening = this.#plan.pool === undefined ? 0 : slot
    this.#controls[listening]!.announceCommand()
    ringDoorbell(this.#deployment.exchange, listening)
  }

  /** Everything is committed: ended tasks may go; suspended ones are stopped where they are. */
  #end(kind: 'final' | 'stop-drain' | 'stop-suspend'): void {
    if (kind !== 'stop-suspend') {
      for (const slot of this.#plan.pool === undefined ? [0] : this.#deployment.slots)
        this.#send(slot, { type: 'release' })
      return
    }
    if (this.#isCancelled || this.#failure !== undefined) return
    this.#isSuspended = true
    this.#stopSlots()
  }

  /** The first failure counts; what follows from stopping the others does not. */
  #fail(error: Error): void {
    if (this.#isCancelled || this.#isSuspended || this.#failure !== undefined) return
    this.#failure = error
    this.#stopSlots()
  }

  #cancel(): void {
    if (this.#isCancelled || this.#isSuspended || this.#failure !== undefined) return
    this.#isCancelled = true
    this.#stopSlots()
  }

  #stopSlots(): void {
    for (const control of this.#controls) control.requestCancel()
    for (const slot of this.#deployment.slots) ringDoorbell(this.#deployment.exchange, slot)
    this.#resolveStop()
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
    const timer = setInterval(() => this.report('RUNNING'), progressIntervalMs)
    timer.unref()
    return () => clearInterval(timer)
  }
}
