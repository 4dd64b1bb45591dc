/** Two streams that one operator reads, with a function for each side and, where keyed, shared state. */
import { MillraceError } from '../common/errors.ts'
import type { TypeInformation } from '../data/types.ts'
import { perSubtask } from '../operators/own-function.ts'
import { type BroadcastProcessFunction, BroadcastProcessOperator } from '../operators/broadcast-process-operator.ts'
import {
  type CoFlatMapFunction,
  coFlatMapOperator,
  type CoMapFunction,
  coMapOperator,
  type CoProcessFunction,
  CoProcessOperator,
} from '../operators/co-map-operator.ts'
import {
  type KeyedBroadcastProcessFunction,
  KeyedBroadcastProcessOperator,
} from '../operators/keyed-broadcast-process-operator.ts'
import { type KeyedCoProcessFunction, KeyedCoProcessOperator } from '../operators/keyed-co-process-operator.ts'
import type { Operator } from '../operators/operator.ts'
import type { Upstream } from '../plan/stream-graph-builder.ts'
import type { KeySelector } from '../plan/stream-graph.ts'
import type { SingleOutputStream } from './data-stream.ts'
import { type FieldWith, selectorOf } from './field-access.ts'
import { operatorBody } from './inline-functions.ts'
import type { StreamContext } from './stream-context.ts'

/** What connecting needs of a side. */
export interface ConnectableStream {
  readonly context: StreamContext
  readonly upstreams: readonly Upstream[]
  readonly keySelector?: KeySelector
  readonly keyType?: TypeInformation<unknown>
}

/** Adds an operator with two inputs; keyed where the first side is. */
export function addTwoInputOperator<In, R>(
  name: string,
  create: () => Operator<In, R>,
  [first, second]: readonly [ConnectableStream, ConnectableStream],
  parallelismMax?: number,
): SingleOutputStream<R> {
  requireSameJob(first, second)
  const { context, keySelector, keyType } = first
  const keyed = keySelector === undefined ? {} : { keySelectors: [keySelector, second.keySelector], keyType }
  const body = { ...operatorBody(create), ...keyed }
  return context.streamOf<R>(context.graph.add(name, body, [first.upstreams, second.upstreams], { parallelismMax }))
}

/** MR_PLAN_INVALID where two streams belong to different environments. */
export function requireSameJob(first: ConnectableStream, second: ConnectableStream): void {
  if (first.context === second.context) return
  throw new MillraceError('MR_PLAN_INVALID', 'streams of different environments cannot be combined')
}

/** Two streams without keys, or with them: `keyBy`. */
export class ConnectedStreams<In1, In2> {
  readonly #sides: readonly [ConnectableStream, ConnectableStream]

  /** @internal */
  constructor(first: ConnectableStream, second: ConnectableStream) {
    requireSameJob(first, second)
    this.#sides = [first, second]
  }

