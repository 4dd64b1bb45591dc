/**
 * The coordinator of one execution's checkpoints: triggers them, collects what the subtasks acknowledge, completes or
 * aborts, and tells everyone. A state machine: `tick` and `take` drive it, time comes from the clock, writing goes to
 * the store one call at a time. Coordinator thread, cold.
 *
 * Life of a checkpoint: starting (directory is made) → collecting (barriers are out) → finalizing (metadata is
 * written) → completed | aborted.
 *
 * Invariants
 * 1. Nobody is told to commit before the store has made the checkpoint durable.
 * 2. Once a savepoint that stops the job, or the final checkpoint, is under way nothing else is triggered; it fails or
 *    it ends the job.
 * 3. Shared files that a subsumed checkpoint leaves unreferenced are removed only when every subtask has confirmed the
 *    subsuming one and every checkpoint triggered before that is over, and none of those completed with them.
 * 4. Failures in a row beyond the tolerable number fail the job; savepoints do not count.
 * 5. A savepoint with drain that fails fails the job once sources have been told to end: they would not read on.
 * 6. While a region of the job is down nothing is triggered. What was under way is given up, and does not count as a
 *    failure; what had every acknowledgement by then is completed.
 */
import type { Clock } from '../common/clock.ts'
import { asMillraceError, codeOf, fromPlain, MillraceError } from '../common/errors.ts'
import { failPoint } from '../common/fail-points.ts'
import type { CheckpointBarrier } from '../exchange/stream-event.ts'
import { CheckpointHistory, type CheckpointRecord } from './checkpoint-history.ts'
import { type CheckpointKind, filesOf, isTerminal, newBytesOf, type SubtaskSnapshot } from './checkpoint-metadata.ts'
import {
  assembleMetadata,
  type CheckpointPlan,
  claimedSplitsOf,
  type LastCompleted,
  subtaskKeyOf,
  subtasksOf,
} from './checkpoint-plan.ts'
import type { CheckpointSettings } from './checkpoint-settings.ts'
import type { CheckpointStorage } from './checkpoint-storage.ts'
import { SharedFileGraves } from './shared-file-graves.ts'
import type { CheckpointCommand, CheckpointReport, SubtaskAddress } from './messages.ts'

export interface CheckpointCoordinatorOptions {
  readonly settings: CheckpointSettings
  readonly plan: CheckpointPlan
  readonly store: CheckpointStorage
  readonly clock: Clock
  /** By vertex index: the splits of this execution, in the order of their indices. */
  readonly splitPools: Readonly<Record<number, readonly unknown[]>>
  readonly history?: CheckpointHistory
  send(to: SubtaskAddress, command: CheckpointCommand): void
  /** `nextTickMs` may have changed. */
  changed?(): void
  /** The execution must fail: more checkpoints failed than are tolerated, or one after which sources do not read on. */
  fail(error: MillraceError): void
  /**
   * The job is over and everything is committed: after the final checkpoint (`final`), or a savepoint that stops it.
   * Subtasks may be released, or for `stop-suspend` cancelled.
   */
  end(kind: 'final' | 'stop-drain' | 'stop-suspend'): void
}

/** What a requested checkpoint or savepoint gave. */
export interface TriggerResult {
  readonly checkpointId: number
  /** Absolute path of its directory. */
  readonly path: string
}

interface Request {
  readonly kind: CheckpointKind
  readonly target: string | undefined
  readonly resolve: (result: TriggerResult) => void
  readonly reject: (error: MillraceError) => void
}

interface Pending {
  readonly barrier: CheckpointBarrier
  request: Request | undefined
  readonly record: CheckpointRecord
  readonly startedMs: number
  readonly snapshots: Map<string, SubtaskSnapshot>
  stage: 'starting' | 'collecting' | 'finalizing' | 'over'
}

