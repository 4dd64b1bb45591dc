/**
 * The loop of a slot: turns its tasks, flushes partial batches, gives the event loop its turns, and sleeps in a bounded
 * wait when nothing moves. Hot per step; one per slot thread (or in the caller's thread in local mode).
 *
 * Invariants
 * 1. A wait is bounded: a lost wake-up costs `sleepMsMax`, never the job.
 * 2. The thread blocks only where no asynchronous work is under way; otherwise it waits in the event loop.
 * 3. Partial batches leave before a slot sleeps, and at the latest after the buffer time-out of their edge.
 * 4. A task that throws is not stepped again; the others go on. What follows is decided between passes.
 */
import type { Clock } from '../common/clock.ts'
import { MillraceError } from '../common/errors.ts'
import { Progress } from '../common/progress.ts'
import type { Timers } from '../common/timers.ts'
import { taskMetric } from '../metrics/shared-metrics.ts'
import { attributeFailure } from './failure.ts'
import type { AsyncHolds } from './async-holds.ts'
import type { Task } from './task.ts'

/** How a slot sleeps until a peer or the coordinator rings. */
export interface SlotDoorbell {
  /** Announces that the slot is about to sleep; work that came before must be looked for once more after this. */
  prepareSleep(): void
  cancelSleep(): void
  /** True where the bell has rung since `prepareSleep`. */
  isRung(): boolean
  /** Blocks the thread. */
  sleep(timeoutMs: number): void
  /** Waits while the event loop turns. */
  sleepAsync(timeoutMs: number): Promise<void>
}

/** Decides, in place of the loop, when which task steps: the simulator. The loop of a real slot has none. */
export interface SlotSchedule {
  /** The tasks of the next pass, each once. */
  order(taskCount: number): readonly number[]
  /** Resolves when the slot may go on by one step; rejects with what a step shall fail with. */
  turn(): Promise<void>
  /** What a task's step came to, for reading a schedule. */
  stepped(task: Task, progress: Progress): void
  /** Resolves when the bell has rung, if nothing else wakes the slot before. */
  sleep(isRung: () => boolean): Promise<void>
  /** The longest sleep, in place of the loop's own: so long that a wake-up which does not come is noticed. */
  readonly sleepMsMax: number
  /** True once the slot's thread is no more: nothing is closed then. */
  isDead(): boolean
}

export interface SlotLoopOptions {
  readonly clock: Clock
  readonly timers: Timers
  readonly doorbell: SlotDoorbell
  /** Local mode: the thread belongs to the caller and is never blocked. */
  readonly mayBlock: boolean
  readonly schedule?: SlotSchedule | undefined
  isCancelRequested(): boolean
  onTaskEnded(task: Task): void
  /** Several times a second, after metrics were published. */
  onMetrics?(nowMs: number): void
  /** As often; throws where the slot must not go on. */
  checkHeap?: (() => void) | undefined
  onTaskFailed(task: Task, error: unknown): void
  /** Handles commands of the coordinator, and tasks that have failed; called between passes. */
  takeCommands(): void
  /** Asked where every task is done: false where others may come. */
  mayEnd(): boolean
}

const sleepMsMax = 100
const turnIntervalMs = 2
const idlePassesBeforeSleep = 40
const metricsIntervalMs = 50
const localTurnIntervalMs = 8

const TaskState = { Working: 0, Idle: 1, Blocked: 2, Ended: 3, Failed: 4 } as const

/** A task in the loop. */
interface Entry {
  readonly task: Task
  state: number
  /** Since when it is in that state. */
  sinceMs: number
  /** Taken out of the loop while a pass was under way. */
  isRemoved: boolean
}

export class SlotLoop {
  readonly #holds: AsyncHolds
  readonly #options: SlotLoopOptions
  #entries: readonly Entry[] = []
  /** Of all outputs of all tasks. */
  #bufferTimeoutMsMin = Number.POSITIVE_INFINITY
  #lastFlushMs = 0
  #lastTurnMs = 0
  #lastMetricsMs = 0

  constructor(holds: AsyncHolds, options: SlotLoopOptions) {
    this.#holds = holds
    this.#options = options
  }