  /** One result per record. */
  map<R>(map: CoMapFunction<In1, In2, R>): SingleOutputStream<R> {
    const own = perSubtask(map)
    return addTwoInputOperator('Co-Map', () => coMapOperator(own()), this.#sides)
  }
  /** Any number of results per record. */
  flatMap<R>(flatMap: CoFlatMapFunction<In1, In2, R>): SingleOutputStream<R> {
    const own = perSubtask(flatMap)
    return addTwoInputOperator('Co-Flat Map', () => coFlatMapOperator(own()), this.#sides)
  }
  /** Any number of results per record, side outputs, time. */
  process<R>(process: CoProcessFunction<In1, In2, R>): SingleOutputStream<R> {
    const own = perSubtask(process)
    return addTwoInputOperator('Co-Process', () => new CoProcessOperator(own()), this.#sides)
  }

  /** Deals both streams out by key, so that equal keys of both meet. */
  keyBy<K>(
    selector1: (value: In1) => K,
    selector2: (value: In2) => K,
    keyType?: TypeInformation<K>,
  ): KeyedConnectedStreams<K, In1, In2>
  keyBy<F extends keyof In1 & string>(
    field1: F,
    field2: FieldWith<In2, In1[F]>,
    keyType?: TypeInformation<In1[F]>,
  ): KeyedConnectedStreams<In1[F], In1, In2>
  keyBy<K>(
    selector1: ((value: In1) => K) | string,
    selector2: ((value: In2) => K) | string,
    keyType?: TypeInformation<K>,
  ): KeyedConnectedStreams<K, In1, In2> {
    const [first, second] = this.#sides
    return new KeyedConnectedStreams(keyed(first, selector1, keyType), keyed(second, selector2, keyType))
  }
}

function keyed<T, K>(
  side: ConnectableStream,
  selector: ((value: T) => K) | string,
  keyType: TypeInformation<K> | undefined,
): ConnectableStream {
  const keySelector = selectorOf(selector)
  const upstreams = side.upstreams.map((way) => ({ ...way, partitioning: { kind: 'hash', keySelector } as const }))
  return { context: side.context, upstreams, keySelector, keyType }
}

/** Two streams with keys of one kind: their operators share keyed state and timers. */
export class KeyedConnectedStreams<K, In1, In2> {
  readonly #sides: readonly [ConnectableStream, ConnectableStream]

  /** @internal */
  constructor(first: ConnectableStream, second: ConnectableStream) {
    requireSameJob(first, second)
    this.#sides = [first, second]
  }

  /** One result per record; rich functions may use the key's state. */
  map<R>(map: CoMapFunction<In1, In2, R>): SingleOutputStream<R> {
    const own = perSubtask(map)
    return addTwoInputOperator('Co-Map', () => coMapOperator(own()), this.#sides)
  }
  /** Any number of results per record; rich functions may use the key's state. */
  flatMap<R>(flatMap: CoFlatMapFunction<In1, In2, R>): SingleOutputStream<R> {
    const own = perSubtask(flatMap)
    return addTwoInputOperator('Co-Flat Map', () => coFlatMapOperator(own()), this.#sides)
  }
  /** Keyed state, timers and side outputs for both sides. */
  process<R>(process: KeyedCoProcessFunction<K, In1, In2, R>): SingleOutputStream<R> {
    const own = perSubtask(process)
    return addTwoInputOperator('Keyed Co-Process', () => new KeyedCoProcessOperator(own()), this.#sides)
  }
}

/** A stream that every subtask gets in full, with broadcast state: `rules.broadcast(descriptor)`. */
export class BroadcastStream<B> {
  /** @internal */
  readonly context: StreamContext
  /** @internal */
  readonly upstreams: readonly Upstream[]
  readonly type: TypeInformation<B> | undefined

  /** @internal */
  constructor(context: StreamContext, upstreams: readonly Upstream[], type: TypeInformation<B> | undefined) {
    this.context = context
    this.upstreams = upstreams
    this.type = type
  }
}

/** Records against rules: Flink's broadcast state pattern. */
export class BroadcastConnectedStream<In, B> {
  readonly #sides: readonly [ConnectableStream, ConnectableStream]

  /** @internal */
  constructor(records: ConnectableStream, rules: BroadcastStream<B>) {
    requireSameJob(records, rules)
    this.#sides = [records, rules]
  }

  /** The rules' side writes broadcast state, the records' side reads it. */
  process<R>(process: BroadcastProcessFunction<In, B, R>): SingleOutputStream<R> {
    const own = perSubtask(process)
    return addTwoInputOperator('Broadcast Process', () => new BroadcastProcessOperator(own()), this.#sides)
  }
}

/** Keyed records against rules: with keyed state, timers, and a way for rules to reach the state of every key. */
export class KeyedBroadcastConnectedStream<K, In, B> {
  readonly #sides: readonly [ConnectableStream, ConnectableStream]

  /** @internal */
  constructor(records: ConnectableStream, rules: BroadcastStream<B>) {
    requireSameJob(records, rules)
    this.#sides = [records, rules]
  }

  /** The rules' side writes broadcast state, the records' side reads it and has its key's state and timers. */
  process<R>(process: KeyedBroadcastProcessFunction<K, In, B, R>): SingleOutputStream<R> {
    const own = perSubtask(process)
    const create = (): Operator<In, R> => new KeyedBroadcastProcessOperator<K, In, B, R>(own())
    return addTwoInputOperator('Keyed Broadcast Process', create, this.#sides)
  }
}