export class CheckpointCoordinator {
  readonly history: CheckpointHistory
  readonly #options: CheckpointCoordinatorOptions
  readonly #subtasks: readonly SubtaskAddress[]
  readonly #pending = new Map<number, Pending>()
  readonly #requests: Request[] = []
  readonly #ended = new Set<string>()
  /** By subtask: the newest checkpoint whose commits it has confirmed. */
  readonly #confirmed = new Map<string, number>()
  readonly #graves = new SharedFileGraves()
  /** The newest checkpoints that came to nothing: what subtasks still write for them is removed. */
  #discarded: readonly number[] = []
  #storeTail: Promise<void> = Promise.resolve()
  #nextPeriodicMs = Number.POSITIVE_INFINITY
  #earliestPeriodicMs = 0
  #earliestFinalMs = 0
  #failuresInRow = 0
  /** The completed checkpoint after which the job ends, waiting for the commits. */
  #terminal: { readonly id: number; readonly kind: 'final' | 'stop-drain' | 'stop-suspend' } | undefined
  /** A savepoint that stops the job is answered once everything is committed. */
  #resolveAtEnd: { readonly request: Request; readonly result: TriggerResult } | undefined
  #lastCompleted: LastCompleted | undefined
  /** Every subtask runs. */
  #hasStarted = false
  #hasEnded = false
  #hasFailed = false
  #isClosed = false

  constructor(options: CheckpointCoordinatorOptions) {
    this.#options = options
    this.#subtasks = subtasksOf(options.plan)
    this.history = options.history ?? new CheckpointHistory()
  }

  /** Every subtask runs, for the first time or again: the interval begins. */
  start(): void {
    this.#hasStarted = true
    this.#nextPeriodicMs = this.#nowMs() + this.#options.settings.intervalMs
    this.tick()
  }

