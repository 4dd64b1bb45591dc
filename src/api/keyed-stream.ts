/**
 * KeyedStream: records dealt out by key. Its operators have keyed state and timers. sum, min, max, minBy and maxBy roll:
 * each record gives the new value of its key; in batch mode each key gives its last value only.
 */
import type { TypeInformation } from '../data/types.ts'
import {
  type KeyedProcessElement,
  type KeyedProcessFunction,
  KeyedProcessOperator,
} from '../operators/keyed-process-operator.ts'
import { perSubtask } from '../operators/own-function.ts'
import { KeyedReduceOperator } from '../operators/keyed-reduce-operator.ts'
import { LocalCombineOperator } from '../operators/local-combine-operator.ts'
import { type Combination, combinationOf, type ReduceFunction } from '../operators/reduce-function.ts'
import type { RichFilterFunction, RichFlatMapFunction, RichMapFunction } from '../operators/rich-inline.ts'
import type { Upstream } from '../plan/stream-graph-builder.ts'
import type { KeySelector, NodeBody, Partitioning } from '../plan/stream-graph.ts'
import { endOfStreamWindows, globalWindows } from '../windows/assigners/global.ts'
import type { WindowAssigner } from '../windows/window-assigner.ts'
import type { GlobalWindow, Window } from '../windows/window.ts'
import { BroadcastStream, KeyedBroadcastConnectedStream, KeyedConnectedStreams } from './connected-streams.ts'
import type { SingleOutputStream } from './data-stream.ts'
import { FieldAggregations } from './field-aggregations.ts'
import { filterBody, flatMapBody, mapBody, operatorBody } from './inline-functions.ts'
import { IntervalJoin } from './interval-join.ts'
import type { StreamContext } from './stream-context.ts'
import { WindowedStream } from './windowed-stream.ts'

type OperatorBody = NodeBody & { readonly kind: 'operator' }

/** A stream dealt out by key: equal keys meet in one subtask, and functions on it may keep state per key. */
export class KeyedStream<T, K> extends FieldAggregations<T> {
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
    super()
    const partitioning: Partitioning = { kind: 'hash', keySelector }
    this.context = context
    this.upstreams = upstreams.map((way) => ({ ...way, partitioning }))
    this.keySelector = keySelector
    this.type = type
    this.keyType = keyType
  }

  /** Rolling reduce: each record gives the new value of its key. In batch mode each key gives its last value only. */
  reduce(reduce: ReduceFunction<T>): SingleOutputStream<T> {
    const own = perSubtask(reduce)
    return this.#rolling('Keyed Reduce', () => combinationOf(own()))
  }

  /** Keyed state, timers and side outputs. */
  process<R>(process: KeyedProcessFunction<K, T, R> | KeyedProcessElement<K, T, R>): SingleOutputStream<R> {
    const own = perSubtask(process)
    return this.keyed<R>(
      'Keyed Process',
      operatorBody(() => new KeyedProcessOperator(own())),
    )
  }

  /** With a keyed stream: one operator with state and timers for both. With a broadcast stream: rules for every key. */
  connect<U>(other: KeyedStream<U, K>): KeyedConnectedStreams<K, T, U>
  connect<B>(other: BroadcastStream<B>): KeyedBroadcastConnectedStream<K, T, B>
  connect<U>(
    other: KeyedStream<U, K> | BroadcastStream<U>,
  ): KeyedConnectedStreams<K, T, U> | KeyedBroadcastConnectedStream<K, T, U> {
    if (other instanceof BroadcastStream) return new KeyedBroadcastConnectedStream<K, T, U>(this, other)
    return new KeyedConnectedStreams<K, T, U>(this, other)
  }

  /** Pairs records of two keyed streams whose times are near each other. */
  intervalJoin<U>(other: KeyedStream<U, K>): IntervalJoin<T, U, K> {
    return new IntervalJoin(this, other)
  }

  /** Groups each key's records into windows. */
  window<W extends Window>(assigner: WindowAssigner<T, W>): WindowedStream<T, K, W> {
    return new WindowedStream(this, { assigner })
  }

  /** Windows of `size` records of a key; with a slide, the last `size` records at every `slide` records. */
  countWindow(size: number, slide?: number): WindowedStream<T, K, GlobalWindow> {
    return this.window(globalWindows<T>()).countBased(size, slide)
  }

  /** All records of each key as one window that ends with the input. */
  fullWindowPartition(): WindowedStream<T, K, GlobalWindow> {
    return this.window(endOfStreamWindows<T>())
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

  /** @internal Rolling results of sum, min, max, minBy and maxBy. */
  combined(name: string, combination: Combination<T>): SingleOutputStream<T> {
    return this.#rolling(`Keyed ${name}`, () => combination)
  }

  #rolling(name: string, combination: () => Combination<T>): SingleOutputStream<T> {
    const { type } = this
    const keySelector = this.keySelector as (value: T) => unknown
    const body: OperatorBody = {
      ...operatorBody(() => new KeyedReduceOperator(combination(), { type })),
      createForBatch: operatorBody(() => new KeyedReduceOperator(combination(), { type, emitFinalOnly: true })).create,
      combiner: {
        create: operatorBody(() => new LocalCombineOperator({ keySelector, combination: combination() })).create,
        batchOnly: true,
      },
    }
    return this.keyed<T>(name, body, type)
  }

  /** @internal Adds an operator with this stream as its only input. */
  keyed<R>(
    name: string,
    body: NodeBody,
    outputType?: TypeInformation<R>,
    parallelismMax?: number,
  ): SingleOutputStream<R> {
    const keyedBody: NodeBody =
      body.kind === 'operator' ? { ...body, keySelectors: [this.keySelector], keyType: this.keyType } : body
    const options = { outputType, parallelismMax }
    return this.context.streamOf<R>(this.context.graph.add(name, keyedBody, [this.upstreams], options))
  }
}
