/** The contract of evictors: they drop elements of a window before or after the window function sees them. */
import type { Window } from './window.ts'

/** An element of a window with its event time. */
export interface TimestampedValue<T> {
  readonly value: T
  /** Event time, or `noTimestamp`. */
  readonly timestampMs: number
}

/** What an evictor sees of time. */
export interface EvictorContext {
  getCurrentProcessingTime(): number
  getCurrentWatermark(): number
}

/** Elements come in order of arrival; both calls answer those that stay. */
export interface Evictor<T, W extends Window> {
  readonly name: string
  evictBefore(
    elements: readonly TimestampedValue<T>[],
    window: W,
    context: EvictorContext,
  ): readonly TimestampedValue<T>[]
  evictAfter(
    elements: readonly TimestampedValue<T>[],
    window: W,
    context: EvictorContext,
  ): readonly TimestampedValue<T>[]
}

type Evict<T> = (elements: readonly TimestampedValue<T>[]) => readonly TimestampedValue<T>[]

/** An evictor of one rule, applied before (default) or after the window function. */
export function evictorOf<T, W extends Window>(name: string, evict: Evict<T>, doEvictAfter: boolean): Evictor<T, W> {
  const keepAll: Evict<T> = (elements) => elements
  return {
    name,
    evictBefore: doEvictAfter ? keepAll : evict,
    evictAfter: doEvictAfter ? evict : keepAll,
  }
}
