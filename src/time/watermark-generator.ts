/**
 * Watermark generators: what turns the timestamps of records into a statement of how far event time has come.
 * A watermark t says: no record with a timestamp <= t is expected any more.
 */
import type { Clock } from '../common/clock.ts'
import { minWatermark } from '../common/limits.ts'

export interface WatermarkOutput {
  /** Watermarks that do not rise are ignored. */
  emitWatermark(timestampMs: number): void
  /** No records for now: those downstream shall not wait for this input. */
  markIdle(): void
  markActive(): void
}

/** Flink's WatermarkGenerator. */
export interface WatermarkGenerator<T> {
  /** Called per record: punctuated generators emit here. */
  onEvent(value: T, timestampMs: number, output: WatermarkOutput): void
  /** Called every `pipeline.auto-watermark-interval`, and by the engine now and then between batches. */
  onPeriodicEmit(output: WatermarkOutput): void
}

/** Watermark = largest timestamp - bound - 1, emitted periodically. Bound 0 serves ascending timestamps. */
export class BoundedOutOfOrderness<T> implements WatermarkGenerator<T> {
  #timestampMsMax = minWatermark
  readonly #boundMs: number

  constructor(boundMs: number) {
    this.#boundMs = boundMs
  }

  onEvent(_value: T, timestampMs: number): void {
    if (timestampMs > this.#timestampMsMax) this.#timestampMsMax = timestampMs
  }

  onPeriodicEmit(output: WatermarkOutput): void {
    output.emitWatermark(this.#timestampMsMax - this.#boundMs - 1)
  }
}

/** Emits none, ever: for pure processing time. */
export const noWatermarks: WatermarkGenerator<unknown> = { onEvent() {}, onPeriodicEmit() {} }

/**
 * Wraps a generator: after `timeoutMs` without a record the output is marked idle, with the next record active again.
 * Time is taken at periodic emissions only, so that records cost a counter.
 */
export class WatermarksWithIdleness<T> implements WatermarkGenerator<T> {
  readonly #inner: WatermarkGenerator<T>
  readonly #timeoutMs: number
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #recordCount = 0
  #recordCountSeen = 0
  #inactiveSinceMs = Number.NaN
  #isIdle = false

  constructor(inner: WatermarkGenerator<T>, timeoutMs: number, clock: Pick<Clock, 'monotonicMs'>) {
    this.#inner = inner
    this.#timeoutMs = timeoutMs
    this.#clock = clock
  }

  onEvent(value: T, timestampMs: number, output: WatermarkOutput): void {
    this.#recordCount++
    if (this.#isIdle) {
      this.#isIdle = false
      output.markActive()
    }
    this.#inner.onEvent(value, timestampMs, output)
  }

  onPeriodicEmit(output: WatermarkOutput): void {
    if (!this.#checkIdle()) return this.#inner.onPeriodicEmit(output)
    if (this.#isIdle) return
    this.#isIdle = true
    output.markIdle()
  }

  #checkIdle(): boolean {
    if (this.#recordCount !== this.#recordCountSeen) {
      this.#recordCountSeen = this.#recordCount
      this.#inactiveSinceMs = Number.NaN
      return false
    }
    const nowMs = this.#clock.monotonicMs()
    if (Number.isNaN(this.#inactiveSinceMs)) this.#inactiveSinceMs = nowMs
    return nowMs - this.#inactiveSinceMs > this.#timeoutMs
  }
}
