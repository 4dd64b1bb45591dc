/**
 * The general window operator, rule by rule as Flink's: state by (key, window), timers by (key, window), any assigner,
 * trigger and evictor. Windows with the default trigger and incremental contents have faster operators beside it
 * (`slice-window-operator.ts`, `session-window-operator.ts`), which must answer exactly as this one does.
 *
 * Invariants
 * 1. A record that comes for a window at or after `end - 1 + allowed lateness` (the clean-up time) does not enter it.
 *    One that enters no window for that reason goes to the late side output, or is counted.
 * 2. Everything of a window (contents, trigger state, timers, merging entry) is gone after its clean-up time.
 * 3. Merged windows keep their contents in the namespace of one of their parts (`MergingWindowSet`); trigger state and
 *    timers are under the window itself.
 * 4. Results carry the window's largest timestamp.
 */
import { maxWatermark, noTimestamp } from '../common/limits.ts'
import { MillraceError } from '../common/errors.ts'
import type { Progress } from '../common/progress.ts'
import type { Counter } from '../metrics/metric-group.ts'
import { BaseOperator } from '../operators/base-operator.ts'
import type { OperatorContext, Output } from '../operators/operator.ts'
import { closeFunction, openFunction, requireKeyedState } from '../operators/runtime-context.ts'
import { createTimers } from '../operators/timers.ts'
import { invalidTimestamp } from '../operators/timestamps-and-watermarks-operator.ts'
import { userFunctionError } from '../operators/user-function-error.ts'
import type { KeyedStateBackend, Namespace } from '../state/keyed-state-backend.ts'
import type { TimerService } from '../time/timer-service.ts'
import { ProcessEmitter } from './emit-window.ts'
import { MergingWindowSet } from './merging-window-set.ts'
import { isFire, isPurge, type TriggerResult } from './trigger.ts'
import { TriggerDriver } from './trigger-driver.ts'
import type { Window } from './window.ts'
import type { MergingWindowAssigner, WindowAssigner, WindowAssignerContext } from './window-assigner.ts'
import { EvictableContents, IncrementalContents, ListContents, type WindowContents } from './window-contents.ts'
import { checkedWindowSpec, type WindowSpec } from './window-spec.ts'

export class WindowOperator<In, Acc, Mid, Out, Key, W extends Window> extends BaseOperator<In, Out> {
  readonly #spec: WindowSpec<In, Acc, Mid, Out, Key, W>
  readonly #latenessMs: number
  #assigner: WindowAssigner<In, W>
  #backend!: KeyedStateBackend
  #timers!: TimerService
  #trigger!: TriggerDriver<In, W>
  #contents!: WindowContents<In, unknown>
  #merging: MergingWindowSet<In, W> | undefined
  #emitter: ProcessEmitter<Mid, Out, Key, W> | undefined
  #assignerContext!: WindowAssignerContext
  #lateDropped!: Counter

  constructor(spec: WindowSpec<In, Acc, Mid, Out, Key, W>) {
    super()
    this.#spec = checkedWindowSpec(spec)
    this.#latenessMs = spec.allowedLatenessMs ?? 0
    this.#assigner = spec.assigner
  }

