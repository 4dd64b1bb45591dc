/** Two streams that one operator reads, with functions for each and shared state. */
import { MillraceError } from '../common/errors.ts'
import {
  type CoFlatMapFunction,
  coFlatMapOperator,
  type CoMapFunction,
  coMapOperator,
  type CoProcessFunction,
  CoProcessOperator,
} from '../operators/co-map-operator.ts'
import type { Operator } from '../operators/operator.ts'
import type { Upstream } from '../plan/stream-graph-builder.ts'
import type { SingleOutputStream } from './data-stream.ts'
import { operatorBody } from './inline-functions.ts'
import type { StreamContext } from './stream-context.ts'

/** What connect needs of its two sides. */
export interface ConnectableStream {
  readonly context: StreamContext
  readonly upstreams: readonly Upstream[]
}

/** Two streams of different types that one function reads, each through its own method. */
export class ConnectedStreams<In1, In2> {
  readonly #first: ConnectableStream
  readonly #second: ConnectableStream
  declare readonly in1?: In1
  declare readonly in2?: In2

  /** @internal */
  constructor(first: ConnectableStream, second: ConnectableStream) {
    requireSameJob(first, second)
    this.#first = first
    this.#second = second
  }

  map<R>(map: CoMapFunction<In1, In2, R>): SingleOutputStream<R> {
    return this.#transform<R>('Co-Map', () => coMapOperator(map))
  }
  flatMap<R>(flatMap: CoFlatMapFunction<In1, In2, R>): SingleOutputStream<R> {
    return this.#transform<R>('Co-Flat Map', () => coFlatMapOperator(flatMap))
  }
  process<R>(process: CoProcessFunction<In1, In2, R>): SingleOutputStream<R> {
    return this.#transform<R>('Co-Process', () => new CoProcessOperator(process))
  }

  #transform<R>(name: string, create: () => Operator<In1, R>): SingleOutputStream<R> {
    const { context } = this.#first
    const inputs = [this.#first.upstreams, this.#second.upstreams]
    return context.streamOf<R>(context.graph.add(name, operatorBody(create), inputs))
  }
}

/** MR_PLAN_INVALID where two streams belong to different environments. */
export function requireSameJob(first: ConnectableStream, second: ConnectableStream): void {
  if (first.context === second.context) return
  throw new MillraceError('MR_PLAN_INVALID', 'streams of different environments cannot be combined')
}
