/** map, filter and flatMap as node bodies: plain functions are fused into the chain, rich ones become operators. */
import { perSubtask } from '../operators/own-function.ts'
import type { Operator } from '../operators/operator.ts'
import type { Collector } from '../operators/process-context.ts'
import {
  type RichFilterFunction,
  richFilterOperator,
  type RichFlatMapFunction,
  richFlatMapOperator,
  type RichMapFunction,
  richMapOperator,
} from '../operators/rich-inline.ts'
import type { NodeBody } from '../plan/stream-graph.ts'

/** One result per record: a function, or an object with a life cycle. */
export type MapFunction<T, R> = ((value: T) => R) | RichMapFunction<T, R>
/** Decides which records stay: a function, or an object with a life cycle. */
export type FilterFunction<T> = ((value: T) => boolean) | RichFilterFunction<T>
/** Any number of results per record: returned, or given to the collector; or an object with a life cycle. */
export type FlatMapFunction<T, R> =
  | ((value: T) => Iterable<R>)
  | ((value: T, out: Collector<R>) => void)
  | RichFlatMapFunction<T, R>

export function mapBody<T, R>(map: MapFunction<T, R>): NodeBody {
  if (typeof map === 'function') return { kind: 'inline', stage: { kind: 'map', apply: map } }
  const own = perSubtask(map)
  return operatorBody(() => richMapOperator(own()))
}

export function filterBody<T>(filter: FilterFunction<T>): NodeBody {
  if (typeof filter === 'function') return { kind: 'inline', stage: { kind: 'filter', apply: filter } }
  const own = perSubtask(filter)
  return operatorBody(() => richFilterOperator(own()))
}

export function flatMapBody<T, R>(flatMap: FlatMapFunction<T, R>): NodeBody {
  if (typeof flatMap !== 'function') {
    const own = perSubtask(flatMap)
    return operatorBody(() => richFlatMapOperator(own()))
  }
  const apply = flatMap.length >= 2 ? collecting<T, R>(flatMap) : flatMap
  return { kind: 'inline', stage: { kind: 'flatMap', apply: apply as (value: T) => Iterable<R> } }
}

/** The operator's types are the stream's; the graph holds operators of any type. */
export function operatorBody<In, Out>(create: () => Operator<In, Out>): NodeBody & { readonly kind: 'operator' } {
  return { kind: 'operator', create: create as () => Operator }
}

/** A function that emits through a collector, as one that returns what it emitted: valid until the next call. */
function collecting<T, R>(emit: (value: T, out: Collector<R>) => void): (value: T) => readonly R[] {
  const emitted: R[] = []
  const collector: Collector<R> = { collect: (value) => void emitted.push(value) }
  return (value) => {
    emitted.length = 0
    emit(value, collector)
    return emitted
  }
}