  /** Not from within a step. */
  add(tasks: readonly Task[]): void {
    const sinceMs = this.#options.clock.monotonicMs()
    const added = tasks.map((task): Entry => ({ task, state: TaskState.Working, sinceMs, isRemoved: false }))
    this.#setEntries([...this.#entries, ...added])
  }

  /** Not from within a step. */
  remove(tasks: readonly Task[]): void {
    for (const entry of this.#entries) if (tasks.includes(entry.task)) entry.isRemoved = true
    this.#setEntries(this.#entries.filter(({ isRemoved }) => !isRemoved))
  }

  #setEntries(entries: readonly Entry[]): void {
    const timeoutsMs = entries.map(({ task }) => task.bufferTimeouts.shortestMs)
    this.#entries = entries
    this.#bufferTimeoutMsMin = Math.min(Number.POSITIVE_INFINITY, ...timeoutsMs)
  }

  /** Runs until every task is done and no more may come. Throws MR_JOB_CANCELED, and what `checkHeap` throws. */
  async run(): Promise<void> {
    const options = this.#options
    let idlePasses = 0
    for (;;) {
      const outcome = options.schedule === undefined ? this.#pass() : await this.#passBy(options.schedule)
      if (options.isCancelRequested()) throw new MillraceError('MR_JOB_CANCELED', 'the job was cancelled')
      options.takeCommands()
      const nowMs = options.clock.monotonicMs()
      if (nowMs - this.#lastMetricsMs >= metricsIntervalMs) {
        options.checkHeap?.()
        this.#publishMetrics(nowMs)
      }
      if (outcome === Progress.Done) break
      if (outcome === Progress.Working) {
        idlePasses = 0
        this.#flushAfterTimeout(nowMs)
        if (this.#isTurnDue(nowMs)) await this.#turnEventLoop()
        continue
      }
      if (this.#flushAll(nowMs)) continue
      if (++idlePasses < idlePassesBeforeSleep && this.#holds.count === 0 && options.mayBlock) continue
      await this.#sleep()
    }
    this.#publishMetrics(options.clock.monotonicMs())
  }

  /** Steps every task once. */
  #pass(): Progress {
    const entries = this.#entries
    let hasWorked = false
    let isAlive = false
    for (let i = 0; i < entries.length; i++) {
      const progress = this.#step(entries[i]!)
      if (progress === Progress.Done) continue
      isAlive = true
      if (progress === Progress.Working) hasWorked = true
    }
    return this.#outcome(isAlive, hasWorked)
  }

  async #passBy(schedule: SlotSchedule): Promise<Progress> {
    const entries = this.#entries
    let hasWorked = false
    let isAlive = false
    for (const i of schedule.order(entries.length)) {
      const entry = entries[i]!
      let progress: Progress
      try {
        await schedule.turn()
        progress = this.#step(entry)
      } catch (error) {
        const { vertex, subtask } = entry.task
        progress = this.#failed(entry, attributeFailure(error, { operator: vertex.name, subtask }))
      }
      schedule.stepped(entry.task, progress)
      if (progress === Progress.Done) continue
      isAlive = true
      if (progress === Progress.Working) hasWorked = true
    }
    return this.#outcome(isAlive, hasWorked)
  }

  #outcome(isAlive: boolean, hasWorked: boolean): Progress {
    if (hasWorked) return Progress.Working
    return isAlive || !this.#options.mayEnd() ? Progress.Idle : Progress.Done
  }