  /**
   * Some subtasks have failed: what is under way cannot be completed, and nothing begins until `start`. What was asked
   * for is tried again then.
   */
  suspend(reason: string): void {
    this.#hasStarted = false
    const error = new MillraceError('MR_CHECKPOINT_FAILED', reason)
    for (const pending of [...this.#pending.values()].toReversed()) {
      if (pending.stage === 'finalizing') continue
      if (pending.request !== undefined) this.#requests.unshift(pending.request)
      pending.request = undefined
      void this.#discard(pending, error)
      this.#broadcast({ type: 'checkpointAborted', checkpointId: pending.barrier.checkpointId })
    }
    this.#options.changed?.()
  }

  /** While suspended: resolves once `lastCompleted` is final. */
  async settled(): Promise<void> {
    await this.#storeTail
  }

  /** While suspended: these subtasks start again from `lastCompleted`, or from what the execution started from. */
  restarting(subtasks: readonly SubtaskAddress[]): void {
    for (const subtask of subtasks) {
      const key = subtaskKeyOf(subtask)
      this.#ended.delete(key)
      // Restoring commits what the checkpoint holds.
      if (this.#lastCompleted !== undefined) this.#confirmed.set(key, this.#lastCompleted.checkpointId)
    }
  }

  /** Of this execution; undefined before the first. */
  get lastCompleted(): LastCompleted | undefined {
    return this.#lastCompleted
  }

  /** The job is about to end: its last checkpoint, or a savepoint that stops it, is under way or complete. */
  get isStopping(): boolean {
    return this.#isStopping()
  }

  /** Monotonic time at which `tick` wants to be called; Infinity: only after something has happened. */
  nextTickMs(): number {
    let nextMs = Number.POSITIVE_INFINITY
    if (this.#mayTrigger()) {
      if (this.#haveAllEnded()) nextMs = this.#pending.size === 0 ? this.#earliestFinalMs : nextMs
      else nextMs = Math.max(this.#nextPeriodicMs, this.#earliestPeriodicMs)
    }
    for (const { startedMs, stage } of this.#pending.values()) {
      if (stage !== 'finalizing') nextMs = Math.min(nextMs, startedMs + this.#options.settings.timeoutMs)
    }
    return nextMs
  }

  /** Aborts what has timed out and triggers what is due. */
  tick(): void {
    if (this.#isClosed) return
    this.#abortOverdue()
    this.#serveRequests()
    this.#triggerDue()
    this.#options.changed?.()
  }

  #abortOverdue(): void {
    const { timeoutMs } = this.#options.settings
    for (const pending of this.#pending.values()) {
      if (pending.stage === 'finalizing' || this.#nowMs() - pending.startedMs < timeoutMs) continue
      const missing = this.#subtasks.filter((subtask) => !pending.snapshots.has(subtaskKeyOf(subtask)))
      const names = missing.slice(0, 4).map((subtask) => this.#nameOf(subtask))
      this.#abort(pending, `not acknowledged within ${timeoutMs} ms by ${names.join(', ')}`)
    }
  }

  #triggerDue(): void {
    const nowMs = this.#nowMs()
    if (!this.#mayTrigger()) return
    if (this.#haveAllEnded()) {
      if (this.#pending.size === 0 && nowMs >= this.#earliestFinalMs) this.#trigger('final', undefined)
    } else if (nowMs >= Math.max(this.#nextPeriodicMs, this.#earliestPeriodicMs)) {
      this.#nextPeriodicMs = nowMs + this.#options.settings.intervalMs
      this.#trigger('checkpoint', undefined)
    }
  }

  /** A subtask's report. Late ones are ignored. */
  take(report: CheckpointReport): void {
    if (this.#isClosed) return
    switch (report.type) {
      case 'acknowledgeCheckpoint':
        return this.#acknowledge(report)
      case 'declineCheckpoint': {
        const pending = this.#pending.get(report.checkpointId)
        if (pending?.stage !== 'collecting') return this.#removeLate(report.checkpointId)
        const cause = fromPlain(report.reason)
        return this.#abort(pending, `${this.#nameOf(report)} declined: ${cause.message}`, cause)
      }
      case 'checkpointCommitted':
        return this.#confirm(report)
      case 'subtaskEnded':
        this.#ended.add(subtaskKeyOf(report))
        return this.tick()
    }
  }

  /** A checkpoint now. Rejects with MR_CHECKPOINT_FAILED. */
  triggerCheckpoint(): Promise<TriggerResult> {
    return this.#request('checkpoint', undefined)
  }

  /** A savepoint, below `target` (absolute; default: the configured directory, or the job directory's). */
  triggerSavepoint(
    kind: 'savepoint' | 'stop-drain' | 'stop-suspend' = 'savepoint',
    target?: string,
  ): Promise<TriggerResult> {
    return this.#request(kind, target ?? this.#options.settings.savepointDirectory)
  }

  /** The execution is over or has failed: what is under way is given up. Resolves once the store is at rest. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      const over = new MillraceError('MR_CHECKPOINT_FAILED', 'the job ended before the checkpoint was complete')
      for (const request of this.#requests.splice(0)) request.reject(over)
      for (const pending of this.#pending.values()) {
        if (pending.stage !== 'finalizing') void this.#discard(pending, over)
      }
    }
    await this.#storeTail
    if (this.#hasEnded || this.#resolveAtEnd === undefined) return
    const { request, result } = this.#resolveAtEnd
    const message = `the job failed before it had committed what the savepoint ${result.path} holds`
    request.reject(new MillraceError('MR_CHECKPOINT_FAILED', message))
  }

  // --- triggering ---

  #request(kind: CheckpointKind, target: string | undefined): Promise<TriggerResult> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed || this.#isStopping()) {
        reject(new MillraceError('MR_CHECKPOINT_FAILED', 'the job is about to end'))
        return
      }
      this.#requests.push({ kind, target, resolve, reject })
      this.tick()
    })
  }

  #serveRequests(): void {
    while (this.#requests.length > 0 && this.#mayTrigger()) {
      const request = this.#requests.shift() as Request
      this.#trigger(request.kind, request)
    }
  }

  #mayTrigger(): boolean {
    const isActive = this.#hasStarted && !this.#isClosed && !this.#hasFailed && !this.#isStopping()
    return isActive && this.#pending.size < this.#options.settings.maxConcurrent
  }

  #isStopping(): boolean {
    if (this.#terminal !== undefined) return true
    return [...this.#pending.values()].some(
      ({ barrier }) => barrier.kind !== 'checkpoint' && barrier.kind !== 'savepoint',
    )
  }

  #haveAllEnded(): boolean {
    return this.#ended.size === this.#subtasks.length
  }

  #trigger(kind: CheckpointKind, request: Request | undefined): void {
    const { store, settings, clock } = this.#options
    const checkpointId = store.nextCheckpointId()
    const timestampMs = clock.nowMs()
    const isPlain = kind === 'checkpoint'
    const barrier: CheckpointBarrier = {
      checkpointId,
      timestampMs,
      kind,
      mode: isPlain ? settings.mode : 'aligned',
      alignTimeoutMs: isPlain ? settings.alignTimeoutMs : Number.POSITIVE_INFINITY,
    }
    const record = this.history.begin(checkpointId, kind, timestampMs, this.#subtasks.length)
    const pending: Pending = {
      barrier,
      request,
      record,
      startedMs: this.#nowMs(),
      snapshots: new Map(),
      stage: 'starting',
    }
    this.#pending.set(checkpointId, pending)
    void this.#withStore(() => store.begin(checkpointId, request?.target)).then(
      () => this.#sendBarrier(pending),
      (error: unknown) => this.#abort(pending, errorText(error), error),
    )
  }

  #sendBarrier(pending: Pending): void {
    if (pending.stage !== 'starting' || this.#isClosed) return
    pending.stage = 'collecting'
    const sources = new Set(this.#options.plan.vertices.flatMap(({ isSource, index }) => (isSource ? [index] : [])))
    for (const subtask of this.#subtasks) {
      if (!sources.has(subtask.vertexIndex)) continue
      this.#options.send(subtask, { type: 'triggerCheckpoint', barrier: pending.barrier })
    }
  }

  // --- collecting ---

  #acknowledge(report: CheckpointReport & { readonly type: 'acknowledgeCheckpoint' }): void {
    const pending = this.#pending.get(report.checkpointId)
    if (pending?.stage !== 'collecting') return this.#removeLate(report.checkpointId)
    const key = subtaskKeyOf(report)
    if (pending.snapshots.has(key)) return
    pending.snapshots.set(key, report.snapshot)
    this.history.acknowledge(pending.record, report.metrics)
    if (pending.snapshots.size < this.#subtasks.length) return
    pending.stage = 'finalizing'
    void this.#withStore(() => this.#finalize(pending)).catch((error: unknown) =>
      this.#abort(pending, errorText(error), error),
    )
  }

  /** A subtask was still writing when the checkpoint was given up. */
  #removeLate(checkpointId: number): void {
    if (!this.#discarded.includes(checkpointId)) return
    void this.#withStore(() => this.#options.store.abort(checkpointId)).catch(() => undefined)
  }

  async #finalize(pending: Pending): Promise<void> {
    const { store, plan, splitPools } = this.#options
    const { checkpointId, kind, mode, timestampMs } = pending.barrier
    const head = { checkpointId, kind, mode, triggeredMs: timestampMs, jobId: store.jobId }
    const metadata = assembleMetadata(plan, head, pending.snapshots, splitPools)
    const isSavepoint = kind !== 'checkpoint' && kind !== 'final'
    const savepoint = isSavepoint ? await store.writeSavepoint(metadata, pending.request?.target) : undefined
    const files = filesOf(metadata)
    pending.record.stateBytes = files.reduce((sum, { bytes }) => sum + bytes, 0)
    pending.record.newBytes = newBytesOf(files, checkpointId)
    if (kind === 'savepoint') {
      this.#over(pending, 'completed', savepoint)
      this.#broadcast({ type: 'checkpointComplete', checkpointId, commit: false })
      await store.abort(checkpointId)
      return
    }
    const completed = await store.complete(metadata)
    this.#graves.exhume(new Set(files.map(({ path }) => path)))
    failPoint('between-metadata-rename-and-commit')
    this.#failuresInRow = 0
    this.#lastCompleted = { checkpointId, claimedSplits: claimedSplitsOf(pending.snapshots) }
    if (isTerminal(kind) || [...pending.snapshots.values()].every(({ ended }) => ended)) {
      this.#terminal = { id: checkpointId, kind: isTerminal(kind) ? kind : 'final' }
    }
    this.#over(pending, 'completed', savepoint ?? completed.path)
    this.#broadcast({ type: 'checkpointComplete', checkpointId, commit: true })
    this.#abortOlder(checkpointId)
    this.#graves.bury(await store.retain(), checkpointId)
    this.#tendGraves()
  }

  #abortOlder(checkpointId: number): void {
    for (const pending of this.#pending.values()) {
      const { barrier, stage } = pending
      if (barrier.checkpointId > checkpointId || stage === 'finalizing' || pending.request !== undefined) continue
      const error = new MillraceError('MR_CHECKPOINT_FAILED', `checkpoint ${checkpointId} has subsumed it`)
      void this.#discard(pending, error)
      this.#broadcast({ type: 'checkpointAborted', checkpointId: barrier.checkpointId })
    }
  }

  // --- the end of a checkpoint ---

  /** A failure that counts. */
  #abort(pending: Pending, reason: string, cause?: unknown): void {
    if (pending.stage === 'over') return
    const { checkpointId, kind } = pending.barrier
    const error = new MillraceError('MR_CHECKPOINT_FAILED', `${kind} ${checkpointId}: ${reason}`, { cause })
    const haveSourcesEnded = kind === 'stop-drain' && pending.stage !== 'starting'
    void this.#discard(pending, error)
    if (this.#isClosed) return
    this.#broadcast({ type: 'checkpointAborted', checkpointId })
    const { settings, fail } = this.#options
    // No later checkpoint can be complete: nothing is written any more.
    const isHung = codeOf(cause) === 'MR_FILE_SYSTEM_TIMEOUT'
    const isBeyondTolerance = pending.request === undefined && ++this.#failuresInRow > settings.tolerableFailures
    if (isHung || isBeyondTolerance || haveSourcesEnded) {
      this.#hasFailed = true
      fail(isHung ? (cause as MillraceError) : error)
    } else this.tick()
  }

  #discard(pending: Pending, error: MillraceError): Promise<void> {
    pending.record.failure = error.message
    const { request, barrier } = pending
    this.#discarded = [...this.#discarded.slice(1 - discardedMax), barrier.checkpointId]
    this.#over(pending, 'failed', undefined)
    request?.reject(error)
    return this.#withStore(() => this.#options.store.abort(barrier.checkpointId)).catch(() => undefined)
  }

  #over(pending: Pending, status: 'completed' | 'failed', path: string | undefined): void {
    const { settings } = this.#options
    const { checkpointId, kind } = pending.barrier
    const nowMs = this.#nowMs()
    pending.stage = 'over'
    pending.record.path = path
    this.history.end(pending.record, status, nowMs - pending.startedMs)
    this.#pending.delete(checkpointId)
    this.#earliestPeriodicMs = nowMs + settings.minPauseMs
    if (status === 'failed' && kind === 'final') this.#earliestFinalMs = nowMs + settings.intervalMs
    if (path !== undefined && pending.request !== undefined) {
      const { request } = pending
      if (isTerminal(kind)) this.#resolveAtEnd = { request, result: { checkpointId, path } }
      else request.resolve({ checkpointId, path })
    }
    this.#graves.checkpointOver(checkpointId)
    this.#tendGraves()
  }

  #confirm(report: CheckpointReport & { readonly type: 'checkpointCommitted' }): void {
    const key = subtaskKeyOf(report)
    this.#confirmed.set(key, Math.max(this.#confirmed.get(key) ?? 0, report.checkpointId))
    this.#tendGraves()
    if (this.#terminal === undefined || this.#hasEnded || this.#confirmedId() < this.#terminal.id) return
    this.#hasEnded = true
    this.#resolveAtEnd?.request.resolve(this.#resolveAtEnd.result)
    this.#options.end(this.#terminal.kind)
  }

  /** The newest checkpoint that every subtask has confirmed. */
  #confirmedId(): number {
    return Math.min(...this.#subtasks.map((subtask) => this.#confirmed.get(subtaskKeyOf(subtask)) ?? 0))
  }

  #tendGraves(): void {
    if (this.#isClosed) return
    const ripe = this.#graves.takeRipe(
      () => this.#confirmedId(),
      () => this.#pending.keys(),
    )
    if (ripe.length > 0) void this.#withStore(() => this.#options.store.removeShared(ripe)).catch(() => undefined)
  }

  /** Calls of the store, one after the other. */
  #withStore<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#storeTail.then(call)
    this.#storeTail = result.then(
      () => undefined,
      () => undefined,
    )
    void this.#storeTail.then(() => this.tick())
    return result
  }

  #broadcast(command: CheckpointCommand): void {
    for (const subtask of this.#subtasks) this.#options.send(subtask, command)
  }

  #nameOf({ vertexIndex, subtaskIndex }: SubtaskAddress): string {
    return `${this.#options.plan.vertices[vertexIndex]?.name ?? vertexIndex}[${subtaskIndex}]`
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }
}

const discardedMax = 64
const errorText = (error: unknown): string => asMillraceError(error, 'MR_CHECKPOINT_FAILED').message
