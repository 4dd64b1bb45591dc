/** The contract of window assigners: which windows a record belongs to. */
import type { Prng } from '../common/prng.ts'
import type { Namespace } from '../state/keyed-state-backend.ts'
import type { Trigger } from './trigger.ts'
import { TimeWindow, type Window } from './window.ts'

/** What an assigner sees of its subtask. */
export interface WindowAssignerContext {
  currentProcessingTime(): number
  readonly prng: Prng
}

/** Says which windows a record belongs to. */
export interface WindowAssigner<T, W extends Window> {
  /** Shown in plans, for example `TumblingEventTimeWindows(5000)`. */
  readonly name: string
  readonly isEventTime: boolean
  /** How windows address state and timers. */
  readonly codec: WindowCodec<W>
  /** No window: the record is dropped silently, or as late where it is. */
  assignWindows(value: T, timestampMs: number, context: WindowAssignerContext): readonly W[]
  defaultTrigger(): Trigger<T, W>
  /** Present where windows merge: `merge` is called for every set of two and more windows that become one. */
  mergeWindows?(windows: readonly W[], merge: (toBeMerged: readonly W[], result: W) => void): void
  /** An assigner of one subtask's own, for assigners that remember something (a stagger). */
  forSubtask?(): WindowAssigner<T, W>
  /** Present where the engine may compute the windows from slices instead of one by one. */
  readonly shape?: WindowShape<T>
}

/** Assigns windows that merge, as sessions do. */
export interface MergingWindowAssigner<T, W extends Window> extends WindowAssigner<T, W> {
  mergeWindows(windows: readonly W[], merge: (toBeMerged: readonly W[], result: W) => void): void
}

/** What the fast paths need to know of the built-in assigners. */
export type WindowShape<T> =
  | {
      readonly kind: 'slices'
      readonly sizeMs: number
      readonly slideMs: number
      readonly offsetMs: number
    }
  | { readonly kind: 'sessions'; readonly gapMs: number | ((value: T) => number) }

export interface WindowCodec<W> {
  encode(window: W): Namespace
  decode(namespace: Namespace): W
}

/** For windows of one fixed size: the start says all. */
export function startCodec(sizeMs: number): WindowCodec<TimeWindow> {
  return {
    encode: (window) => window.startMs,
    decode: (namespace) => new TimeWindow(namespace as number, (namespace as number) + sizeMs),
  }
}

/** For time windows of any size. */
export const timeWindowCodec: WindowCodec<TimeWindow> = {
  encode: (window) => `${window.startMs},${window.endMs}`,
  decode: (namespace) => {
    const [start, end] = (namespace as string).split(',')
    return new TimeWindow(Number(start), Number(end))
  },
}

/** Merges time windows that overlap or touch, as sessions do. */
export function mergeTimeWindows(
  windows: readonly TimeWindow[],
  merge: (toBeMerged: readonly TimeWindow[], result: TimeWindow) => void,
): void {
  const sorted = windows.toSorted((left, right) => left.startMs - right.startMs || left.endMs - right.endMs)
  let group: TimeWindow[] = []
  let cover: TimeWindow | undefined
  const close = (): void => {
    if (cover !== undefined && group.length > 1) merge(group, cover)
  }
  for (const window of sorted) {
    if (cover !== undefined && cover.intersects(window)) {
      group.push(window)
      cover = cover.cover(window)
    } else {
      close()
      group = [window]
      cover = window
    }
  }
  close()
}
