/**
 * The loop of a slot: turns its tasks, flushes partial batches, gives the event loop its turns, and sleeps in a bounded
 * wait when nothing moves. Hot per step; one per slot thread (or in the caller's thread in local mode).
 *
 * Invariants
 * 1. A wait is bounded: a lost wake-up costs `sleepMsMax`, never the job.
 * 2. The thread blocks only where no asynchronous work is under way; otherwise it waits in the event loop.
 * 3. Partial batches leave before a slot sleeps, and at the latest after the buffer time-out of their edge.
 */
import type { Clock } from '../common/clock.ts'
import { MillraceError } from '../common/errors.ts'
import { Progress } from '../common/progress.ts'
import type { Timers } from '../common/timers.ts'
import { taskMetric } from '../metrics/shared-metrics.ts'
import { attributeFailure } from './failure.ts'
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
  /** Resolves when the bell has rung, if nothing else wakes the slot before. */
  sleep(isRung: () => boolean): Promise<void>
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
  /** Handles commands of the coordinator; called between passes. */
  takeCommands(): void
}

const sleepMsMax = 100
const turnIntervalMs = 2
const idlePassesBeforeSleep = 40
const metricsIntervalMs = 50
const localTurnIntervalMs = 8

const TaskState = { Working: 0, Idle: 1, Blocked: 2, Ended: 3 } as const

/** Counts asynchronous work under way in a slot, and wakes its loop. */
export class AsyncHolds {
  #count = 0
  #wake: (() => void) | undefined

  hold(): { release(): void } {
    this.#count++
    let isHeld = true
    return {
      release: () => {
        if (!isHeld) return
        isHeld = false
        this.#count--
        this.wake()
      },
    }
  }

  get count(): number {
    return this.#count
  }

  /** Ends a wait in the event loop early. */
  wake(): void {
    this.#wake?.()
  }

  /** Resolves when `wake` is called. */
  nextWake(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
    })
  }
}

export class SlotLoop {
  readonly #tasks: readonly Task[]
  readonly #holds: AsyncHolds
  readonly #options: SlotLoopOptions
  readonly #states: Int8Array
  readonly #sinceMs: Float64Array
  /** Of all outputs of all tasks. */
  readonly #bufferTimeoutMsMin: number
  #lastFlushMs = 0
  #lastTurnMs = 0
  #lastMetricsMs = 0

  constructor(tasks: readonly Task[], holds: AsyncHolds, options: SlotLoopOptions) {
    this.#tasks = tasks
    this.#holds = holds
    this.#options = options
    this.#bufferTimeoutMsMin = Math.min(
      Number.POSITIVE_INFINITY,
      ...tasks.map((task) => task.bufferTimeouts.shortestMs),
    )
    this.#states = new Int8Array(tasks.length)
    this.#sinceMs = new Float64Array(tasks.length)
  }

  /** Runs until every task is done. Throws what a task throws, and MR_JOB_CANCELED. */
  async run(): Promise<void> {
    const options = this.#options
    this.#sinceMs.fill(options.clock.monotonicMs())
    let idlePasses = 0
    for (;;) {
      const outcome = options.schedule === undefined ? this.#pass() : await this.#passBy(options.schedule)
      if (options.isCancelRequested()) throw new MillraceError('MR_JOB_CANCELED', 'the job was cancelled')
      options.takeCommands()
      const nowMs = options.clock.monotonicMs()
      if (nowMs - this.#lastMetricsMs >= metricsIntervalMs) this.#publishMetrics(nowMs)
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
    const tasks = this.#tasks
    let hasWorked = false
    let isAlive = false
    for (let i = 0; i < tasks.length; i++) {
      const progress = this.#step(i)
      if (progress === Progress.Done) continue
      isAlive = true
      if (progress === Progress.Working) hasWorked = true
    }
    return isAlive ? (hasWorked ? Progress.Working : Progress.Idle) : Progress.Done
  }

  async #passBy(schedule: SlotSchedule): Promise<Progress> {
    let hasWorked = false
    let isAlive = false
    for (const i of schedule.order(this.#tasks.length)) {
      try {
        await schedule.turn()
      } catch (error) {
        const { vertex, subtask } = this.#tasks[i]!
        throw attributeFailure(error, { operator: vertex.name, subtask })
      }
      const progress = this.#step(i)
      if (progress === Progress.Done) continue
      isAlive = true
      if (progress === Progress.Working) hasWorked = true
    }
    return isAlive ? (hasWorked ? Progress.Working : Progress.Idle) : Progress.Done
  }

  #step(i: number): Progress {
    const task = this.#tasks[i]!
    const progress = task.step()
    if (progress === Progress.Done) {
      if (this.#states[i] !== TaskState.Ended) {
        this.#changeState(i, TaskState.Ended)
        this.#options.onTaskEnded(task)
      }
      return progress
    }
    const state =
      progress === Progress.Working
        ? TaskState.Working
        : progress === Progress.Idle
          ? TaskState.Idle
          : TaskState.Blocked
    if (state !== this.#states[i]) this.#changeState(i, state)
    return progress
  }

  #changeState(task: number, state: number): void {
    const nowMs = this.#options.clock.monotonicMs()
    this.#chargeTime(task, nowMs)
    this.#states[task] = state
  }

  #chargeTime(task: number, nowMs: number): void {
    const { cells } = this.#tasks[task]!.metrics
    if (this.#states[task] === TaskState.Ended) return
    const cell =
      this.#states[task] === TaskState.Working
        ? taskMetric.busyTimeMs
        : this.#states[task] === TaskState.Idle
          ? taskMetric.idleTimeMs
          : taskMetric.backPressuredTimeMs
    cells[cell]! += nowMs - this.#sinceMs[task]!
    this.#sinceMs[task] = nowMs
  }

  #publishMetrics(nowMs: number): void {
    this.#lastMetricsMs = nowMs
    for (let i = 0; i < this.#tasks.length; i++) {
      this.#chargeTime(i, nowMs)
      this.#tasks[i]!.publishMetrics()
    }
  }

  #flushAfterTimeout(nowMs: number): void {
    if (nowMs - this.#lastFlushMs < this.#bufferTimeoutMsMin) return
    this.#lastFlushMs = nowMs
    for (const task of this.#tasks) task.bufferTimeouts.flush(nowMs)
  }

  #flushAll(nowMs: number): boolean {
    this.#lastFlushMs = nowMs
    let flushed = false
    for (const task of this.#tasks) if (task.flush()) flushed = true
    return flushed
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
    for (const task of this.#tasks) next = Math.min(next, task.nextProcessingTimeMs())
    return Math.max(0, Math.min(sleepMsMax, next - this.#options.clock.nowMs()))
  }
}
