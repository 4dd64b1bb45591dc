/**
 * Interval join of two keyed streams: every pair of one key with left + lower <= right <= left + upper (timestamps).
 * Both sides are kept by timestamp, until no record of the other side can need them any more.
 *
 * Invariants
 * 1. A pair is emitted once, when its later record arrives, with the larger of the two timestamps.
 * 2. Event time: a record behind the watermark is late: it joins nothing and goes to its side's late output.
 * 3. A record is dropped once the watermark (or clock) passes the last time at which a partner may come.
 */
import { MillraceError } from '../common/errors.ts'
import { noTimestamp } from '../common/limits.ts'
import type { Progress } from '../common/progress.ts'
import type { TypeInformation } from '../data/types.ts'
import type { KeyedStateBackend, MapState } from '../state/keyed-state-backend.ts'
import type { TimerService } from '../time/timer-service.ts'
import { BaseTwoInputOperator } from './base-operator.ts'
import { bindFunction } from './bind-function.ts'
import type { OperatorContext, Output } from './operator.ts'
import type { OutputTag } from './output-tag.ts'
import type { Collector } from './process-context.ts'
import { closeFunction, openFunction, requireKeyedState, type RichFunction } from './runtime-context.ts'
import { createTimers } from './timers.ts'
import { invalidTimestamp } from './timestamps-and-watermarks-operator.ts'
import { userFunctionError } from './user-function-error.ts'

/** What a join function sees beside the pair. */
export interface ProcessJoinContext {
  getLeftTimestamp(): number
  getRightTimestamp(): number
  /** The larger of the two: the timestamp of the results. */
  getTimestamp(): number
  output<S>(tag: OutputTag<S>, value: S): void
}

/** Gets a pair of records and emits results. */
export type ProcessJoin<L, R, Out> = (left: L, right: R, context: ProcessJoinContext, out: Collector<Out>) => void

/** Gets pairs of records and emits results, with open and close. */
export interface ProcessJoinFunction<L, R, Out> extends RichFunction {
  processElement(left: L, right: R, context: ProcessJoinContext, out: Collector<Out>): void
}

export interface IntervalJoinSpec<L, R, Out> {
  /** Bounds of the right timestamp relative to the left one, ms; may be negative. */
  readonly lowerBoundMs: number
  readonly upperBoundMs: number
  readonly lowerBoundExclusive?: boolean
  readonly upperBoundExclusive?: boolean
  /** Default event time. In processing time a record's time is that of its arrival, and nothing is late. */
  readonly timeDomain?: 'event-time' | 'processing-time'
  readonly leftLateTag?: OutputTag<L>
  readonly rightLateTag?: OutputTag<R>
  readonly leftType?: TypeInformation<L>
  readonly rightType?: TypeInformation<R>
  readonly process: ProcessJoin<L, R, Out> | ProcessJoinFunction<L, R, Out>
}

const LEFT = 'left'
const RIGHT = 'right'

export class IntervalJoinOperator<L, R, Out> extends BaseTwoInputOperator<L, R, Out> {
  readonly #spec: IntervalJoinSpec<L, R, Out>
  readonly #process: ProcessJoin<L, R, Out>
  readonly #lowerMs: number
  readonly #upperMs: number
  readonly #isEventTime: boolean
  #backend!: KeyedStateBackend
  #timers!: TimerService
  #left!: MapState<number, L[]>
  #right!: MapState<number, R[]>
  #joinContext!: JoinContext<Out>

