/**
 * A cell is one state of one backend, seen through the current key and namespace: the one thing that a backend has to
 * implement per state. Value, list, map, reducing and aggregating state are thin layers over it, and window operators
 * use it as it is (`AccumulatorState`).
 *
 * Invariants
 * 1. What `get` returned may be changed in place if `touch` or `set` is called before the key changes.
 * 2. `get` and the `set`, `touch` or `clear` that follow it under the same key look the entry up once.
 */
import type { AccumulatorState, Namespace } from './keyed-state-backend.ts'
import type { StateSpec } from './state-spec.ts'

export interface StateCell<V> extends AccumulatorState<V> {
  readonly spec: StateSpec
  /** The value that `get` returned was changed in place; it grew by about `addedBytes`. */
  touch(addedBytes: number): void
  /** Entries over all namespaces. */
  entryCount(): number
  /**
   * Goes on with an endless walk over all entries, `count` of them at most: `keep` returns the value to keep (the same,
   * or another) or undefined where the entry is to be removed. For incremental clean-up.
   */
  sweep(count: number, keep: (value: V) => V | undefined): void
}

export type { Namespace }
