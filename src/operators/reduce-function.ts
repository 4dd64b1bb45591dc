/** Reduce functions: associative combination of two records of one type. */
import { bindFunction } from './bind-function.ts'
import type { RichFunction } from './runtime-context.ts'

export type Reduce<T> = (left: T, right: T) => T

/** Must not change `left` or `right`: both may be in use elsewhere. */
export interface RichReduceFunction<T> extends RichFunction {
  reduce(left: T, right: T): T
}

/** Combines two records into one; associative, and it changes neither of them. */
export type ReduceFunction<T> = Reduce<T> | RichReduceFunction<T>

/**
 * An associative combination as the engine runs it. `combine` makes a new record or answers one of its arguments;
 * where an owned copy may be changed in place, `own` and `absorb` save the allocation.
 */
export interface Combination<T> {
  combine(left: T, right: T): T
  /** A copy of the first record that belongs to the caller. */
  own?(first: T): T
  /** Combines into `owned`, which came from `own`, and answers what to keep: `owned`, or another owned record. */
  absorb?(owned: T, value: T): T
  /** Takes `part`, absorbed before, out of `owned` again; undefined where that cannot be told exactly. */
  retract?(owned: T, part: T): T | undefined
  /** What to emit of an owned record that goes on changing. */
  result?(owned: T): T
  readonly source: unknown
}

export function combinationOf<T>(reduce: ReduceFunction<T>): Combination<T> {
  return { combine: bindFunction<Reduce<T>>(reduce, 'reduce'), source: reduce }
}
