/** What keyed process functions see: the key, timers, and what stream processing contexts have. */
import { noTimestamp } from '../common/limits.ts'
import type { Progress } from '../common/progress.ts'
import type { KeyedStateBackend, Namespace } from '../state/keyed-state-backend.ts'
import type { TimerService as Timers } from '../time/timer-service.ts'
import type { OperatorContext, Output } from './operator.ts'
import type { OutputTag } from './output-tag.ts'
import type { Collector, ProcessContext, TimerService } from './process-context.ts'
import { requireKeyedState } from './runtime-context.ts'
import { createTimers } from './timers.ts'
import { userFunctionError } from './user-function-error.ts'

/** What a keyed process function sees beside the record. */
export interface KeyedProcessContext<Key> extends ProcessContext {
  getCurrentKey(): Key
  timerService(): TimerService
}

/** Which clock: that of the records, or that of the machine. */
export type TimeDomain = 'event-time' | 'processing-time'

/** What `onTimer` sees. */
export interface OnTimerContext<Key> extends KeyedProcessContext<Key> {
  /** Which clock made the timer fire. */
  timeDomain(): TimeDomain
}

export type OnTimer<Key, Out> = (timeMs: number, context: OnTimerContext<Key>, out: Collector<Out>) => void

/** One object per operator; it is the context of every call, and drives the timers. */
export class KeyedContext<Key, Out> implements OnTimerContext<Key>, TimerService {
  readonly #context: OperatorContext
  readonly #output: Output<Out>
  readonly #backend: KeyedStateBackend
  readonly #timers: Timers
  #onTimer: OnTimer<Key, Out> | undefined
  #timeDomain: TimeDomain = 'event-time'

  constructor(context: OperatorContext, output: Output<Out>, onTimer: OnTimer<Key, Out> | undefined) {
    this.#context = context
    this.#output = output
    this.#backend = requireKeyedState(context)
    this.#onTimer = onTimer
    this.#timers = createTimers(context, output, 'user', this)
  }

  advanceWatermark(timestampMs: number): Progress {
    return this.#timers.advanceWatermark(timestampMs)
  }

  nextProcessingTimeMs(): number {
    return this.#timers.nextProcessingTimeMs()
  }

  advanceProcessingTime(nowMs: number): Progress {
    return this.#timers.advanceProcessingTime(nowMs)
  }

  onEventTime(_: Namespace, timeMs: number): void {
    this.#fire('event-time', timeMs, timeMs)
  }

  onProcessingTime(_: Namespace, timeMs: number): void {
    this.#fire('processing-time', timeMs, noTimestamp)
  }

  timestamp(): number | undefined {
    const { timestampMs } = this.#context.record
    return timestampMs === noTimestamp ? undefined : timestampMs
  }

  currentProcessingTime(): number {
    return this.#context.clock.nowMs()
  }

  currentWatermark(): number {
    return this.#timers.currentWatermarkMs()
  }

  output<S>(tag: OutputTag<S>, value: S): void {
    this.#output.collectSide(tag, value)
  }

  getCurrentKey(): Key {
    return this.#backend.currentKey() as Key
  }

  timerService(): TimerService {
    return this
  }

  timeDomain(): TimeDomain {
    return this.#timeDomain
  }

  registerEventTimeTimer(timeMs: number): void {
    this.#timers.registerEventTimeTimer(0, timeMs)
  }

  registerProcessingTimeTimer(timeMs: number): void {
    this.#timers.registerProcessingTimeTimer(0, timeMs)
  }

  deleteEventTimeTimer(timeMs: number): void {
    this.#timers.deleteEventTimeTimer(0, timeMs)
  }

  deleteProcessingTimeTimer(timeMs: number): void {
    this.#timers.deleteProcessingTimeTimer(0, timeMs)
  }

  /** Results of event-time timers carry the timer's time, those of processing-time timers none. */
  #fire(domain: TimeDomain, timeMs: number, resultTimestampMs: number): void {
    if (this.#onTimer === undefined) return
    const { record } = this.#context
    const saved = record.timestampMs
    record.timestampMs = resultTimestampMs
    this.#timeDomain = domain
    try {
      this.#onTimer(timeMs, this, this.#output)
    } catch (error) {
      throw userFunctionError(error, this.#context, { what: `onTimer(${timeMs})`, key: this.getCurrentKey() })
    } finally {
      record.timestampMs = saved
    }
  }
}
