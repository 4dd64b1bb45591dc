/** sum, min, max, minBy and maxBy by field, which keyed and windowed streams have alike. */
import { type FieldAggregationKind, fieldAggregation } from '../operators/field-aggregation.ts'
import type { Combination } from '../operators/reduce-function.ts'
import type { SingleOutputStream } from './data-stream.ts'
import type { ComparableField, NumericField } from './field-access.ts'

type Comparables = FieldAggregations<number> | FieldAggregations<bigint> | FieldAggregations<string>

/** Fields go by name (`'price'`, nested `'bid.price'`) or tuple index; records that are plain values need none. */
export abstract class FieldAggregations<T> {
  /** @internal */
  abstract combined(name: string, combination: Combination<T>): SingleOutputStream<T>

  /** Adds a field up; the other fields are those of the first record. */
  sum(field: NumericField<T>): SingleOutputStream<T>
  sum(this: FieldAggregations<number> | FieldAggregations<bigint>): SingleOutputStream<T>
  sum(field?: string | number): SingleOutputStream<T> {
    return this.#by('sum', field)
  }
  /** The smallest value of a field; the other fields are those of the first record. */
  min(field: ComparableField<T>): SingleOutputStream<T>
  min(this: Comparables): SingleOutputStream<T>
  min(field?: string | number): SingleOutputStream<T> {
    return this.#by('min', field)
  }
  /** The largest value of a field; the other fields are those of the first record. */
  max(field: ComparableField<T>): SingleOutputStream<T>
  max(this: Comparables): SingleOutputStream<T>
  max(field?: string | number): SingleOutputStream<T> {
    return this.#by('max', field)
  }
  /** The whole record with the smallest field; on ties the first one, or the last. */
  minBy(field: ComparableField<T>, onTie: 'first' | 'last' = 'first'): SingleOutputStream<T> {
    return this.#by('minBy', field, onTie)
  }
  /** The whole record with the largest field; on ties the first one, or the last. */
  maxBy(field: ComparableField<T>, onTie: 'first' | 'last' = 'first'): SingleOutputStream<T> {
    return this.#by('maxBy', field, onTie)
  }

  #by(kind: FieldAggregationKind, field: unknown, onTie: 'first' | 'last' = 'first'): SingleOutputStream<T> {
    const aggregation = { kind, field: field as string | number | undefined, onTie }
    return this.combined('Aggregation', fieldAggregation<T>(aggregation))
  }
}
