/**
 * sum, min, max, minBy and maxBy over a field: by name (`'price'`, nested `'bid.price'`), by tuple index, or over the
 * record itself where that is a plain value. Flink's rules: sum, min and max keep the other fields of the first
 * record; minBy and maxBy keep the whole record, on ties the first one (or the last, if asked).
 */
import { MillraceError } from '../common/errors.ts'
import { printValue } from '../common/print-value.ts'
import type { Combination } from './reduce-function.ts'

export type FieldAggregationKind = 'sum' | 'min' | 'max' | 'minBy' | 'maxBy'

export interface FieldAggregation {
  readonly kind: FieldAggregationKind
  /** Undefined: the record itself. */
  readonly field: string | number | undefined
  /** minBy and maxBy: which record wins a tie. Default `first`. */
  readonly onTie?: 'first' | 'last'
}

type Comparable = number | bigint | string | boolean | Date
type Bag = Record<string | number, unknown>

export function fieldAggregation<T>(aggregation: FieldAggregation): Combination<T> {
  const { kind, field, onTie = 'first' } = aggregation
  if (kind === 'minBy' || kind === 'maxBy') return selection<T>(aggregation, readerOf(field), onTie)
  const merge = mergeOf(kind, aggregation)
  if (field === undefined) return whole<T>(merge, aggregation)
  const path = pathOf(field)
  return path.length === 1 ? flat<T>(path[0]!, merge, aggregation) : nested<T>(path, merge, aggregation)
}

type Merge = (left: Comparable, right: Comparable) => Comparable

function mergeOf(kind: 'sum' | 'min' | 'max', aggregation: FieldAggregation): Merge {
  if (kind === 'min') return (left, right) => (checkComparable(left, right, aggregation), right < left ? right : left)
  if (kind === 'max') return (left, right) => (checkComparable(left, right, aggregation), right > left ? right : left)
  return (left, right) => {
    if (typeof left === 'number' && typeof right === 'number') return left + right
    if (typeof left === 'bigint' && typeof right === 'bigint') return left + right
    throw mismatch(aggregation, left, right)
  }
}

function whole<T>(merge: Merge, source: FieldAggregation): Combination<T> {
  const combine = merge as unknown as (left: T, right: T) => T
  if (source.kind !== 'sum') return { combine, source }
  return { combine, retract: subtract as (owned: T, part: T) => T | undefined, source }
}

function flat<T>(name: string | number, merge: Merge, source: FieldAggregation): Combination<T> {
  const slow = (owned: T, value: T): T => {
    const bag = owned as Bag
    bag[name] = merge(bag[name] as Comparable, (value as Bag)[name] as Comparable)
    return owned
  }
  const absorb = source.kind === 'sum' ? generatedSum<T>(name, slow) : slow
  const combine = (left: T, right: T): T => absorb(copy(left), right)
  return source.kind === 'sum'
    ? { combine, own: copy, absorb, retract: subtractField(name), result: copy, source }
    : { combine, own: copy, absorb, result: copy, source }
}

/** The sum of a field of its own for each use: V8 then sees one shape of records at each access. */
function generatedSum<T>(name: string | number, slow: (owned: T, value: T) => T): (owned: T, value: T) => T {
  const field = `[${JSON.stringify(name)}]`
  const make = new Function(
    'slow',
    `'use strict'
return function (owned, value) {
  const left = owned${field}, right = value${field}
  if (typeof left !== 'number' || typeof right !== 'number') return slow(owned, value)
  owned${field} = left + right
  return owned
}`,
  ) as (fallback: (owned: T, value: T) => T) => (owned: T, value: T) => T
  return make(slow)
}

/** Whole numbers and bigints only: what was added to a fraction cannot be taken out exactly. */
function subtractField<T>(name: string | number): (owned: T, part: T) => T | undefined {
  return (owned, part) => {
    const bag = owned as Bag
    const difference = subtract(bag[name], (part as Bag)[name])
    if (difference === undefined) return undefined
    bag[name] = difference
    return owned
  }
}

function subtract(total: unknown, part: unknown): number | bigint | undefined {
  if (typeof total === 'bigint' && typeof part === 'bigint') return total - part
  return Number.isSafeInteger(total) && Number.isSafeInteger(part) ? (total as number) - (part as number) : undefined
}

function nested<T>(path: readonly string[], merge: Merge, source: unknown): Combination<T> {
  const read = readerAlong(path)
  return {
    combine: (left, right) => replace(left, path, 0, merge(read(left) as Comparable, read(right) as Comparable)) as T,
    source,
  }
}

function selection<T>(
  source: FieldAggregation,
  read: (value: unknown) => unknown,
  onTie: 'first' | 'last',
): Combination<T> {
  const sign = source.kind === 'maxBy' ? -1 : 1
  return {
    source,
    combine: (left, right) => {
      const a = read(left) as Comparable
      const b = read(right) as Comparable
      checkComparable(a, b, source)
      const order = (a < b ? -1 : a > b ? 1 : 0) * sign
      if (order === 0) return onTie === 'first' ? left : right
      return order < 0 ? left : right
    },
  }
}

function checkComparable(left: unknown, right: unknown, aggregation: FieldAggregation): void {
  if (typeof left === typeof right && left !== undefined && left !== null && right !== null) return
  throw mismatch(aggregation, left, right)
}

function mismatch({ kind, field }: FieldAggregation, left: unknown, right: unknown): MillraceError {
  const place = field === undefined ? 'the record' : `field ${JSON.stringify(field)}`
  const wanted = kind === 'sum' ? 'numbers (or bigints)' : 'values that compare'
  return new MillraceError(
    'MR_DATA_TYPE_MISMATCH',
    `${kind} needs ${wanted} in ${place}, found ${printValue(left, 60)} and ${printValue(right, 60)}`,
  )
}

/** A shallow copy of a record: tuple, instance of a class, or plain object. */
function copy<T>(value: T): T {
  if (Array.isArray(value)) return value.slice() as T
  const prototype: unknown = Object.getPrototypeOf(value)
  const fresh = { ...value }
  return prototype === Object.prototype || prototype === null
    ? fresh
    : Object.setPrototypeOf(fresh, prototype as object)
}

function replace(value: unknown, path: readonly string[], depth: number, leaf: unknown): unknown {
  if (depth === path.length) return leaf
  const fresh = copy(value) as Bag
  fresh[path[depth]!] = replace(fresh[path[depth]!], path, depth + 1, leaf)
  return fresh
}

function pathOf(field: string | number): readonly string[] {
  return typeof field === 'number' ? [String(field)] : field.split('.')
}

function readerOf(field: string | number | undefined): (value: unknown) => unknown {
  return field === undefined ? (value) => value : readerAlong(pathOf(field))
}

function readerAlong(path: readonly string[]): (value: unknown) => unknown {
  const [first, ...rest] = path as [string, ...string[]]
  if (rest.length === 0) return (value) => (value as Bag)[first]
  return (value) => rest.reduce((part, name) => (part as Bag | undefined)?.[name], (value as Bag)[first])
}