  constructor(spec: IntervalJoinSpec<L, R, Out>) {
    super()
    this.#spec = spec
    this.#process = bindFunction<ProcessJoin<L, R, Out>>(spec.process, 'processElement')
    this.#lowerMs = spec.lowerBoundMs + (spec.lowerBoundExclusive === true ? 1 : 0)
    this.#upperMs = spec.upperBoundMs - (spec.upperBoundExclusive === true ? 1 : 0)
    this.#isEventTime = spec.timeDomain !== 'processing-time'
    if (!(this.#lowerMs <= this.#upperMs)) {
      throw new MillraceError(
        'MR_TIME_INVALID',
        `interval join: the lower bound must be <= the upper bound, got ${this.#lowerMs} and ${this.#upperMs} (inclusive)`,
      )
    }
  }

  override setup(context: OperatorContext, output: Output<Out>): void {
    super.setup(context, output)
    this.#backend = requireKeyedState(context)
    this.#timers = createTimers(context, output, 'interval-join', this)
    this.#joinContext = new JoinContext(output)
    // One list of values per timestamp; the types of lists are not known to map state, so they are kept as they are.
    this.#left = this.#backend.map({ kind: 'map', name: 'left-buffer' })
    this.#right = this.#backend.map({ kind: 'map', name: 'right-buffer' })
  }

  open(): void | Promise<void> {
    return openFunction(this.#spec.process, this.context)
  }

  processElement(value: L): void {
    const timeMs = this.#timeOf(value)
    if (this.#isLate(timeMs)) return this.#late(this.#spec.leftLateTag, value, timeMs)
    add(this.#left, timeMs, value)
    for (const [otherMs, others] of this.#right.entries()) {
      if (otherMs < timeMs + this.#lowerMs || otherMs > timeMs + this.#upperMs) continue
      for (const other of others) this.#emit(value, other, timeMs, otherMs)
    }
    this.#register(LEFT, this.#upperMs > 0 ? timeMs + this.#upperMs : timeMs)
  }

  processElement2(value: R): void {
    const timeMs = this.#timeOf(value)
    if (this.#isLate(timeMs)) return this.#late(this.#spec.rightLateTag, value, timeMs)
    add(this.#right, timeMs, value)
    for (const [otherMs, others] of this.#left.entries()) {
      if (otherMs < timeMs - this.#upperMs || otherMs > timeMs - this.#lowerMs) continue
      for (const other of others) this.#emit(other, value, otherMs, timeMs)
    }
    this.#register(RIGHT, this.#lowerMs < 0 ? timeMs - this.#lowerMs : timeMs)
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

  onEventTime(side: number | string, timeMs: number): void {
    this.#cleanUp(side, timeMs)
  }

  onProcessingTime(side: number | string, timeMs: number): void {
    this.#cleanUp(side, timeMs - 1)
  }

  close(): void | Promise<void> {
    return closeFunction(this.#spec.process)
  }

  #timeOf(value: L | R): number {
    if (!this.#isEventTime) return this.context.clock.nowMs()
    const { timestampMs } = this.context.record
    if (timestampMs === noTimestamp) throw invalidTimestamp(this.context, value, timestampMs)
    return timestampMs
  }

  #isLate(timeMs: number): boolean {
    return this.#isEventTime && timeMs < this.#timers.currentWatermarkMs()
  }

  #late<T>(tag: OutputTag<T> | undefined, value: T, timeMs: number): void {
    if (tag !== undefined) this.output.collectSide(tag, value, timeMs)
  }

  #emit(left: L, right: R, leftMs: number, rightMs: number): void {
    this.#joinContext.leftMs = leftMs
    this.#joinContext.rightMs = rightMs
    try {
      this.#process(left, right, this.#joinContext, this.#joinContext)
    } catch (error) {
      throw userFunctionError(error, this.context, { record: { left, right }, key: this.#backend.currentKey() })
    }
  }

  #register(side: string, timeMs: number): void {
    if (this.#isEventTime) this.#timers.registerEventTimeTimer(side, timeMs)
    // A partner may still come within the last millisecond of the interval.
    else this.#timers.registerProcessingTimeTimer(side, timeMs + 1)
  }

  #cleanUp(side: number | string, timerMs: number): void {
    this.#backend.setCurrentNamespace(0)
    if (side === LEFT) this.#left.remove(this.#upperMs > 0 ? timerMs - this.#upperMs : timerMs)
    else this.#right.remove(this.#lowerMs < 0 ? timerMs + this.#lowerMs : timerMs)
  }
}

/** The pair at hand. */
class JoinContext<Out> implements ProcessJoinContext, Collector<Out> {
  leftMs = noTimestamp
  rightMs = noTimestamp
  readonly #output: Output<Out>

  constructor(output: Output<Out>) {
    this.#output = output
  }

  collect(value: Out): void {
    this.#output.collectAt(value, this.getTimestamp())
  }

  output<S>(tag: OutputTag<S>, value: S): void {
    this.#output.collectSide(tag, value, this.getTimestamp())
  }

  getLeftTimestamp(): number {
    return this.leftMs
  }

  getRightTimestamp(): number {
    return this.rightMs
  }

  getTimestamp(): number {
    return Math.max(this.leftMs, this.rightMs)
  }
}

function add<T>(buffer: MapState<number, T[]>, timeMs: number, value: T): void {
  const values = buffer.get(timeMs)
  buffer.put(timeMs, values === undefined ? [value] : [...values, value])
}
