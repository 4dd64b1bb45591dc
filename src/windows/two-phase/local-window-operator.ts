/**
 * The first phase of a window, in the task that produces the records: folds them by key before they travel. It keeps no
 * state over restarts and decides nothing: whether a record is late, and when a window fires, is up to the second phase,
 * which answers as if every record had come by itself.
 *
 * Invariants
 * 1. Watermarks further on are never ahead of this task's. A record of a window that may be complete by this task's
 *    watermark, or that could touch such a session, travels by itself.
 * 2. Before a watermark passes, everything has left that it could complete or that could touch what it completes. Before
 *    a barrier passes and at the end everything leaves.
 * 3. At most `partialsMax` partials are being filled. For one key and slice (or session) partials leave in the order in
 *    which they were begun.
 * 4. An idle task does not hold watermarks back further on, nor for a while after it has become active again: before it
 *    falls idle everything leaves, and its records travel by themselves from then on.
 * 5. Where folding does not pay (fewer than two records a partial), records travel by themselves for a while.
 */
import { MillraceError } from '../../common/errors.ts'
import { minWatermark } from '../../common/limits.ts'
import { printValue } from '../../common/print-value.ts'
import { Progress } from '../../common/progress.ts'
import { BaseOperator } from '../../operators/base-operator.ts'
import type { OperatorContext, Output } from '../../operators/operator.ts'
import { closeFunction } from '../../operators/runtime-context.ts'
import { invalidTimestamp } from '../../operators/timestamps-and-watermarks-operator.ts'
import { userFunctionError } from '../../operators/user-function-error.ts'
import { noKey } from '../../state/key-context.ts'
import { isSameKey } from '../../time/timer-bucket.ts'
import type { Incremental } from '../incremental.ts'
import { TimeWindow } from '../window.ts'
import type { PartialAggregate } from './partial-aggregate.ts'

const partialsMaxDefault = 65_536
/** Fewer partials than these say nothing about whether folding pays: at first, most records begin one. */
const partialsToJudgeDefault = 32_768
/** Records that travel by themselves before folding is tried again, for each partial that has been judged. */
const recordsByThemselves = 128

export interface LocalWindowOptions<In, Acc> {
  readonly incremental: Incremental<In, Acc, unknown>
  readonly keySelector: (value: In) => unknown
  readonly partialsMax?: number
  readonly partialsToJudge?: number
}

export abstract class LocalWindowOperator<In, Acc> extends BaseOperator<In, PartialAggregate<Acc>> {
  protected readonly incremental: Incremental<In, Acc, unknown>
  protected readonly keySelector: (value: In) => unknown
  protected watermarkMs: number = minWatermark
  /** Int32Array[1], counted by generated code: records folded into partials that were there. */
  protected readonly folded: Int32Array = new Int32Array(1)
  /** Float64Array[1], counted down by generated code, too: so many records travel by themselves. */
  protected readonly byThemselves: Float64Array = new Float64Array(1)
  /** Partials being filled. */
  protected fillingCount = 0
  readonly #partialsMax: number
  readonly #partialsToJudge: number
  /** Partials begun since it was last asked whether folding pays. */
  #begunCount = 0

  constructor(options: LocalWindowOptions<In, Acc>) {
    super()
    this.incremental = options.incremental
    this.keySelector = options.keySelector
    this.#partialsMax = options.partialsMax ?? partialsMaxDefault
    this.#partialsToJudge = options.partialsToJudge ?? partialsToJudgeDefault
  }

  override setup(context: OperatorContext, output: Output<PartialAggregate<Acc>>): void {
    super.setup(context, output)
    this.processElement = this.generateProcess()
  }

  processElement: (value: In) => void = () => {}

  advanceWatermark(timestampMs: number): Progress {
    if (timestampMs > this.watermarkMs) {
      this.watermarkMs = timestampMs
      this.release(timestampMs)
    }
    return this.#drain()
  }

  advanceStatus(isIdle: boolean): void {
    if (!isIdle) return
    this.overflow()
    this.emitAll()
    this.byThemselves[0] = Number.POSITIVE_INFINITY
  }

  /** Into a full output as well: an unaligned barrier waits for no room, and stores what is on its way. */
  prepareBarrier(): Progress {
    this.release(Number.POSITIVE_INFINITY)
    this.emitAll()
    return Progress.Done
  }

  finish(): Progress {
    this.release(Number.POSITIVE_INFINITY)
    return this.#drain()
  }

  close(): void | Promise<void> {
    return closeFunction(this.incremental.source)
  }

  protected abstract generateProcess(): (value: In) => void
  /** What a watermark of `timestampMs` must not pass begins to leave. */
  protected abstract release(timestampMs: number): void
  /** Goes on with what is leaving; false where there is nothing. */
  protected abstract emitNext(): boolean
  /** There are `partialsMax` partials: all of them begin to leave. */
  protected abstract overflow(): void

  /** Everything that is leaving leaves now, whatever the output says: at most twice `partialsMax`. */
  protected emitAll(): void {
    while (this.emitNext());
  }

  /** For records off the fast path: true where this one travels by itself, since folding does not pay. */
  protected travelsByItself(): boolean {
    if (this.byThemselves[0] === 0) return false
    this.byThemselves[0]!--
    return true
  }

  /** A partial has begun; `fillingCount` is what there are now. */
  protected hasBegun(): void {
    if (++this.#begunCount >= this.#partialsToJudge) this.#judge()
    if (this.fillingCount >= this.#partialsMax) this.overflow()
  }

  protected first(value: In, key: unknown, startMs: number, endMs: number): Acc {
    if (key === undefined || key === null) throw noKey(key)
    // The key of a partial is what the record's was here: the second phase cannot find out.
    const again = this.keySelector(value)
    if (!isSameKey(again, key)) throw this.#fickleKey(value, key, again)
    try {
      return this.incremental.first(value)
    } catch (error) {
      throw this.failure(error, value, key, startMs, endMs)
    }
  }

  protected checkTimestamp(value: In, timeMs: number): void {
    if (!(timeMs > minWatermark)) throw invalidTimestamp(this.context, value, timeMs)
  }

  protected failure(error: unknown, record: In, key: unknown, startMs: number, endMs: number): unknown {
    return userFunctionError(error, this.context, { record, key, window: String(new TimeWindow(startMs, endMs)) })
  }

  #fickleKey(value: In, key: unknown, again: unknown): MillraceError {
    const { operatorName, subtaskIndex } = this.context.task
    const [record, one, other] = [value, key, again].map((part) => printValue(part))
    return new MillraceError(
      'MR_STATE_KEY_GROUP',
      `${operatorName}[${subtaskIndex}]: the key selector gives different keys for one record: ${one}, then ${other}; ` +
        `record ${record}`,
      { context: { operator: operatorName, subtask: subtaskIndex, key: one!, record: record! } },
    )
  }

  #judge(): void {
    if (this.folded[0]! < this.#begunCount) {
      this.byThemselves[0] = this.#begunCount * recordsByThemselves
      // A record that travels by itself must not overtake those that wait.
      this.overflow()
      this.emitAll()
    }
    this.#begunCount = 0
    this.folded[0] = 0
  }

  #drain(): Progress {
    while (!this.output.isFull()) if (!this.emitNext()) return Progress.Done
    return Progress.Blocked
  }
}
