/**
 * Tumbling and sliding windows with the default trigger and incremental contents, computed from shared slices: a record
 * costs one look-up whatever size / slide is, there are no timers per key, and a window fires in one walk. Answers
 * exactly as `WindowOperator` does (for combinations that are associative and, where records come out of order,
 * commutative).
 *
 * Invariants
 * 1. State `window-slices`: accumulator by (slice start, key). A slice is dropped as a whole when its last window is
 *    past its clean-up time (window end - 1 + lateness <= watermark).
 * 2. `#slices` lists the live slices in ascending order. `#firedEndMs`: every window that ends there or before has fired.
 * 3. While `#current` is set, the backend's namespace is that slice, and no window that contains it has fired: such
 *    records need nothing but the accumulator. Watermarks and firing unset it.
 * 4. Firing pauses between records where the output is full; until it is done no record comes in.
 */
import { generate } from '../common/generated-code.ts'
import { maxWatermark, minWatermark, noTimestamp } from '../common/limits.ts'
import { Progress } from '../common/progress.ts'
import type { Counter } from '../metrics/metric-group.ts'
import { BaseOperator } from '../operators/base-operator.ts'
import type { OperatorContext, Output } from '../operators/operator.ts'
import { closeFunction, openFunction, requireKeyedState } from '../operators/runtime-context.ts'
import { invalidTimestamp } from '../operators/timestamps-and-watermarks-operator.ts'
import { userFunctionError } from '../operators/user-function-error.ts'
import type { AccumulatorState, KeyedStateBackend } from '../state/keyed-state-backend.ts'
import { ProcessEmitter } from './emit-window.ts'
import { FiredProgress } from './fired-progress.ts'
import { detachedResult, type Incremental } from './incremental.ts'
import { RingTotals, ringSlicesMax } from './ring-totals.ts'
import { SliceGeometry } from './slice-geometry.ts'
import type { WindowShape } from './window-assigner.ts'
import { checkedWindowSpec, type WindowSpec } from './window-spec.ts'
import { RunningTotals, type SlicePart, type TotalsWalk, TwoStackTotals, type WindowTotals } from './window-totals.ts'
import { TimeWindow } from './window.ts'

type Shape<In> = WindowShape<In> & { readonly kind: 'slices' }

/** The window that is firing. */
interface Firing<Acc> {
  readonly window: TimeWindow
  readonly walk: TotalsWalk<Acc>
  /** True where keys must be asked one by one whether they have fired before a restore. */
  readonly filters: boolean
}

export class SliceWindowOperator<In, Acc, Mid, Out, Key> extends BaseOperator<In, Out> {
  readonly #spec: WindowSpec<In, Acc, Mid, Out, Key, TimeWindow>
  readonly #incremental: Incremental<In, Acc, Mid>
  readonly #isEventTime: boolean
  readonly #latenessMs: number
  readonly #geometry: SliceGeometry
  #backend!: KeyedStateBackend
  #state!: AccumulatorState<Acc>
  #emitter: ProcessEmitter<Mid, Out, Key, TimeWindow> | undefined
  #fired!: FiredProgress
  #lateDropped!: Counter
  #slices: number[] = []
  #timeMs = minWatermark
  #firedEndMs = minWatermark
  #firing: Firing<Acc> | undefined
  /** Start and end of the current slice; NaN where there is none. Read by generated code. */
  readonly #current = new Float64Array(2).fill(Number.NaN)
  /** Sliding only. */
  #totals: WindowTotals<Acc> | undefined
  #totalsFromMs = Number.NEGATIVE_INFINITY
  #totalsToMs = Number.NEGATIVE_INFINITY
  #canRetract: boolean

  constructor(spec: WindowSpec<In, Acc, Mid, Out, Key, TimeWindow>) {
    super()
    this.#spec = checkedWindowSpec(spec)
    this.#incremental = spec.incremental!
    this.#isEventTime = spec.assigner.isEventTime
    this.#latenessMs = this.#isEventTime ? (spec.allowedLatenessMs ?? 0) : 0
    const { sizeMs, slideMs, offsetMs } = spec.assigner.shape as Shape<In>
    this.#geometry = new SliceGeometry(sizeMs, slideMs, offsetMs)
    this.#canRetract = this.#incremental.retract !== undefined
  }