  override setup(context: OperatorContext, output: Output<Out>): void {
    super.setup(context, output)
    const { trigger, process, incremental, evictor, elementType } = this.#spec
    const backend = requireKeyedState(context)
    const assigner = this.#spec.assigner.forSubtask?.() ?? this.#spec.assigner
    this.#assigner = assigner
    this.#backend = backend
    this.#timers = createTimers(context, output, 'windows', this)
    this.#trigger = new TriggerDriver(
      trigger ?? assigner.defaultTrigger(),
      assigner.codec,
      context,
      backend,
      this.#timers,
    )
    if (evictor !== undefined) this.#contents = new EvictableContents(backend, elementType)
    else if (incremental !== undefined) this.#contents = new IncrementalContents(incremental, backend)
    else this.#contents = new ListContents(backend, elementType)
    const isMerging = assigner.mergeWindows !== undefined
    if (isMerging) {
      const state = backend.value<Namespace[]>({ kind: 'value', name: 'merging-window-set' })
      this.#merging = new MergingWindowSet(assigner as MergingWindowAssigner<In, W>, state)
    }
    if (process !== undefined) {
      const currentWatermarkMs = (): number => this.#timers.currentWatermarkMs()
      const parts = { context, backend, codec: assigner.codec, isMerging, currentWatermarkMs }
      this.#emitter = new ProcessEmitter(process, output, parts)
    }
    this.#assignerContext = { currentProcessingTime: () => context.clock.nowMs(), prng: context.prng }
    this.#lateDropped = context.metrics.counter('numLateRecordsDropped')
  }

  async open(): Promise<void> {
    const { incremental, process } = this.#spec
    if (incremental !== undefined) await openFunction(incremental.source, this.context)
    if (process !== undefined) await openFunction(process, this.context)
  }

  processElement(value: In): void {
    const { timestampMs } = this.context.record
    if (timestampMs === noTimestamp && this.#assigner.isEventTime) {
      throw invalidTimestamp(this.context, value, timestampMs)
    }
    const windows = this.#assign(value, timestampMs)
    const entered =
      this.#merging === undefined
        ? this.#addToWindows(value, timestampMs, windows)
        : this.#addToMergingWindows(value, timestampMs, windows, this.#merging)
    if (!entered && this.#isLate(timestampMs)) this.#late(value, timestampMs)
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

  /** A timer of the current key fires. */
  onEventTime(namespace: Namespace, timeMs: number): void {
    this.#onTimer(namespace, timeMs, true)
  }

  onProcessingTime(namespace: Namespace, timeMs: number): void {
    this.#onTimer(namespace, timeMs, false)
  }

  async close(): Promise<void> {
    const { incremental, process } = this.#spec
    if (incremental !== undefined) await closeFunction(incremental.source)
    if (process !== undefined) await closeFunction(process)
  }

  #assign(value: In, timestampMs: number): readonly W[] {
    try {
      return this.#assigner.assignWindows(value, timestampMs, this.#assignerContext)
    } catch (error) {
      const key = this.#backend.currentKey()
      throw userFunctionError(error, this.context, { what: 'window assigner', record: value, key })
    }
  }

  #addToWindows(value: In, timestampMs: number, windows: readonly W[]): boolean {
    let entered = false
    for (const window of windows) {
      if (this.#isExpired(window)) continue
      entered = true
      this.#addTo(value, timestampMs, window, this.#assigner.codec.encode(window))
    }
    return entered
  }

  #addToMergingWindows(
    value: In,
    timestampMs: number,
    windows: readonly W[],
    merging: MergingWindowSet<In, W>,
  ): boolean {
    let entered = false
    this.#loadMerging(merging)
    for (const window of windows) {
      const actual = merging.addWindow(window, (result, merged, stateOfResult, mergedStates) => {
        this.#checkMerge(result)
        this.#trigger.onMerge(result, merged)
        for (const each of merged) {
          this.#trigger.clear(each)
          this.#deleteCleanupTimer(each)
        }
        this.#backend.setCurrentNamespace(stateOfResult)
        if (mergedStates.length > 0) this.#contents.merge(stateOfResult, mergedStates)
      })
      if (this.#isExpired(actual)) {
        merging.retire(actual)
        continue
      }
      entered = true
      this.#addTo(value, timestampMs, actual, merging.stateOf(actual)!)
    }
    this.#persistMerging(merging)
    return entered
  }

  #addTo(value: In, timestampMs: number, window: W, stateNamespace: Namespace): void {
    this.#backend.setCurrentNamespace(stateNamespace)
    try {
      this.#contents.add(value, timestampMs)
    } catch (error) {
      const key = this.#backend.currentKey()
      throw userFunctionError(error, this.context, { record: value, key, window: String(window) })
    }
    this.#obey(this.#trigger.onElement(value, timestampMs, window), window, stateNamespace)
    this.#registerCleanupTimer(window)
  }

  #onTimer(namespace: Namespace, timeMs: number, isEventTime: boolean): void {
    const window = this.#assigner.codec.decode(namespace)
    let stateNamespace = namespace
    if (this.#merging !== undefined) {
      this.#loadMerging(this.#merging)
      const found = this.#merging.stateOf(window)
      // A timer of a window that has been merged away: its trigger did not delete it.
      if (found === undefined) return
      stateNamespace = found
    }
    const result = isEventTime
      ? this.#trigger.onEventTime(timeMs, window)
      : this.#trigger.onProcessingTime(timeMs, window)
    this.#obey(result, window, stateNamespace)
    if (isEventTime === this.#assigner.isEventTime && timeMs === this.#cleanupTimeMs(window)) {
      this.#clearAll(window, stateNamespace)
    }
  }

  #obey(result: TriggerResult, window: W, stateNamespace: Namespace): void {
    if (isFire(result)) this.#fire(window, stateNamespace)
    if (!isPurge(result)) return
    this.#backend.setCurrentNamespace(stateNamespace)
    this.#contents.clear()
  }

  #fire(window: W, stateNamespace: Namespace): void {
    this.#backend.setCurrentNamespace(stateNamespace)
    const contents = this.#contents.get()
    if (contents === undefined) return
    if (this.#contents instanceof EvictableContents) this.#emitEvicted(window, stateNamespace, this.#contents)
    else if (this.#emitter === undefined) this.output.collectAt(contents as Out, window.maxTimestampMs)
    else this.#emitter.emit(window, this.#spec.incremental === undefined ? (contents as Mid[]) : [contents as Mid])
  }

  #emitEvicted(window: W, stateNamespace: Namespace, contents: EvictableContents<In>): void {
    const evictor = this.#spec.evictor!
    const times = {
      getCurrentProcessingTime: () => this.context.clock.nowMs(),
      getCurrentWatermark: () => this.#timers.currentWatermarkMs(),
    }
    try {
      const kept = evictor.evictBefore(contents.get()!, window, times)
      this.#emitElements(
        window,
        kept.map(({ value }) => value),
      )
      const left = evictor.evictAfter(kept, window, times)
      this.#backend.setCurrentNamespace(stateNamespace)
      contents.replace(left)
    } catch (error) {
      const key = this.#backend.currentKey()
      throw userFunctionError(error, this.context, { what: 'evictor', key, window: String(window) })
    }
  }

  #emitElements(window: W, elements: readonly In[]): void {
    const { incremental } = this.#spec
    if (incremental === undefined) return this.#emitter!.emit(window, elements as unknown as Mid[])
    if (elements.length === 0) return
    let accumulator = incremental.first(elements[0]!)
    for (let i = 1; i < elements.length; i++) accumulator = incremental.add(elements[i]!, accumulator)
    const result = incremental.result(accumulator)
    if (this.#emitter === undefined) this.output.collectAt(result as unknown as Out, window.maxTimestampMs)
    else this.#emitter.emit(window, [result])
  }

  #clearAll(window: W, stateNamespace: Namespace): void {
    this.#backend.setCurrentNamespace(stateNamespace)
    this.#contents.clear()
    this.#trigger.clear(window)
    this.#emitter?.clear(window)
    if (this.#merging === undefined) return
    this.#merging.retire(window)
    this.#persistMerging(this.#merging)
  }

  #loadMerging(merging: MergingWindowSet<In, W>): void {
    this.#backend.setCurrentNamespace(0)
    merging.load()
  }

  #persistMerging(merging: MergingWindowSet<In, W>): void {
    this.#backend.setCurrentNamespace(0)
    merging.persist()
  }

  #checkMerge(result: W): void {
    const { isEventTime } = this.#assigner
    const reachedMs = isEventTime ? this.#timers.currentWatermarkMs() : this.context.clock.nowMs()
    const latestMs = isEventTime ? this.#cleanupTimeMs(result) : result.maxTimestampMs
    if (latestMs > reachedMs) return
    throw new MillraceError(
      'MR_TIME_INVALID',
      `${this.context.task.operatorName}: the end of a window cannot become earlier than the current ` +
        `${isEventTime ? 'watermark' : 'processing time'} (${reachedMs}) by merging; window ${String(result)}`,
      { context: { operator: this.context.task.operatorName, window: String(result) } },
    )
  }

  #isExpired(window: W): boolean {
    return this.#assigner.isEventTime && this.#cleanupTimeMs(window) <= this.#timers.currentWatermarkMs()
  }

  #isLate(timestampMs: number): boolean {
    return this.#assigner.isEventTime && timestampMs + this.#latenessMs <= this.#timers.currentWatermarkMs()
  }

  #late(value: In, timestampMs: number): void {
    const { lateTag } = this.#spec
    if (lateTag === undefined) this.#lateDropped.inc()
    else this.output.collectSide(lateTag, value, timestampMs)
  }

  #cleanupTimeMs(window: W): number {
    return this.#assigner.isEventTime ? window.maxTimestampMs + this.#latenessMs : window.maxTimestampMs
  }

  #registerCleanupTimer(window: W): void {
    const timeMs = this.#cleanupTimeMs(window)
    if (timeMs === maxWatermark) return
    const namespace = this.#assigner.codec.encode(window)
    if (this.#assigner.isEventTime) this.#timers.registerEventTimeTimer(namespace, timeMs)
    else this.#timers.registerProcessingTimeTimer(namespace, timeMs)
  }

  #deleteCleanupTimer(window: W): void {
    const timeMs = this.#cleanupTimeMs(window)
    if (timeMs === maxWatermark) return
    const namespace = this.#assigner.codec.encode(window)
    if (this.#assigner.isEventTime) this.#timers.deleteEventTimeTimer(namespace, timeMs)
    else this.#timers.deleteProcessingTimeTimer(namespace, timeMs)
  }
}