  #step(entry: Entry): Progress {
    if (entry.state === TaskState.Failed || entry.isRemoved) return Progress.Done
    let progress: Progress
    try {
      progress = entry.task.step()
    } catch (error) {
      return this.#failed(entry, error)
    }
    if (progress === Progress.Done) {
      if (entry.state !== TaskState.Ended) {
        this.#changeState(entry, TaskState.Ended)
        this.#options.onTaskEnded(entry.task)
      }
      return progress
    }
    const state =
      progress === Progress.Working
        ? TaskState.Working
        : progress === Progress.Idle
          ? TaskState.Idle
          : TaskState.Blocked
    if (state !== entry.state) this.#changeState(entry, state)
    return progress
  }

  /** Answers Working: the failure is to be handled before the slot sleeps. */
  #failed(entry: Entry, error: unknown): Progress {
    if (entry.state === TaskState.Failed || entry.isRemoved) return Progress.Done
    entry.state = TaskState.Failed
    this.#options.onTaskFailed(entry.task, error)
    return Progress.Working
  }

  #changeState(entry: Entry, state: number): void {
    this.#chargeTime(entry, this.#options.clock.monotonicMs())
    entry.state = state
  }

  #chargeTime(entry: Entry, nowMs: number): void {
    const { cells } = entry.task.metrics
    if (entry.state >= TaskState.Ended) return
    const cell =
      entry.state === TaskState.Working
        ? taskMetric.busyTimeMs
        : entry.state === TaskState.Idle
          ? taskMetric.idleTimeMs
          : taskMetric.backPressuredTimeMs
    cells[cell]! += nowMs - entry.sinceMs
    entry.sinceMs = nowMs
  }

  #publishMetrics(nowMs: number): void {
    this.#lastMetricsMs = nowMs
    this.#options.onMetrics?.(nowMs)
    this.#forEach((entry) => {
      this.#chargeTime(entry, nowMs)
      entry.task.publishMetrics()
      return false
    })
  }

  #flushAfterTimeout(nowMs: number): void {
    if (nowMs - this.#lastFlushMs < this.#bufferTimeoutMsMin) return
    this.#lastFlushMs = nowMs
    this.#forEach(({ task }) => {
      task.bufferTimeouts.flush(nowMs)
      return false
    })
  }

  #flushAll(nowMs: number): boolean {
    this.#lastFlushMs = nowMs
    return this.#forEach(({ task }) => task.flush())
  }

  /** Every task that has not failed. Answers whether any answered true, or failed. */
  #forEach(act: (entry: Entry) => boolean): boolean {
    let found = false
    for (const entry of this.#entries) {
      if (entry.state === TaskState.Failed) continue
      try {
        if (act(entry)) found = true
      } catch (error) {
        found = true
        this.#failed(entry, error)
      }
    }
    return found
  }

  #isTurnDue(nowMs: number): boolean {
    if (!this.#options.mayBlock) return nowMs - this.#lastTurnMs >= localTurnIntervalMs || this.#holds.count > 0
    return this.#holds.count > 0 && nowMs - this.#lastTurnMs >= turnIntervalMs
  }

  async #turnEventLoop(): Promise<void> {
    await this.#options.timers.turn()
    this.#lastTurnMs = this.#options.clock.monotonicMs()
  }

  async #sleep(): Promise<void> {
    const { doorbell, mayBlock, schedule } = this.#options
    doorbell.prepareSleep()
    this.#holds.prepareWait()
    // A peer may have published between the last pass and the announcement: look once more. (It may also be all over.)
    if ((schedule === undefined ? this.#pass() : await this.#passBy(schedule)) !== Progress.Idle) {
      doorbell.cancelSleep()
      return
    }
    const timeoutMs = this.#sleepTimeoutMs()
    if (timeoutMs > 0 && mayBlock && this.#holds.count === 0) doorbell.sleep(timeoutMs)
    else await this.#sleepInEventLoop(timeoutMs)
    doorbell.cancelSleep()
  }

  async #sleepInEventLoop(timeoutMs: number): Promise<void> {
    // waitAsync alone does not keep the event loop alive, and I/O comes between: one turn first.
    const { timers, doorbell, clock, schedule } = this.#options
    const woken = this.#holds.nextWake()
    let cancel = (): void => {}
    const timeout = new Promise<void>((resolve) => (cancel = timers.after(timeoutMs, resolve)))
    await Promise.race([woken, timeout, schedule?.sleep(() => doorbell.isRung()) ?? doorbell.sleepAsync(timeoutMs + 1)])
    cancel()
    this.#lastTurnMs = clock.monotonicMs()
  }

  #sleepTimeoutMs(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { task } of this.#entries) next = Math.min(next, task.nextProcessingTimeMs())
    return Math.max(0, Math.min(this.#options.schedule?.sleepMsMax ?? sleepMsMax, next - this.#options.clock.nowMs()))
  }
}