  override setup(context: OperatorContext, output: Output<Out>): void {
    super.setup(context, output)
    const { process, assigner } = this.#spec
    const backend = requireKeyedState(context)
    this.#backend = backend
    this.#state = backend.accumulators('window-slices', this.#incremental.type)
    this.#lateDropped = context.metrics.counter('numLateRecordsDropped')
    this.processElement = this.#generateProcess()
    if (process === undefined) return
    const parts = { context, backend, codec: assigner.codec, isMerging: false, currentWatermarkMs: () => this.#timeMs }
    this.#emitter = new ProcessEmitter(process, output, parts)
  }

  processElement: (value: In) => void = () => {}

  async open(): Promise<void> {
    const { keyGroupRange, maxParallelism } = this.#backend
    this.#fired = new FiredProgress(this.context.operatorState, keyGroupRange, maxParallelism)
    this.#firedEndMs = this.#fired.restore()
    this.#slices = ([...this.#state.namespaces()] as number[]).sort((left, right) => left - right)
    await openFunction(this.#incremental.source, this.context)
    if (this.#spec.process !== undefined) await openFunction(this.#spec.process, this.context)
  }

  advanceWatermark(timestampMs: number): Progress {
    return this.#isEventTime ? this.#advance(timestampMs) : Progress.Done
  }

  nextProcessingTimeMs(): number {
    if (this.#isEventTime) return Number.POSITIVE_INFINITY
    return this.#firing === undefined ? this.#nextWindowEndMs() - 1 : this.#timeMs
  }

  advanceProcessingTime(nowMs: number): Progress {
    return this.#isEventTime ? Progress.Done : this.#advance(nowMs)
  }

  snapshotState(): void {
    this.#fired.snapshot(this.#firedEndMs)
  }

  async close(): Promise<void> {
    await closeFunction(this.#incremental.source)
    if (this.#spec.process !== undefined) await closeFunction(this.#spec.process)
  }

  #add(value: In): void {
    const state = this.#state
    const accumulator = state.get()
    try {
      state.set(accumulator === undefined ? this.#incremental.first(value) : this.#incremental.add(value, accumulator))
    } catch (error) {
      throw this.#addFailure(error, value)
    }
  }

  #addFailure(error: unknown, value: In): unknown {
    const key = this.#backend.currentKey()
    const window = String(new TimeWindow(this.#current[0]!, this.#current[1]!))
    return userFunctionError(error, this.context, { record: value, key, window })
  }

  /** A record of the current slice is `#add` in this operator's own code. */
  #generateProcess(): (value: In) => void {
    const { inline } = this.#incremental
    const bindings = {
      ...inline.bindings,
      record: this.context.record,
      state: this.#state,
      current: this.#current,
      enterSlice: (value: In, timeMs: number) => this.#enterSlice(value, timeMs),
      nowMs: () => this.#nowMs(),
      fail: (error: unknown, value: In) => this.#addFailure(error, value),
    }
    return generate(
      bindings,
      `function (value) {
  const timeMs = ${this.#isEventTime ? 'record.timestampMs' : 'nowMs()'}
  // NaN where no slice is current: both comparisons fail.
  if (!(timeMs >= current[0] && timeMs < current[1]) && !enterSlice(value, timeMs)) return
  const accumulator = state.get()
  try {
    state.set(accumulator === undefined ? ${inline.first} : ${inline.add})
  } catch (error) { throw fail(error, value) }
}`,
    )
  }

  /** Makes the record's slice current; false where the record has been dealt with. */
  #enterSlice(value: In, timeMs: number): boolean {
    if (timeMs === noTimestamp || timeMs !== timeMs) throw invalidTimestamp(this.context, value, timeMs)
    const geometry = this.#geometry
    const sliceMs = geometry.sliceStartMs(timeMs)
    if (geometry.lastWindowEndMs(sliceMs) - 1 + this.#latenessMs <= this.#reachedMs()) {
      this.#late(value, timeMs)
      return false
    }
    this.#register(sliceMs)
    this.#backend.setCurrentNamespace(sliceMs)
    if (geometry.firstWindowEndMs(sliceMs) <= this.#firedEndMs) {
      this.#addToFiredSlice(value, sliceMs, geometry)
      return false
    }
    this.#current[0] = sliceMs
    this.#current[1] = geometry.sliceEndMs(sliceMs)
    return true
  }

  /** Some windows with this slice have fired: they fire again where lateness allows; totals learn of the record. */
  #addToFiredSlice(value: In, sliceMs: number, geometry: SliceGeometry): void {
    this.#current[0] = Number.NaN
    this.#add(value)
    if (this.#totals !== undefined && sliceMs >= this.#totalsFromMs && sliceMs < this.#totalsToMs) {
      this.#totals.rebuild(this.#backend.currentKey(), this.#partsOfKey(this.#totalsFromMs, this.#totalsToMs))
    }
    if (this.#latenessMs === 0) return
    const firstEndMs = geometry.firstWindowEndMs(sliceMs)
    for (let endMs = geometry.lastWindowEndMs(sliceMs); endMs >= firstEndMs; endMs -= geometry.slideMs) {
      const isExpired = endMs - 1 + this.#latenessMs <= this.#reachedMs()
      if (!isExpired && endMs <= this.#firedEndMs)
        this.#fireForCurrentKey(new TimeWindow(endMs - geometry.sizeMs, endMs))
    }
  }

  #fireForCurrentKey(window: TimeWindow): void {
    const { fresh, merge } = this.#incremental
    const parts = this.#partsOfKey(window.startMs, window.endMs)
    let total = fresh(parts[0]!.accumulator)
    for (let i = 1; i < parts.length; i++) total = merge!(total, parts[i]!.accumulator)
    this.#emit(window, this.#result(window, this.#backend.currentKey(), total, false))
  }

  #partsOfKey(fromMs: number, toMs: number): SlicePart<Acc>[] {
    const parts: SlicePart<Acc>[] = []
    for (const sliceMs of this.#slicesBetween(fromMs, toMs)) {
      this.#backend.setCurrentNamespace(sliceMs)
      const accumulator = this.#state.get()
      if (accumulator !== undefined) parts.push({ sliceMs, accumulator })
    }
    return parts
  }

  /** Fires every window whose last instant has been reached, then drops what nobody needs any more. Resumable. */
  #advance(timeMs: number): Progress {
    if (timeMs > this.#timeMs) this.#timeMs = timeMs
    this.#current[0] = Number.NaN
    for (;;) {
      if (this.#firing !== undefined && this.#fire(this.#firing) === Progress.Blocked) return Progress.Blocked
      this.#firing = undefined
      const endMs = this.#nextWindowEndMs()
      if (!(endMs - 1 <= this.#timeMs) || this.#slices.length === 0 || endMs === maxWatermark) break
      this.#firing = this.#beginFiring(endMs)
    }
    this.#finishAdvance()
    return Progress.Done
  }

  #finishAdvance(): void {
    const geometry = this.#geometry
    if (this.#timeMs === maxWatermark) this.#firedEndMs = maxWatermark
    else if (this.#timeMs > minWatermark) {
      const endMs = geometry.windowEndAtOrAfterMs(this.#timeMs + 2) - geometry.slideMs
      if (endMs > this.#firedEndMs) this.#firedEndMs = endMs
    }
    const { length } = this.#slices
    let expired = 0
    while (expired < length && this.#isExpired(this.#slices[expired]!, geometry)) expired++
    if (expired === 0) return
    // What is dropped must leave the totals first.
    this.#leaveTotals(this.#nextWindowStartMs())
    for (let i = 0; i < expired; i++) this.#state.dropNamespace(this.#slices[i]!)
    this.#slices.splice(0, expired)
  }

  #nextWindowStartMs(): number {
    if (this.#firedEndMs === maxWatermark) return Number.POSITIVE_INFINITY
    return this.#geometry.windowEndAtOrAfterMs(this.#firedEndMs + 1) - this.#geometry.sizeMs
  }

  #isExpired(sliceMs: number, geometry: SliceGeometry): boolean {
    return geometry.lastWindowEndMs(sliceMs) - 1 + this.#latenessMs <= this.#timeMs
  }

  /** End of the next window to fire, `Infinity` where no live slice is in any. */
  #nextWindowEndMs(): number {
    const geometry = this.#geometry
    for (const sliceMs of this.#slices) {
      if (geometry.lastWindowEndMs(sliceMs) <= this.#firedEndMs) continue
      const firstMs = geometry.firstWindowEndMs(sliceMs)
      return firstMs > this.#firedEndMs ? firstMs : geometry.windowEndAtOrAfterMs(this.#firedEndMs + 1)
    }
    return Number.POSITIVE_INFINITY
  }

  #beginFiring(endMs: number): Firing<Acc> {
    const window = new TimeWindow(endMs - this.#geometry.sizeMs, endMs)
    this.#firedEndMs = endMs
    const filters = this.#fired.mayHaveFired(endMs)
    const slices = this.#slicesBetween(window.startMs, endMs)
    if (slices.length === 1 && this.#geometry.sizeMs === this.#geometry.slideMs) {
      return { window, walk: this.#state.openCursor(slices[0]!), filters }
    }
    try {
      return { window, walk: this.#slideTo(window).walk(), filters }
    } catch (error) {
      throw userFunctionError(error, this.context, { what: 'merge', window: String(window) })
    }
  }

  /** Totals of the window. */
  #slideTo(window: TimeWindow): WindowTotals<Acc> {
    this.#leaveTotals(window.startMs)
    if (this.#totals === undefined) {
      this.#totals = this.#createTotals()
      this.#totalsToMs = window.startMs
    }
    this.#totals.enter(this.#slicesBetween(Math.max(window.startMs, this.#totalsToMs), window.endMs))
    this.#totals.beginAt(window.startMs)
    this.#totalsFromMs = window.startMs
    this.#totalsToMs = window.endMs
    return this.#totals
  }

  #createTotals(): WindowTotals<Acc> {
    if (this.#geometry.slicesPerWindow <= ringSlicesMax) {
      return new RingTotals(this.#state, this.#incremental, this.#geometry)
    }
    return this.#canRetract
      ? new RunningTotals(this.#state, this.#incremental)
      : new TwoStackTotals(this.#state, this.#incremental)
  }

  /** Slices before `startMs` leave the totals. */
  #leaveTotals(startMs: number): void {
    if (this.#totals === undefined || startMs <= this.#totalsFromMs) return
    if (startMs >= this.#totalsToMs) return this.#forgetTotals()
    const leaving = this.#slicesBetween(this.#totalsFromMs, startMs)
    const remaining = this.#slicesBetween(startMs, this.#totalsToMs)
    this.#totalsFromMs = startMs
    if (this.#totals.leave(leaving, remaining)) return
    this.#canRetract = false
    this.#forgetTotals()
  }

  #forgetTotals(): void {
    this.#totals = undefined
    this.#totalsFromMs = Number.NEGATIVE_INFINITY
    this.#totalsToMs = Number.NEGATIVE_INFINITY
  }

  #fire({ window, walk, filters }: Firing<Acc>): Progress {
    const { output } = this
    const keepsState = this.#totals === undefined ? this.#latenessMs > 0 : !this.#totals.ownsTotals
    const emitter = this.#emitter
    while (!output.isFull()) {
      if (!this.#nextTotal(window, walk)) return Progress.Done
      const { key, accumulator } = walk
      if (filters && this.#fired.hasFired(key, window.endMs)) continue
      const result = this.#result(window, key, accumulator, keepsState)
      if (emitter === undefined) output.collectAt(result as unknown as Out, window.maxTimestampMs)
      else {
        this.#backend.setCurrentKey(key)
        emitter.emit(window, [result])
      }
    }
    return Progress.Blocked
  }

  #nextTotal(window: TimeWindow, walk: TotalsWalk<Acc>): boolean {
    try {
      return walk.next()
    } catch (error) {
      throw userFunctionError(error, this.context, { what: 'merge', key: walk.key, window: String(window) })
    }
  }

  #result(window: TimeWindow, key: unknown, accumulator: Acc, keepsState: boolean): Mid {
    try {
      return keepsState ? detachedResult(this.#incremental, accumulator) : this.#incremental.result(accumulator)
    } catch (error) {
      throw userFunctionError(error, this.context, { what: 'getResult', key, window: String(window) })
    }
  }

  #emit(window: TimeWindow, result: Mid): void {
    if (this.#emitter === undefined) this.output.collectAt(result as unknown as Out, window.maxTimestampMs)
    else this.#emitter.emit(window, [result])
  }

  #late(value: In, timeMs: number): void {
    const { lateTag } = this.#spec
    if (lateTag === undefined) this.#lateDropped.inc()
    else this.output.collectSide(lateTag, value, timeMs)
  }

  /** Time that has been reached: also what had fired before a restore counts. */
  #reachedMs(): number {
    return Math.max(this.#timeMs, this.#firedEndMs - 1)
  }

  /** Processing time does not go back, even where the clock does. */
  #nowMs(): number {
    return Math.max(this.context.clock.nowMs(), this.#isEventTime ? minWatermark : this.#timeMs)
  }

  #register(sliceMs: number): void {
    const slices = this.#slices
    let at = slices.length
    while (at > 0 && slices[at - 1]! > sliceMs) at--
    if (at > 0 && slices[at - 1] === sliceMs) return
    slices.splice(at, 0, sliceMs)
  }

  #slicesBetween(fromMs: number, toMs: number): number[] {
    return this.#slices.filter((sliceMs) => sliceMs >= fromMs && sliceMs < toMs)
  }
}
