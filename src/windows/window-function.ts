/** Window functions: what turns the contents of a window into results. */
import type { OutputTag } from '../operators/output-tag.ts'
import type { Collector } from '../operators/process-context.ts'
import type { KeyedStateStore, RichFunction } from '../operators/runtime-context.ts'
import type { Window } from './window.ts'

/** What a window function sees beside the elements. */
export interface WindowContext<W extends Window> {
  readonly window: W
  currentProcessingTime(): number
  currentWatermark(): number
  /** State of this key and window; to be cleared in `clear`. Not with merging windows (MR_PLAN_INVALID). */
  windowState(): KeyedStateStore
  /** State of this key over all windows. */
  globalState(): KeyedStateStore
  /** Emits to a side output, stamped like the window's results. */
  output<S>(tag: OutputTag<S>, value: S): void
}

/** Gets key and elements of a window and emits results. */
export type ProcessWindow<In, Out, Key, W extends Window> = (
  key: Key,
  context: WindowContext<W>,
  elements: Iterable<In>,
  out: Collector<Out>,
) => void

/** Results carry the window's largest timestamp (end - 1). */
export interface ProcessWindowFunction<In, Out, Key, W extends Window> extends RichFunction {
  process(key: Key, context: WindowContext<W>, elements: Iterable<In>, out: Collector<Out>): void
  /** The window is gone for good: the place to clear its `windowState`. */
  clear?(context: WindowContext<W>): void
}
