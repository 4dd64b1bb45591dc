/** KeyedStream: records dealt out by key. Its operators have keyed state and timers. */
import type { TypeInformation } from '../data/types.ts'
import { type FieldAggregationKind, fieldAggregation } from '../operators/field-aggregation.ts'
import { KeyedReduceOperator } from '../operators/keyed-reduce-operator.ts'
import { LocalCombineOperator } from '../operators/local-combine-operator.ts'
import { type Combination, combinationOf, type ReduceFunction } from '../operators/reduce-function.ts'
import type { RichFilterFunction, RichFlatMapFunction, RichMapFunction } from '../operators/rich-inline.ts'
import type { Upstream } from '../plan/stream-graph-builder.ts'
import type { KeySelector, NodeBody, Partitioning } from '../plan/stream-graph.ts'
import type { SingleOutputStream } from './data-stream.ts'
import type { ComparableField, NumericField } from './field-access.ts'
import { filterBody, flatMapBody, mapBody, operatorBody } from './inline-functions.ts'
import type { StreamContext } from './stream-context.ts'

type OperatorBody = NodeBody & { readonly kind: 'operator' }

/** A stream dealt out by key: equal keys meet in one subtask, and functions on it may keep state per key. */
export class KeyedStream<T, K> {
  /** @internal */
  readonly context: StreamContext
  /** @internal */
  readonly upstreams: readonly Upstream[]
  /** @internal */
  readonly keySelector: KeySelector
  readonly type: TypeInformation<T> | undefined
  readonly keyType: TypeInformation<K> | undefined

  /** @internal */
  constructor(
    context: StreamContext,
    upstreams: readonly Upstream[],
    keySelector: KeySelector,
    type: TypeInformation<T> | undefined,
    keyType: TypeInformation<K> | undefined,
  ) {
    const partitioning: Partitioning = { kind: 'hash', keySelector }
    this.context = context
    this.upstreams = upstreams.map((way) => ({ ...way, partitioning }))
    this.keySelector = keySelector
    this.type = type
    this.keyType = keyType
  }

  /** Rolling reduce: each record gives the new value of its key. In batch mode each key gives its last value only. */
  reduce(reduce: ReduceFunction<T>): SingleOutputStream<T> {
    return this.#rolling('Keyed Reduce', combinationOf(reduce))
  }

  /** Rolling sum of a field; the other fields are those of the key's first record. */
  sum(field: NumericField<T>): SingleOutputStream<T>
  sum(this: KeyedStream<number, K> | KeyedStream<bigint, K>): SingleOutputStream<T>
  sum(field?: string | number): SingleOutputStream<T> {
    return this.#aggregate('sum', field)
  }
  /** Rolling minimum of a field; the other fields are those of the key's first record. */
  min(field: ComparableField<T>): SingleOutputStream<T>
  min(this: KeyedStream<number, K> | KeyedStream<bigint, K> | KeyedStream<string, K>): SingleOutputStream<T>
  min(field?: string | number): SingleOutputStream<T> {
    return this.#aggregate('min', field)
  }
  /** Rolling maximum of a field; the other fields are those of the key's first record. */
  max(field: ComparableField<T>): SingleOutputStream<T>
  max(this: KeyedStream<number, K> | KeyedStream<bigint, K> | KeyedStream<string, K>): SingleOutputStream<T>
  max(field?: string | number): SingleOutputStream<T> {
    return this.#aggregate('max', field)
  }
  /** The whole record with the smallest field so far; on ties the first one, or the last. */
  minBy(field: ComparableField<T>, onTie: 'first' | 'last' = 'first'): SingleOutputStream<T> {
    return this.#aggregate('minBy', field, onTie)
  }
  /** The whole record with the largest field so far; on ties the first one, or the last. */
  maxBy(field: ComparableField<T>, onTie: 'first' | 'last' = 'first'): SingleOutputStream<T> {
    return this.#aggregate('maxBy', field, onTie)
  }

  /** A rich function may use the key's state. */
  map<R>(map: ((value: T) => R) | RichMapFunction<T, R>): SingleOutputStream<R> {
    return this.keyed<R>('Map', mapBody(map))
  }
  filter(filter: ((value: T) => boolean) | RichFilterFunction<T>): SingleOutputStream<T> {
    return this.keyed<T>('Filter', filterBody(filter), this.type)
  }
  flatMap<R>(flatMap: ((value: T) => Iterable<R>) | RichFlatMapFunction<T, R>): SingleOutputStream<R> {
    return this.keyed<R>('Flat Map', flatMapBody<T, R>(flatMap))
  }

  #aggregate(kind: FieldAggregationKind, field: unknown, onTie: 'first' | 'last' = 'first'): SingleOutputStream<T> {
    return this.#rolling(
      'Keyed Aggregation',
      fieldAggregation<T>({ kind, field: field as string | number | undefined, onTie }),
    )
  }

  #rolling(name: string, combination: Combination<T>): SingleOutputStream<T> {
    const { type } = this
    const keySelector = this.keySelector as (value: T) => unknown
    const body: OperatorBody = {
      ...operatorBody(() => new KeyedReduceOperator(combination, { type })),
      createForBatch: operatorBody(() => new KeyedReduceOperator(combination, { type, emitFinalOnly: true })).create,
      createCombiner: operatorBody(() => new LocalCombineOperator({ keySelector, combination })).create,
    }
    return this.keyed<T>(name, body, type)
  }

  /** @internal Adds an operator with this stream as its only input. */
  keyed<R>(name: string, body: NodeBody, outputType?: TypeInformation<R>): SingleOutputStream<R> {
    const keyedBody: NodeBody =
      body.kind === 'operator' ? { ...body, keySelectors: [this.keySelector], keyType: this.keyType } : body
    return this.context.streamOf<R>(this.context.graph.add(name, keyedBody, [this.upstreams], { outputType }))
  }
}
