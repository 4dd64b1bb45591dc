/**
 * First phase of session windows: for each key the stretch of a session that its last records make. A record that does
 * not touch it begins another stretch, and the one before leaves. See `LocalWindowOperator`.
 *
 * A stretch leaves before the first watermark after its beginning; what follows within that stretch, only before a
 * watermark near its end (a part of the gap earlier, so that not every watermark has to look at every key).
 */
import { generate } from '../../common/generated-code.ts'
import { userFunctionError } from '../../operators/user-function-error.ts'
import type { WindowShape } from '../window-assigner.ts'
import { LocalWindowOperator, type LocalWindowOptions } from './local-window-operator.ts'
import type { PartialSession } from './partial-aggregate.ts'
import { NumberList } from './number-list.ts'
import { Stretches } from './stretches.ts'

/** Between two sweeps over all keys there is this part of a gap in event time. */
const sweepsPerGap = 2

export class LocalSessionOperator<In, Acc> extends LocalWindowOperator<In, Acc> {
  readonly #gapMs: number | ((value: In) => number)
  #stretches = new Stretches<Acc>()
  /** Numbers of keys with a stretch that the next watermark must not pass. */
  #fresh = new NumberList()
  /** What is leaving, and the next of it. */
  #due = new NumberList()
  #at = 0
  /** No watermark below needs a sweep. */
  #nextSweepMs = Number.NEGATIVE_INFINITY
  #sweepEveryMs = 0
  /** What generated code sees: undefined where folding does not pay. */
  readonly #live: { stretches: Stretches<Acc> | undefined } = { stretches: undefined }

  constructor(shape: WindowShape<In> & { readonly kind: 'sessions' }, options: LocalWindowOptions<In, Acc>) {
    super(options)
    this.#gapMs = shape.gapMs
  }

  protected generateProcess(): (value: In) => void {
    const { inline } = this.incremental
    const bindings = {
      ...inline.bindings,
      record: this.context.record,
      live: this.#live,
      folded: this.folded,
      keyOf: this.keySelector,
      gapOf: (value: In) => this.#gapOf(value),
      other: (value: In, timeMs: number, endMs: number, key: unknown) => this.#addToOther(value, timeMs, endMs, key),
      fail: (error: unknown, value: In, key: unknown, startMs: number, endMs: number) =>
        this.failure(error, value, key, startMs, endMs),
    }
    return generate(
      bindings,
      `function (value) {
  const timeMs = record.timestampMs
  const endMs = timeMs + ${typeof this.#gapMs === 'number' ? this.#gapMs : 'gapOf(value)'}
  const key = keyOf(value)
  const stretches = live.stretches
  if (stretches !== undefined) {
    const number = stretches.index.find(key)
    if (number >= 0) {
      const bounds = stretches.bounds
      const startMs = bounds[4 * number], endedMs = bounds[4 * number + 1]
      // NaN where nothing waits: both comparisons fail.
      if (timeMs >= startMs && timeMs <= endedMs) {
        folded[0]++
        const accumulators = stretches.accumulators
        const accumulator = accumulators[number]
        try { accumulators[number] = ${inline.add} } catch (error) { throw fail(error, value, key, startMs, endedMs) }
        if (endMs > endedMs) bounds[4 * number + 1] = endMs
        return
      }
    }
  }
  other(value, timeMs, endMs, key)
}`,
    )
  }

  protected release(timestampMs: number): void {
    const due = this.#toLeave()
    if (timestampMs >= this.#nextSweepMs) {
      const nextMs = timestampMs + this.#sweepEveryMs
      this.#stretches.sweep(timestampMs, nextMs, due)
      this.#nextSweepMs = timestampMs === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : nextMs
    }
    this.fillingCount = this.#stretches.count
  }

