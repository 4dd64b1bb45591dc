/**
 * Field names as functions. Each function is compiled by itself, so that its property access stays monomorphic however
 * many fields a job uses.
 */
import type { KeySelector } from '../plan/stream-graph.ts'

/** Names of T's fields whose values are numbers (or bigints). */
export type NumericField<T> = {
  [F in keyof T]-?: NonNullable<T[F]> extends number | bigint ? F : never
}[keyof T] &
  string

/** Names of T's fields whose values can be compared. */
export type ComparableField<T> = {
  [F in keyof T]-?: NonNullable<T[F]> extends number | bigint | string | Date | boolean ? F : never
}[keyof T] &
  string

/** A function, or the name of a field. */
export type Selector<T, K> = ((value: T) => K) | (keyof T & string)

/** `(value) => value.field`, from a schema's or program's field name only, never from data. */
export function fieldReader(field: string): (value: never) => unknown {
  // The name is quoted by JSON.stringify, so that it cannot leave the property access.
  return new Function('value', `return value[${JSON.stringify(field)}]`) as (value: never) => unknown
}

export function selectorOf(selector: ((value: never) => unknown) | string): KeySelector {
  return typeof selector === 'string' ? fieldReader(selector) : selector
}
