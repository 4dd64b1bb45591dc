/**
 * assignTimestampsAndWatermarks: stamps records and makes watermarks of them. Hot path: one assigner call and one
 * generator call a record.
 *
 * Invariants
 * 1. Watermarks from upstream are dropped, except the maximal one, which is the end of input; so is upstream's status.
 * 2. Watermarks rise strictly. An emitted watermark means the stream is active.
 * 3. Periodic emission happens between batches only: once `pipeline.auto-watermark-interval` has passed, and at the
 *    latest after `recordsPerEmissionMax` records, so that a bounded job at full speed keeps few windows open. An aligned
 *    source emits after every batch: others wait for it, and it stops within a batch.
 * 4. At the head of a source whose reader has an output for each split, `use` says whose records follow: each split has
 *    its own generator, and watermarks and status are combined by `SplitWatermarks`.
 */
import { MillraceError } from '../common/errors.ts'
import { maxWatermark, minWatermark, noTimestamp } from '../common/limits.ts'
import { printValue } from '../common/print-value.ts'
import { Progress } from '../common/progress.ts'
import { ActivityClock } from '../time/activity-clock.ts'
import type { WatermarkGenerator, WatermarkOutput } from '../time/watermark-generator.ts'
import type { TimestampAssigner, WatermarkStrategy } from '../time/watermark-strategy.ts'
import { BaseOperator } from './base-operator.ts'
import type { AroundElement, OperatorContext, Output } from './operator.ts'
import { type SplitGenerator, SplitWatermarks } from './split-watermarks.ts'
import { userFunctionError } from './user-function-error.ts'

export const autoWatermarkIntervalMsDefault = 200
export const recordsPerEmissionMax = 65_536

export interface TimestampsAndWatermarksOptions {
  /** False (batch mode): timestamps are assigned, the end of input is the only watermark. */
  readonly emitsPeriodically?: boolean
  /** Watermarks after every batch (aligned sources). */
  readonly emitsPerBatch?: boolean
}

const aroundElement: AroundElement = {
  before: (operator, value) => `if (${operator}.assigns) ${operator}.stamp(${value})`,
  after: (operator, value, timestampMs) =>
    `if (${operator}.emitsPeriodically) { ${operator}.recordCount++; ${operator}.generator.onEvent(${value}, ${timestampMs}, ${operator}.generatorOutput) }`,
}

export class TimestampsAndWatermarksOperator<T> extends BaseOperator<T, T> implements WatermarkOutput {
  override readonly relaysWatermarks: boolean = false
  readonly around: AroundElement = aroundElement
  // For the code around an element, too:
  readonly emitsPeriodically: boolean
  assigns = false
  recordCount = 0
  /** Of the record at hand, and where it emits. */
  generator!: WatermarkGenerator<T>
  generatorOutput: WatermarkOutput = this
  readonly #strategy: WatermarkStrategy<T>
  readonly #recordsPerEmission: number
  #activity!: ActivityClock
  #assign: TimestampAssigner<T> | undefined
  /** Of the records outside any split: of all, in most jobs. */
  #ownGenerator!: WatermarkGenerator<T>
  #splits: SplitWatermarks<T> | undefined
  #watermarkMs = minWatermark
  #isIdle = false
  #intervalMs = autoWatermarkIntervalMsDefault
  #nextEmissionMs = Number.POSITIVE_INFINITY

  constructor(strategy: WatermarkStrategy<T>, options: TimestampsAndWatermarksOptions = {}) {
    super()
    this.#strategy = strategy
    this.emitsPeriodically = (options.emitsPeriodically ?? true) && strategy.emitsWatermarks
    this.#recordsPerEmission = options.emitsPerBatch === true ? 1 : recordsPerEmissionMax
  }

  /** The last watermark emitted. */
  get watermarkMs(): number {
    return this.#watermarkMs
  }

  get isIdle(): boolean {
    return this.#isIdle
  }

  /** A source that alignment pauses has no records, but is not idle for that. */
  setPaused(isPaused: boolean): void {
    this.#activity.setPaused(isPaused)
  }

  /** Watermarks by split; undefined where no split was ever registered. */
  get splits(): SplitWatermarks<T> | undefined {
    return this.#splits
  }

