/**
 * WatermarkStrategy: how records get their event time, and how watermarks follow from it. Immutable; every `with…`
 * answers a new strategy. Words and rules are Flink's.
 * @example
 * WatermarkStrategy.forBoundedOutOfOrderness<Ride>(seconds(5))
 *   .withTimestampAssigner((ride) => ride.startMs)
 *   .withIdleness(minutes(1))
 */
import type { Clock } from '../common/clock.ts'
import { MillraceError } from '../common/errors.ts'
import {
  BoundedOutOfOrderness,
  noWatermarks,
  type WatermarkGenerator,
  WatermarksWithIdleness,
} from './watermark-generator.ts'

/** Event time of a record in ms since the epoch. `recordTimestampMs` is what the source gave, or `noTimestamp`. */
export type TimestampAssigner<T> = (value: T, recordTimestampMs: number) => number

/** Sources of a group whose watermark is more than the drift ahead of the slowest pause. */
export interface WatermarkAlignmentParams {
  readonly group: string
  readonly maxDriftMs: number
  readonly updateIntervalMs: number
}

export interface GeneratorContext {
  readonly clock: Clock
  /** Stands still while alignment pauses the source. Absent: the clock. */
  readonly inputActivityClock?: Pick<Clock, 'monotonicMs'>
}

type GeneratorSupplier<T> = (context: GeneratorContext) => WatermarkGenerator<T>

interface Parts<T> {
  readonly supply: GeneratorSupplier<T>
  readonly assigner: TimestampAssigner<T> | 'record' | 'ingestion'
  readonly idleTimeoutMs: number | undefined
  readonly alignment: WatermarkAlignmentParams | undefined
  readonly emitsWatermarks: boolean
}

/** Where a stream's timestamps and watermarks come from. */
export class WatermarkStrategy<T = unknown> {
  readonly #parts: Parts<T>

  private constructor(parts: Parts<T>) {
    this.#parts = parts
  }

  /** Timestamps ascend within each source split. */
  static forMonotonousTimestamps<T>(): WatermarkStrategy<T> {
    return WatermarkStrategy.forBoundedOutOfOrderness<T>(0)
  }

  /** A record is at most `boundMs` behind the latest one seen. */
  static forBoundedOutOfOrderness<T>(boundMs: number): WatermarkStrategy<T> {
    requireDuration('forBoundedOutOfOrderness', 'bound', boundMs, 0)
    return WatermarkStrategy.forGenerator<T>(() => new BoundedOutOfOrderness(boundMs))
  }

  /** Custom generators, one per source split or subtask. */
  static forGenerator<T>(supply: GeneratorSupplier<T>): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>({ ...plain, supply })
  }

  /** No watermarks: processing time only. */
  static noWatermarks<T>(): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>({ ...plain, supply: () => noWatermarks, emitsWatermarks: false })
  }

  /** Ingestion time: records are stamped with the clock where they enter. */
  static forIngestionTime<T>(): WatermarkStrategy<T> {
    const supply = (): WatermarkGenerator<T> => new BoundedOutOfOrderness<T>(0)
    return new WatermarkStrategy<T>({ ...plain, supply, assigner: 'ingestion' })
  }

  /** Takes the event time from the record. The assigner must be deterministic and answer whole milliseconds. */
  withTimestampAssigner(assigner: TimestampAssigner<T>): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>({ ...this.#parts, assigner })
  }

  /** A split or subtask without records for `timeoutMs` no longer holds the watermark back. */
  withIdleness(timeoutMs: number): WatermarkStrategy<T> {
    requireDuration('withIdleness', 'time-out', timeoutMs, 1)
    return new WatermarkStrategy<T>({ ...this.#parts, idleTimeoutMs: timeoutMs })
  }

  /**
   * Sources of the same group pause where they are more than `maxDriftMs` ahead of the group's slowest. They look again
   * at the latest every `updateIntervalMs`. A source that has no watermark yet holds the others back; one that is idle
   * or has ended does not. For strategies given to `env.source` only: a stream cannot be paused amid a job.
   * MR_TIME_INVALID: a drift below 0, an interval below 1, or a strategy without watermarks.
   */
  withWatermarkAlignment(group: string, maxDriftMs: number, updateIntervalMs: number = 1_000): WatermarkStrategy<T> {
    requireDuration('withWatermarkAlignment', 'maximal drift', maxDriftMs, 0)
    requireDuration('withWatermarkAlignment', 'update interval', updateIntervalMs, 1)
    if (!this.#parts.emitsWatermarks) {
      throw new MillraceError('MR_TIME_INVALID', 'withWatermarkAlignment: the strategy has no watermarks to align')
    }
    return new WatermarkStrategy<T>({ ...this.#parts, alignment: { group, maxDriftMs, updateIntervalMs } })
  }

  /** The same timestamps without watermarks, as batch mode wants them: nothing is late there. */
  withoutWatermarks(): WatermarkStrategy<T> {
    return new WatermarkStrategy<T>({
      ...plain,
      supply: () => noWatermarks,
      emitsWatermarks: false,
      assigner: this.#parts.assigner,
    })
  }

  /** False for noWatermarks(). */
  get emitsWatermarks(): boolean {
    return this.#parts.emitsWatermarks
  }

  get idleTimeoutMs(): number | undefined {
    return this.#parts.idleTimeoutMs
  }

  get alignment(): WatermarkAlignmentParams | undefined {
    return this.#parts.alignment
  }

  createGenerator(context: GeneratorContext): WatermarkGenerator<T> {
    const { supply, idleTimeoutMs } = this.#parts
    const generator = supply(context)
    if (idleTimeoutMs === undefined) return generator
    return new WatermarksWithIdleness(generator, idleTimeoutMs, context.inputActivityClock ?? context.clock)
  }

  /** Undefined where records keep the timestamp that the source gave. */
  createAssigner(context: GeneratorContext): TimestampAssigner<T> | undefined {
    const { assigner } = this.#parts
    if (assigner === 'record') return undefined
    if (assigner !== 'ingestion') return assigner
    const { clock } = context
    let latestMs = Number.NEGATIVE_INFINITY
    // The clock may be set back; ingestion time does not follow it.
    return () => (latestMs = Math.max(latestMs, clock.nowMs()))
  }
}

const plain = {
  assigner: 'record',
  idleTimeoutMs: undefined,
  alignment: undefined,
  emitsWatermarks: true,
} as const

function requireDuration(method: string, what: string, valueMs: number, leastMs: number): void {
  if (Number.isFinite(valueMs) && valueMs >= leastMs) return
  throw new MillraceError('MR_TIME_INVALID', `${method}: ${what} must be at least ${leastMs} ms, got ${valueMs}`)
}
