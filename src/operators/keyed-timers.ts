/**
 * Timers of one keyed operator, on the heap of its task: once per (key, namespace, time), fired in order of time.
 *
 * Invariants
 * 1. A timer fires with its key current, at most once, and only while it is registered: deletion inside a callback
 *    counts, and so does registration of a time that has been reached already (it fires in the same round).
 * 2. Firing pauses where the output is full and goes on with the next call; the watermark is the new one meanwhile.
 * 3. Snapshots list every timer; a restore takes those whose key group belongs to the subtask.
 */
import { minWatermark } from '../common/limits.ts'
import { Progress } from '../common/progress.ts'
import { keyGroupOf } from '../data/key-groups.ts'
import type { KeyedStateBackend, ListState, Namespace } from '../state/keyed-state-backend.ts'
import type { InternalTimers } from './internal-timers.ts'
import type { OperatorContext, Output } from './operator.ts'
import { requireKeyedState } from './runtime-context.ts'

export interface TimerTarget {
  onEventTime(namespace: Namespace, timeMs: number): void
  onProcessingTime(namespace: Namespace, timeMs: number): void
}

interface StoredTimer {
  readonly isEventTime: boolean
  readonly key: unknown
  readonly namespace: Namespace
  readonly timeMs: number
}

export class KeyedTimers implements InternalTimers {
  readonly #context: OperatorContext
  readonly #output: Output<never>
  readonly #backend: KeyedStateBackend
  readonly #target: TimerTarget
  readonly #name: string
  readonly #eventTime = new TimerQueue()
  readonly #processingTime = new TimerQueue()
  #stored!: ListState<StoredTimer>
  #watermarkMs = minWatermark

  constructor(context: OperatorContext, output: Output<never>, name: string, target: TimerTarget) {
    this.#context = context
    this.#output = output
    this.#backend = requireKeyedState(context)
    this.#name = name
    this.#target = target
  }

  /** To be called in the operator's `open`. */
  open(): void {
    this.#stored = this.#context.operatorState.unionListState(this.#name)
    const { maxParallelism, keyGroupRange } = this.#backend
    for (const { isEventTime, key, namespace, timeMs } of this.#stored.get()) {
      const group = keyGroupOf(key, maxParallelism)
      if (group < keyGroupRange.first || group > keyGroupRange.last) continue
      this.#queue(isEventTime).add(key, namespace, timeMs)
    }
    this.#stored.clear()
  }

  /** To be called in the operator's `snapshotState`. */
  snapshot(): void {
    const timers = [true, false].flatMap((isEventTime) =>
      [...this.#queue(isEventTime).all()].map((timer) => ({ isEventTime, ...timer })),
    )
    this.#stored.update(timers)
  }

  registerEventTimeTimer(namespace: Namespace, timeMs: number): void {
    this.#eventTime.add(this.#backend.currentKey(), namespace, timeMs)
  }

  deleteEventTimeTimer(namespace: Namespace, timeMs: number): void {
    this.#eventTime.delete(this.#backend.currentKey(), namespace, timeMs)
  }

  registerProcessingTimeTimer(namespace: Namespace, timeMs: number): void {
    this.#processingTime.add(this.#backend.currentKey(), namespace, timeMs)
  }

  deleteProcessingTimeTimer(namespace: Namespace, timeMs: number): void {
    this.#processingTime.delete(this.#backend.currentKey(), namespace, timeMs)
  }

  currentWatermarkMs(): number {
    return this.#watermarkMs
  }

  advanceWatermark(timestampMs: number): Progress {
    if (timestampMs > this.#watermarkMs) this.#watermarkMs = timestampMs
    return this.#fire(this.#eventTime, timestampMs, (timer) => this.#target.onEventTime(timer.namespace, timer.timeMs))
  }

  nextProcessingTimeMs(): number {
    return this.#processingTime.nextTimeMs()
  }

  advanceProcessingTime(nowMs: number): Progress {
    return this.#fire(this.#processingTime, nowMs, (timer) =>
      this.#target.onProcessingTime(timer.namespace, timer.timeMs),
    )
  }

  #fire(queue: TimerQueue, untilMs: number, call: (timer: Timer) => void): Progress {
    while (queue.isDue(untilMs)) {
      if (this.#output.isFull()) return Progress.Blocked
      const timer = queue.pop()!
      this.#backend.setCurrentKey(timer.key)
      call(timer)
    }
    return Progress.Done
  }

  #queue(isEventTime: boolean): TimerQueue {
    return isEventTime ? this.#eventTime : this.#processingTime
  }
}

interface Timer {
  readonly key: unknown
  readonly namespace: Namespace
  readonly timeMs: number
  readonly sequence: number
  isDeleted: boolean
}

/** Binary heap by time, then by order of registration; deletion leaves a tombstone. */
class TimerQueue {
  readonly #heap: Timer[] = []
  readonly #known = new Map<string, Timer>()
  #sequence = 0

  add(key: unknown, namespace: Namespace, timeMs: number): void {
    const id = idOf(key, namespace, timeMs)
    if (this.#known.has(id)) return
    const timer = { key, namespace, timeMs, sequence: this.#sequence++, isDeleted: false }
    this.#known.set(id, timer)
    this.#heap.push(timer)
    this.#siftUp(this.#heap.length - 1)
  }

  delete(key: unknown, namespace: Namespace, timeMs: number): void {
    const id = idOf(key, namespace, timeMs)
    const timer = this.#known.get(id)
    if (timer === undefined) return
    timer.isDeleted = true
    this.#known.delete(id)
  }

  isDue(untilMs: number): boolean {
    return this.nextTimeMs() <= untilMs && this.#heap.length > 0
  }

  nextTimeMs(): number {
    while (this.#heap.length > 0 && this.#heap[0]!.isDeleted) this.#removeTop()
    return this.#heap.length === 0 ? Number.POSITIVE_INFINITY : this.#heap[0]!.timeMs
  }

  pop(): Timer | undefined {
    this.nextTimeMs()
    const top = this.#heap[0]
    if (top === undefined) return undefined
    this.#known.delete(idOf(top.key, top.namespace, top.timeMs))
    this.#removeTop()
    return top
  }

  *all(): Generator<{ key: unknown; namespace: Namespace; timeMs: number }> {
    for (const { key, namespace, timeMs } of this.#known.values()) yield { key, namespace, timeMs }
  }

  #removeTop(): void {
    const last = this.#heap.pop()!
    if (this.#heap.length === 0) return
    this.#heap[0] = last
    this.#siftDown()
  }

  #siftUp(start: number): void {
    const heap = this.#heap
    const timer = heap[start]!
    let at = start
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(timer, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = timer
  }

  #siftDown(): void {
    const heap = this.#heap
    const timer = heap[0]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, timer)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = timer
  }
}

function isBefore(left: Timer, right: Timer): boolean {
  return left.timeMs < right.timeMs || (left.timeMs === right.timeMs && left.sequence < right.sequence)
}

function idOf(key: unknown, namespace: Namespace, timeMs: number): string {
  const keyText = typeof key === 'object' ? JSON.stringify(key) : String(key)
  return `${typeof key} ${timeMs} ${typeof namespace} ${namespace} ${keyText}`
}