  /** Gives a split of the source a generator of its own: `use` takes the answer. The same for the same id. */
  registerSplit(splitId: string): SplitGenerator<T> {
    return (this.#splits ??= this.#beginSplits()).register(splitId)
  }

  /** Nothing more comes of the split: it no longer holds the watermark back. */
  releaseSplit(splitId: string): void {
    this.#splits?.release(splitId)
  }

  /** The records that follow are of this split; undefined: of none. */
  use(split: SplitGenerator<T> | undefined): void {
    if (split === undefined) this.#splits?.useMain()
    this.generator = split?.generator ?? this.#ownGenerator
    this.generatorOutput = split?.output ?? this.#splits?.main ?? this
  }

  #beginSplits(): SplitWatermarks<T> {
    const splits = new SplitWatermarks<T>({
      strategy: this.emitsPeriodically ? this.#strategy : this.#strategy.withoutWatermarks(),
      context: { clock: this.context.clock, inputActivityClock: this.#activity },
      downstream: this,
    })
    if (this.recordCount > 0 || this.#watermarkMs > minWatermark) splits.useMain()
    this.generatorOutput = splits.main
    return splits
  }

  override setup(context: OperatorContext, output: Output<T>): void {
    super.setup(context, output)
    this.#intervalMs = autoWatermarkIntervalMs(context)
    this.#assign = this.#strategy.createAssigner(context)
    this.assigns = this.#assign !== undefined
    this.#activity = new ActivityClock(context.clock)
    this.#ownGenerator = this.#strategy.createGenerator({ clock: context.clock, inputActivityClock: this.#activity })
    this.generator = this.#ownGenerator
  }

  open(): void {
    if (this.emitsPeriodically && this.#intervalMs > 0) {
      this.#nextEmissionMs = this.context.clock.nowMs() + this.#intervalMs
    }
  }

  processElement(value: T): void {
    if (this.assigns) this.stamp(value)
    const { timestampMs } = this.context.record
    this.output.collect(value)
    if (!this.emitsPeriodically) return
    this.recordCount++
    this.generator.onEvent(value, timestampMs, this.generatorOutput)
  }

  endOfBatch(): void {
    if (!this.emitsPeriodically) return
    if (this.recordCount >= this.#recordsPerEmission) return this.#emitPeriodic(this.context.clock.nowMs())
    const nowMs = this.context.clock.nowMs()
    if (nowMs >= this.#nextEmissionMs) this.#emitPeriodic(nowMs)
  }

  nextProcessingTimeMs(): number {
    return this.#nextEmissionMs
  }

  advanceProcessingTime(nowMs: number): Progress {
    if (nowMs >= this.#nextEmissionMs) this.#emitPeriodic(nowMs)
    return Progress.Done
  }

  advanceWatermark(timestampMs: number): Progress {
    if (timestampMs === maxWatermark) {
      this.#nextEmissionMs = Number.POSITIVE_INFINITY
      this.emitWatermark(maxWatermark)
    }
    return Progress.Done
  }

  emitWatermark(timestampMs: number): void {
    if (!(timestampMs > this.#watermarkMs)) return
    this.#watermarkMs = timestampMs
    this.markActive()
    this.output.emitWatermark(timestampMs)
  }

  markIdle(): void {
    if (this.#isIdle) return
    this.#isIdle = true
    this.output.emitStatus(true)
  }

  markActive(): void {
    if (!this.#isIdle) return
    this.#isIdle = false
    this.output.emitStatus(false)
  }

  #emitPeriodic(nowMs: number): void {
    this.recordCount = 0
    if (this.#intervalMs > 0) this.#nextEmissionMs = nowMs + this.#intervalMs
    if (this.#splits === undefined) return this.#ownGenerator.onPeriodicEmit(this)
    this.#splits.emitPeriodic(this.#ownGenerator)
  }

  /** Gives the record at hand its timestamp. */
  stamp(value: T): void {
    const { record } = this.context
    let timestampMs: number
    try {
      timestampMs = this.#assign!(value, record.timestampMs)
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value, what: 'timestamp assigner' })
    }
    if (!Number.isSafeInteger(timestampMs) && timestampMs !== noTimestamp) {
      throw invalidTimestamp(this.context, value, timestampMs)
    }
    record.timestampMs = timestampMs
  }
}

/** `pipeline.auto-watermark-interval` in ms: `200`, `200 ms`, `1 s`. 0: no periodic watermarks by time. */
export function autoWatermarkIntervalMs(context: Pick<OperatorContext, 'configuration'>): number {
  const text = context.configuration.get('pipeline.auto-watermark-interval')
  if (text === undefined) return autoWatermarkIntervalMsDefault
  const match = /^(\d+)\s*(ms|s|)$/.exec(text.trim())
  if (match !== null) return Number(match[1]) * (match[2] === 's' ? 1_000 : 1)
  throw new MillraceError(
    'MR_CONFIG_INVALID_VALUE',
    `pipeline.auto-watermark-interval must be a duration like \`200 ms\`, got ${text}`,
  )
}

export function invalidTimestamp(context: OperatorContext, value: unknown, timestampMs: unknown): MillraceError {
  const { operatorName, subtaskIndex } = context.task
  const record = printValue(value)
  const found = timestampMs === noTimestamp ? 'none' : printValue(timestampMs)
  return new MillraceError(
    'MR_TIME_INVALID',
    `${operatorName}[${subtaskIndex}]: a record needs a timestamp of whole milliseconds, found ${found}; record ${record}. ` +
      'Is the time characteristic right, or a call of assignTimestampsAndWatermarks missing?',
    { context: { operator: operatorName, subtask: subtaskIndex, record } },
  )
}
