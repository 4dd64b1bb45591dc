/**
 * The timers of one keyed operator: event time and processing time, by (key, namespace, time), kept in the snapshots of
 * the operator's state backend and moved with their key groups.
 *
 * Invariants
 * 1. A timer is registered at most once per (key, namespace, time) and domain, and fires at most once, in order of time,
 *    with its key and namespace current.
 * 2. Firing pauses where the output is full (Progress.Blocked) and goes on with the next call.
 * 3. A callback may register and delete timers; one that is due already fires in the same call.
 */
import { MillraceError } from '../common/errors.ts'
import { minWatermark } from '../common/limits.ts'
import { Progress } from '../common/progress.ts'
import { hashKey } from '../data/key-groups.ts'
import { noKey } from '../state/key-context.ts'
import { type KeyedStateBackend, type Namespace, touchedStateBytesMin } from '../state/keyed-state-backend.ts'
import { TimerQueue } from './timer-queue.ts'
import { timerSnapshotPart } from './timer-snapshot.ts'

/** What fires. The key and namespace are current. */
export interface TimerTarget {
  onEventTime(namespace: Namespace, timeMs: number): void
  onProcessingTime(namespace: Namespace, timeMs: number): void
}

export interface TimerServiceOptions {
  readonly backend: KeyedStateBackend
  /** Unique within the operator; names the timers in snapshots. */
  readonly name: string
  readonly target: TimerTarget
  /** True where firing shall pause: `() => output.isFull()`. */
  readonly isFull: () => boolean
}

/** Timers whose keys are looked up in one go, so that the memory (or the disk) answers for many at the same time. */
const timersAhead = 128
/** Fewer are not worth it. */
const timersAheadMin = 8

export class TimerService {
  readonly #backend: KeyedStateBackend
  readonly #target: TimerTarget
  readonly #isFull: () => boolean
  readonly #firstGroup: number
  readonly #lastGroup: number
  readonly #maxParallelism: number
  readonly #eventTime: TimerQueue
  readonly #processingTime: TimerQueue
  readonly #dueKeys: unknown[] = Array.from({ length: timersAhead })
  #watermarkMs = minWatermark

  /** Restored timers are there at once if the backend has been restored; otherwise when it is. */
  constructor(options: TimerServiceOptions) {
    const { backend } = options
    this.#backend = backend
    this.#target = options.target
    this.#isFull = options.isFull
    this.#firstGroup = backend.keyGroupRange.first
    this.#lastGroup = backend.keyGroupRange.last
    this.#maxParallelism = backend.maxParallelism
    const charge = (bytes: number): void => backend.chargeOther(bytes)
    this.#eventTime = new TimerQueue(charge)
    this.#processingTime = new TimerQueue(charge)
    const part = timerSnapshotPart(this.#eventTime, this.#processingTime, backend.keyGroupRange, backend.maxParallelism)
    backend.addSnapshotPart(`timers-${options.name}`, part)
  }

  /** Throws MR_STATE_NO_KEY, MR_STATE_KEY_GROUP, MR_TIME_INVALID. */
  registerEventTimeTimer(namespace: Namespace, timeMs: number): void {
    this.#register(this.#eventTime, namespace, timeMs)
  }

  deleteEventTimeTimer(namespace: Namespace, timeMs: number): void {
    this.#delete(this.#eventTime, namespace, timeMs)
  }

  registerProcessingTimeTimer(namespace: Namespace, timeMs: number): void {
    this.#register(this.#processingTime, namespace, timeMs)
  }

  deleteProcessingTimeTimer(namespace: Namespace, timeMs: number): void {
    this.#delete(this.#processingTime, namespace, timeMs)
  }

  /** Event time that the operator has reached; the new one while timers fire because of it. */
  currentWatermarkMs(): number {
    return this.#watermarkMs
  }

  eventTimeTimerCount(): number {
    return this.#eventTime.size
  }

  processingTimeTimerCount(): number {
    return this.#processingTime.size
  }

  /** Fires event-time timers up to and including `timestampMs`. Resumable. */
  advanceWatermark(timestampMs: number): Progress {
    if (timestampMs > this.#watermarkMs) this.#watermarkMs = timestampMs
    const queue = this.#eventTime
    const target = this.#target
    if (queue.isEmpty) return Progress.Done
    let readyCount = 0
    while (!this.#isFull()) {
      if (readyCount-- === 0) readyCount = this.#readAhead(queue, timestampMs)
      if (!queue.pop(timestampMs)) return Progress.Done
      this.#backend.setCurrentKey(queue.poppedKey)
      const namespace = queue.poppedNamespace
      this.#backend.setCurrentNamespace(namespace)
      target.onEventTime(namespace, queue.poppedMs)
    }
    return queue.nextMs() <= timestampMs ? Progress.Blocked : Progress.Done
  }

  /** Earliest processing-time timer, `Infinity` where there is none. */
  nextProcessingTimeMs(): number {
    return this.#processingTime.nextMs()
  }

  /** Fires processing-time timers up to and including `nowMs`. Resumable. */
  advanceProcessingTime(nowMs: number): Progress {
    const queue = this.#processingTime
    const target = this.#target
    if (queue.isEmpty) return Progress.Done
    while (!this.#isFull()) {
      if (!queue.pop(nowMs)) return Progress.Done
      this.#backend.setCurrentKey(queue.poppedKey)
      const namespace = queue.poppedNamespace
      this.#backend.setCurrentNamespace(namespace)
      target.onProcessingTime(namespace, queue.poppedMs)
    }
    return queue.nextMs() <= nowMs ? Progress.Blocked : Progress.Done
  }

  /** What the next timers find in state was last looked at long ago. Answers after how many to come again. */
  #readAhead(queue: TimerQueue, untilMs: number): number {
    const backend = this.#backend
    const isOnDisk = backend.wantsPrefetch === true
    const isLarge = backend.touchKeys !== undefined && backend.touchableBytes!() >= touchedStateBytesMin
    if (!isOnDisk && !isLarge) return timersAhead
    const keys = this.#dueKeys
    const count = queue.dueKeys(untilMs, keys)
    if (count < timersAheadMin) return timersAheadMin
    backend.setCurrentNamespace(queue.dueNamespace)
    if (isOnDisk) backend.prefetch!(keys, count)
    else backend.touchKeys!(keys, count)
    return count - 1
  }

  #register(queue: TimerQueue, namespace: Namespace, timeMs: number): void {
    const key = this.#backend.currentKey()
    if (key === undefined) throw noKey(undefined)
    if (timeMs !== timeMs) {
      throw new MillraceError('MR_TIME_INVALID', 'a timer needs a time in milliseconds since the epoch, got NaN')
    }
    const keyHash = hashKey(key)
    const group = (keyHash >>> 0) % this.#maxParallelism
    if (group < this.#firstGroup || group > this.#lastGroup) this.#backend.currentKeyGroup()
    queue.add(key, namespace, timeMs, keyHash)
  }

  #delete(queue: TimerQueue, namespace: Namespace, timeMs: number): void {
    const key = this.#backend.currentKey()
    if (key === undefined) throw noKey(undefined)
    if (!queue.isEmpty) queue.delete(key, namespace, timeMs, hashKey(key))
  }
}
