/**
 * First phase of tumbling and sliding windows: one table of partials per slice. See `LocalWindowOperator`.
 *
 * Invariant: while `#current` is set, the record's slice is `#live.table`, no window with that slice is complete by the
 * watermark, nothing is leaving and folding pays.
 */
import { generate } from '../../common/generated-code.ts'
import { KeyIndex } from '../key-index.ts'
import { SliceGeometry } from '../slice-geometry.ts'
import type { WindowShape } from '../window-assigner.ts'
import { LocalWindowOperator, type LocalWindowOptions } from './local-window-operator.ts'

class SliceTable<Acc> {
  sliceMs: number = Number.NaN
  readonly index: KeyIndex = new KeyIndex()
  /** By number of the key, up to `index.bound`. */
  readonly accumulators: Acc[] = []
}

export class LocalSliceOperator<In, Acc> extends LocalWindowOperator<In, Acc> {
  readonly #geometry: SliceGeometry
  /** By start of the slice. */
  readonly #filling = new Map<number, SliceTable<Acc>>()
  #leaving: SliceTable<Acc>[] = []
  /** Next of the first leaving table. */
  #at = 0
  /** Start and end of the current slice; NaN where there is none. Read by generated code. */
  readonly #current = new Float64Array(2).fill(Number.NaN)
  /** The same of the slice whose records travel by themselves, while nothing is leaving. */
  readonly #passing = new Float64Array(2).fill(Number.NaN)
  readonly #live: { table: SliceTable<Acc> } = { table: new SliceTable<Acc>() }
  /** An empty table to be used again. */
  #spare: SliceTable<Acc> | undefined

  constructor(shape: WindowShape<In> & { readonly kind: 'slices' }, options: LocalWindowOptions<In, Acc>) {
    super(options)
    this.#geometry = new SliceGeometry(shape.sizeMs, shape.slideMs, shape.offsetMs)
  }

  protected generateProcess(): (value: In) => void {
    const { inline } = this.incremental
    const bindings = {
      ...inline.bindings,
      record: this.context.record,
      current: this.#current,
      live: this.#live,
      folded: this.folded,
      passing: this.#passing,
      byThemselves: this.byThemselves,
      output: this.output,
      keyOf: this.keySelector,
      enterSlice: (value: In, timeMs: number) => this.#enterSlice(value, timeMs),
      begin: (value: In, key: unknown) => this.#begin(value, key),
      fail: (error: unknown, value: In, key: unknown, sliceMs: number) => this.#failure(error, value, key, sliceMs),
    }
    return generate(
      bindings,
      `function (value) {
  const timeMs = record.timestampMs
  // NaN where no slice is current, or passing: both comparisons fail.
  if (!(timeMs >= current[0] && timeMs < current[1])) {
    if (timeMs >= passing[0] && timeMs < passing[1] && byThemselves[0] > 0) {
      const key = keyOf(value)
      // What is not as simple as this is dealt with there.
      if (key !== undefined && key !== null && keyOf(value) === key) {
        const sliceMs = passing[0]
        let accumulator
        try { accumulator = ${inline.first} } catch (error) { throw fail(error, value, key, sliceMs) }
        byThemselves[0]--
        output.collectAt({ key, accumulator }, sliceMs)
        return
      }
    }
    if (!enterSlice(value, timeMs)) return
  }
  const key = keyOf(value)
  const table = live.table
  const number = table.index.find(key)
  if (number < 0) return begin(value, key)
  folded[0]++
  const accumulators = table.accumulators
  const accumulator = accumulators[number]
  try { accumulators[number] = ${inline.add} } catch (error) { throw fail(error, value, key, table.sliceMs) }
}`,
    )
  }

  protected release(timestampMs: number): void {
    this.#current.fill(Number.NaN)
    this.#passing.fill(Number.NaN)
    for (const table of this.#filling.values()) {
      if (this.#geometry.firstWindowEndMs(table.sliceMs) - 1 > timestampMs) continue
      this.#filling.delete(table.sliceMs)
      this.fillingCount -= table.index.bound
      this.#leaving.push(table)
    }
  }

  protected emitNext(): boolean {
    const table = this.#leaving[0]
    if (table === undefined) return false
    const at = this.#at++
    this.output.collectAt({ key: table.index.keys[at], accumulator: table.accumulators[at]! }, table.sliceMs)
    if (this.#at === table.index.bound) {
      this.#leaving.shift()
      this.#at = 0
      table.index.clear()
      this.#spare = table
    }
    return true
  }

  protected override overflow(): void {
    this.release(Number.POSITIVE_INFINITY)
  }

  /** Makes the record's slice live; false where the record has been dealt with. */
  #enterSlice(value: In, timeMs: number): boolean {
    this.checkTimestamp(value, timeMs)
    // Two for each record: what is leaving has left long before there is as much again.
    const isLeaving = this.emitNext() && this.emitNext()
    const sliceMs = this.#geometry.sliceStartMs(timeMs)
    if (this.#geometry.firstWindowEndMs(sliceMs) - 1 <= this.watermarkMs || this.travelsByItself()) {
      if (!isLeaving && this.#leaving.length === 0) {
        this.#passing[0] = sliceMs
        this.#passing[1] = this.#geometry.sliceEndMs(sliceMs)
      }
      const key = this.keySelector(value)
      this.output.collectAt({ key, accumulator: this.#firstOf(value, key, sliceMs) }, sliceMs)
      return false
    }
    this.#live.table = this.#filling.get(sliceMs) ?? this.#newTable(sliceMs)
    if (isLeaving) this.#current.fill(Number.NaN)
    else {
      this.#current[0] = sliceMs
      this.#current[1] = this.#geometry.sliceEndMs(sliceMs)
    }
    return true
  }

  #newTable(sliceMs: number): SliceTable<Acc> {
    const table = this.#spare ?? new SliceTable<Acc>()
    this.#spare = undefined
    table.sliceMs = sliceMs
    this.#filling.set(sliceMs, table)
    return table
  }

  /** The first record of its key in the live slice. */
  #begin(value: In, key: unknown): void {
    const { index, accumulators, sliceMs } = this.#live.table
    const accumulator = this.#firstOf(value, key, sliceMs)
    accumulators[index.add(key)] = accumulator
    this.fillingCount++
    this.hasBegun()
  }

  #firstOf(value: In, key: unknown, sliceMs: number): Acc {
    return this.first(value, key, sliceMs, this.#geometry.sliceEndMs(sliceMs))
  }

  #failure(error: unknown, value: In, key: unknown, sliceMs: number): unknown {
    return this.failure(error, value, key, sliceMs, this.#geometry.sliceEndMs(sliceMs))
  }
}
