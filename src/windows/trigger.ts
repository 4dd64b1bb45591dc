/** The contract of triggers: when a window emits, and whether it forgets its contents then. Words and rules: Flink's. */
import type {
  AppendingState,
  AggregatingStateDescriptor,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  ReducingStateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from '../state/keyed-state-backend.ts'
import type { Window } from './window.ts'

/** Bits: 1 fires, 2 purges. */
export const TriggerResult = { Continue: 0, Fire: 1, Purge: 2, FireAndPurge: 3 } as const
export type TriggerResult = (typeof TriggerResult)[keyof typeof TriggerResult]

export const isFire = (result: TriggerResult): boolean => (result & TriggerResult.Fire) !== 0
export const isPurge = (result: TriggerResult): boolean => (result & TriggerResult.Purge) !== 0

/** What `mergePartitionedState` can merge. */
export type MergeableStateDescriptor<In, Acc, Out> =
  | ListStateDescriptor<In>
  | ReducingStateDescriptor<In>
  | AggregatingStateDescriptor<In, Acc, Out>

/** State of the current key and window. The same descriptor gives the same state. */
export interface PartitionedState {
  <T>(descriptor: ValueStateDescriptor<T>): ValueState<T>
  <T>(descriptor: ListStateDescriptor<T>): ListState<T>
  <UK, UV>(descriptor: MapStateDescriptor<UK, UV>): MapState<UK, UV>
  <T>(descriptor: ReducingStateDescriptor<T>): AppendingState<T, T>
  <In, Acc, Out>(descriptor: AggregatingStateDescriptor<In, Acc, Out>): AppendingState<In, Out>
}

/** Timers and state belong to the current key and window. */
export interface TriggerContext {
  getCurrentProcessingTime(): number
  getCurrentWatermark(): number
  registerEventTimeTimer(timeMs: number): void
  registerProcessingTimeTimer(timeMs: number): void
  deleteEventTimeTimer(timeMs: number): void
  deleteProcessingTimeTimer(timeMs: number): void
  readonly getPartitionedState: PartitionedState
}

/** What `onMerge` of a trigger sees. */
export interface OnMergeContext extends TriggerContext {
  /** Brings the state of the merged windows into that of the result: list, reducing and aggregating state (with merge). */
  mergePartitionedState<In, Acc, Out>(descriptor: MergeableStateDescriptor<In, Acc, Out>): void
}

/** Says when a window emits. Answers of several bits: fire, purge. */
export interface Trigger<T, W extends Window> {
  readonly name: string
  onElement(value: T, timestampMs: number, window: W, context: TriggerContext): TriggerResult
  onProcessingTime(timeMs: number, window: W, context: TriggerContext): TriggerResult
  onEventTime(timeMs: number, window: W, context: TriggerContext): TriggerResult
  /** Needed for merging windows: a trigger without it cannot be used with sessions. */
  onMerge?(window: W, context: OnMergeContext): void
  /** Removes every timer and state that the trigger holds for the window. */
  clear(window: W, context: TriggerContext): void
}
