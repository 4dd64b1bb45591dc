/**
 * Incremental window contents: reduce and aggregate functions in the one form that the window operators run. Hot.
 *
 * Ownership: an accumulator belongs to its window or slice. `add` may change its accumulator and `merge` its left
 * argument; `merge` never changes the right one, which may be a slice that other windows share.
 */
import type { TypeInformation } from '../data/types.ts'
import type { Combination } from '../operators/reduce-function.ts'
import type { AggregateFunction } from '../state/keyed-state-backend.ts'

export interface Incremental<In, Acc, Mid> {
  /** Declared type of the accumulator. */
  readonly type: TypeInformation<Acc> | undefined
  /** The user's function, for open and close. */
  readonly source: unknown
  first(value: In): Acc
  add(value: In, accumulator: Acc): Acc
  readonly merge: ((left: Acc, right: Acc) => Acc) | undefined
  /** An accumulator with the same content that may be changed. */
  fresh(accumulator: Acc): Acc
  /** Undefined as answer: cannot be told exactly, merge anew. */
  readonly retract: ((total: Acc, part: Acc) => Acc | undefined) | undefined
  result(accumulator: Acc): Mid
  readonly inline: InlineCode
}

/** `first` and `add` for generated code: expressions over `value`, `accumulator` and the bindings. */
export interface InlineCode {
  readonly bindings: Readonly<Record<string, unknown>>
  readonly first: string
  readonly add: string
}

export function incrementalReduce<T>(combination: Combination<T>, type?: TypeInformation<T>): Incremental<T, T, T> {
  const { combine, own = shallowCopy, absorb = combine, retract } = combination
  return {
    type,
    source: combination.source,
    first: own,
    add: (value, accumulator) => absorb(accumulator, value),
    merge: absorb,
    fresh: own,
    retract,
    // What goes on changing is copied by whoever emits it (`detachedResult`).
    result: (accumulator) => accumulator,
    inline: { bindings: { own, absorb }, first: 'own(value)', add: 'absorb(accumulator, value)' },
  }
}

export function incrementalAggregate<In, Acc, Out>(
  aggregate: AggregateFunction<In, Acc, Out>,
): Incremental<In, Acc, Out> {
  const { merge, retract } = aggregate
  return {
    type: aggregate.accumulatorType,
    source: aggregate,
    first: (value) => aggregate.add(value, aggregate.createAccumulator()),
    add: (value, accumulator) => aggregate.add(value, accumulator),
    merge: merge === undefined ? undefined : (left, right) => aggregate.merge!(left, right),
    fresh: (accumulator) =>
      aggregate.merge === undefined
        ? shallowCopy(accumulator)
        : aggregate.merge(aggregate.createAccumulator(), accumulator),
    retract: retract === undefined ? undefined : (total, part) => aggregate.retract!(total, part),
    result: (accumulator) => aggregate.getResult(accumulator),
    inline: {
      bindings: { aggregate },
      first: 'aggregate.add(value, aggregate.createAccumulator())',
      add: 'aggregate.add(value, accumulator)',
    },
  }
}

/** A result that its receiver may change: never the accumulator itself, which lives on. */
export function detachedResult<In, Acc, Mid>(incremental: Incremental<In, Acc, Mid>, accumulator: Acc): Mid {
  const result = incremental.result(accumulator)
  if (typeof result !== 'object' || (result as unknown) !== accumulator) return result
  return incremental.fresh(accumulator) as unknown as Mid
}

/** Guards records against reduce functions that change their left argument: one copy per window, not per record. */
export function shallowCopy<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.slice() as T
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype) return { ...value }
  return Object.assign(Object.create(prototype as object | null) as object, value) as T
}