  protected emitNext(): boolean {
    if (this.#at === this.#due.count) return false
    const number = this.#due.numbers[this.#at++]!
    if (this.#stretches.waits(number)) this.#emit(number)
    return true
  }

  protected override overflow(): void {
    this.#live.stretches = undefined
    this.release(Number.POSITIVE_INFINITY)
    this.emitAll()
    this.#stretches = new Stretches()
    this.fillingCount = 0
  }

  /** What has not left yet, and behind it what is fresh. */
  #toLeave(): NumberList {
    const due = this.#due
    const fresh = this.#fresh
    if (this.#at < due.count) {
      for (let i = 0; i < fresh.count; i++) due.push(fresh.numbers[i]!)
      fresh.clear()
      return due
    }
    due.clear()
    this.#at = 0
    this.#due = fresh
    this.#fresh = due
    return fresh
  }

  /** Records that do not simply extend their key's stretch. */
  #addToOther(value: In, timeMs: number, endMs: number, key: unknown): void {
    this.checkTimestamp(value, timeMs)
    const stretches = this.#stretches
    const number = stretches.index.find(key)
    const waits = number >= 0 && stretches.waits(number)
    if (this.#mayTouchEnded(number, timeMs) || this.travelsByItself()) {
      // What came before it may be what it belongs to.
      if (waits) this.#emit(number)
      const accumulator = this.first(value, key, timeMs, endMs)
      this.#send({ key, accumulator, lengthMs: endMs - timeMs }, timeMs)
      return
    }
    this.#live.stretches = stretches
    this.#sweepEveryMs = Math.floor((endMs - timeMs) / sweepsPerGap)
    if (waits && timeMs <= stretches.endMs(number) && endMs >= stretches.startMs(number)) {
      return this.#extend(number, value, timeMs, endMs, key)
    }
    const accumulator = this.first(value, key, timeMs, endMs)
    if (number < 0) {
      this.#fresh.push(stretches.add(key, accumulator, timeMs, endMs))
      this.fillingCount++
      return this.hasBegun()
    }
    if (waits) this.#emit(number)
    stretches.put(number, accumulator, timeMs, endMs)
    if (!stretches.isCovered(number, timeMs, this.#nextSweepMs)) this.#fresh.push(number)
    this.hasBegun()
  }

  /**
   * True where a session that further on is over, or may be at any moment, could be the record's: only that place can
   * tell. (What the record touches ends at its own time at the earliest.)
   */
  #mayTouchEnded(number: number, timeMs: number): boolean {
    const reachedMs = this.watermarkMs
    return timeMs - 1 <= reachedMs && !(number >= 0 && this.#stretches.isCovered(number, timeMs, reachedMs))
  }

  #extend(number: number, value: In, timeMs: number, endMs: number, key: unknown): void {
    const { accumulators } = this.#stretches
    const startMs = this.#stretches.startMs(number)
    const endedMs = this.#stretches.endMs(number)
    let accumulator: Acc
    try {
      accumulator = this.incremental.add(value, accumulators[number]!)
    } catch (error) {
      throw this.failure(error, value, key, startMs, endedMs)
    }
    this.folded[0]!++
    this.#stretches.put(number, accumulator, Math.min(startMs, timeMs), Math.max(endedMs, endMs))
    if (timeMs < startMs) this.#fresh.push(number)
  }

  #emit(number: number): void {
    const { index, accumulators } = this.#stretches
    const startMs = this.#stretches.startMs(number)
    const lengthMs = this.#stretches.endMs(number) - startMs
    this.#stretches.leave(number)
    this.#send({ key: index.keys[number], accumulator: accumulators[number]!, lengthMs }, startMs)
  }

  #send(partial: PartialSession<Acc>, startMs: number): void {
    this.output.collectAt(partial, startMs)
  }

  #gapOf(value: In): number {
    try {
      return (this.#gapMs as (value: In) => number)(value)
    } catch (error) {
      const key = this.keySelector(value)
      throw userFunctionError(error, this.context, { what: 'session gap', record: value, key })
    }
  }
}
