/** All records of one subtask as one window that ends with the input (Flink's fullWindowPartition). */
import { perSubtask } from '../operators/own-function.ts'
import type { ReduceFunction } from '../operators/reduce-function.ts'
import { combinationOf } from '../operators/reduce-function.ts'
import {
  type MapPartition,
  MapPartitionOperator,
  PartitionAggregateOperator,
  PartitionReduceOperator,
  sortPartition,
} from '../operators/partition-window-operator.ts'
import type { AggregateFunction } from '../state/keyed-state-backend.ts'
import type { TypeInformation } from '../data/types.ts'
import type { Upstream } from '../plan/stream-graph-builder.ts'
import type { Operator } from '../operators/operator.ts'
import type { SingleOutputStream } from './data-stream.ts'
import { selectorOf } from './field-access.ts'
import { operatorBody } from './inline-functions.ts'
import type { StreamContext } from './stream-context.ts'

/** All records of each subtask as one window, computed at the end of the input. */
export class PartitionWindowedStream<T> {
  readonly #context: StreamContext
  readonly #upstreams: readonly Upstream[]
  readonly #type: TypeInformation<T> | undefined

  /** @internal */
  constructor(context: StreamContext, upstreams: readonly Upstream[], type: TypeInformation<T> | undefined) {
    this.#context = context
    this.#upstreams = upstreams
    this.#type = type
  }

  reduce(reduce: ReduceFunction<T>): SingleOutputStream<T> {
    const own = perSubtask(reduce)
    const create = (): Operator<T, T> => new PartitionReduceOperator(combinationOf(own()), this.#type)
    return this.#transform('Partition Reduce', create, this.#type)
  }
  aggregate<Acc, R>(aggregate: AggregateFunction<T, Acc, R>): SingleOutputStream<R> {
    const own = perSubtask(aggregate)
    return this.#transform('Partition Aggregate', () => new PartitionAggregateOperator(own()))
  }
  /** Sees all records of the partition at once; they are kept in memory until the input ends. */
  mapPartition<R>(map: MapPartition<T, R>): SingleOutputStream<R> {
    const own = perSubtask(map)
    return this.#transform('Map Partition', () => new MapPartitionOperator(own(), this.#type))
  }
  /** Emits the partition's records in order of a key; equal keys keep their order. */
  sortPartition(
    selector: ((value: T) => unknown) | (keyof T & string),
    order: 'ascending' | 'descending' = 'ascending',
  ): SingleOutputStream<T> {
    const key = selectorOf(selector) as (value: T) => unknown
    const create = (): Operator<T, T> => new MapPartitionOperator(sortPartition(key, order), this.#type)
    return this.#transform('Sort Partition', create, this.#type)
  }

  #transform<R>(name: string, create: () => Operator<T, R>, outputType?: TypeInformation<R>): SingleOutputStream<R> {
    const node = this.#context.graph.add(name, operatorBody(create), [this.#upstreams], { outputType })
    return this.#context.streamOf<R>(node)
  }
}
