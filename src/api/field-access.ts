/**
 * Field names as functions, and their types. Each function is compiled by itself, so that its property access stays
 * monomorphic however many fields a job uses.
 */
import type { KeySelector } from '../plan/stream-graph.ts'

type Depth = readonly unknown[]
type Leaf = number | bigint | string | boolean | Date | null | undefined

/** Names of T's fields whose values are V: `count`, nested `bid.price`, tuple index 1. At most four levels. */
export type FieldOf<T, V, D extends Depth = [0, 0, 0, 0]> = D extends readonly [unknown, ...infer Rest]
  ? T extends readonly unknown[]
    ? TupleIndex<T, V>
    : {
        [F in keyof T & string]-?: NonNullable<T[F]> extends V
          ? F
          : T[F] extends Leaf | readonly unknown[]
            ? never
            : `${F}.${FieldOf<NonNullable<T[F]>, V, Rest> & string}`
      }[keyof T & string]
  : never

type TupleIndex<T extends readonly unknown[], V> = {
  [I in keyof T]: T[I] extends V ? (I extends `${infer N extends number}` ? N : never) : never
}[number]

/** Fields that can be added up. */
export type NumericField<T> = FieldOf<T, number | bigint>

/** Fields that can be compared. */
export type ComparableField<T> = FieldOf<T, number | bigint | string | boolean | Date>

/** Names of T's own fields of type V. */
export type FieldWith<T, V> = { [F in keyof T]-?: T[F] extends V ? F : never }[keyof T] & string

/** A function, or the name of a field of that type. */
export type Selector<T, K> = ((value: T) => K) | FieldWith<T, K>

/** `(value) => value.field`, from a program's field name only, never from data. */
export function fieldReader(field: string): (value: never) => unknown {
  // The name is quoted by JSON.stringify, so that it cannot leave the property access.
  return new Function('value', `return value[${JSON.stringify(field)}]`) as (value: never) => unknown
}

/** `(value) => ({ a: value.a, b: value.b })`, from a program's field names only, never from data. */
export function fieldPicker(fields: readonly string[]): (value: never) => unknown {
  const names = fields.map((field) => JSON.stringify(field))
  return new Function('value', `return { ${names.map((name) => `[${name}]: value[${name}]`).join(', ')} }`) as (
    value: never,
  ) => unknown
}

export function selectorOf(selector: ((value: never) => unknown) | string): KeySelector {
  return typeof selector === 'string' ? fieldReader(selector) : selector
}
