/**
 * Window join and coGroup: `left.join(right).where(…).equalTo(…).window(…).apply(…)`. Immutable, as everywhere: an
 * operator comes with `apply`.
 */
import type { OutputTag } from '../operators/output-tag.ts'
import {
  type CoGroup,
  type CoGroupFunction,
  coGroupOperator,
  type FlatJoinFunction,
  type Join,
  type JoinFunction,
  type JoinSpec,
  type Sided,
  windowJoinOperator,
} from '../windows/co-group-operator.ts'
import type { Evictor } from '../windows/evictor.ts'
import type { Trigger } from '../windows/trigger.ts'
import type { WindowAssigner } from '../windows/window-assigner.ts'
import type { Window } from '../windows/window.ts'
import { addTwoInputOperator, type ConnectableStream, requireSameJob } from './connected-streams.ts'
import type { DataStream, SingleOutputStream } from './data-stream.ts'
import type { Selector } from './field-access.ts'

/** `join`: the function gets every pair. `coGroup`: it gets all records of both sides at once. */
export type PairingKind = 'join' | 'coGroup'

/** What `apply` takes. */
export type PairFunction<Kind extends PairingKind, L, R, Out> = Kind extends 'join'
  ? Join<L, R, Out> | JoinFunction<L, R, Out> | FlatJoinFunction<L, R, Out>
  : CoGroup<L, R, Out> | CoGroupFunction<L, R, Out>

/** Two streams to be joined: next comes the key of the first. */
export class PairedStreams<Kind extends PairingKind, L, R> {
  readonly #kind: Kind
  readonly #left: DataStream<L>
  readonly #right: DataStream<R>

  /** @internal */
  constructor(kind: Kind, left: DataStream<L>, right: DataStream<R>) {
    requireSameJob(left, right)
    this.#kind = kind
    this.#left = left
    this.#right = right
  }

  /** The key of the first stream: a function or a field name. */
  where<F extends keyof L & string>(field: F): { equalTo(selector: Selector<R, L[F]>): PairedByKey<Kind, L, R> }
  where<K>(selector: (value: L) => K): { equalTo(selector: Selector<R, K>): PairedByKey<Kind, L, R> }
  where<K>(selector: Selector<L, K>): { equalTo(selector: Selector<R, K>): PairedByKey<Kind, L, R> } {
    const left = this.#left.keyBy(selector as (value: L) => K)
    return {
      equalTo: (other) => new PairedByKey(this.#kind, left, this.#right.keyBy(other as (value: R) => K)),
    }
  }
}

/** Two streams with their keys: next comes the window. */
export class PairedByKey<Kind extends PairingKind, L, R> {
  readonly #kind: Kind
  readonly #left: ConnectableStream
  readonly #right: ConnectableStream

  /** @internal */
  constructor(kind: Kind, left: ConnectableStream, right: ConnectableStream) {
    this.#kind = kind
    this.#left = left
    this.#right = right
  }

  /** Groups the records of both streams into windows. */
  window<W extends Window>(assigner: WindowAssigner<Sided<L, R>, W>): WindowedPair<Kind, L, R, W> {
    return new WindowedPair(this.#kind, [this.#left, this.#right], { assigner })
  }
}

/** Two streams by key and window. */
export class WindowedPair<Kind extends PairingKind, L, R, W extends Window> {
  readonly #kind: Kind
  readonly #sides: readonly [ConnectableStream, ConnectableStream]
  readonly #spec: JoinSpec<L, R, W>

  /** @internal */
  constructor(kind: Kind, sides: readonly [ConnectableStream, ConnectableStream], spec: JoinSpec<L, R, W>) {
    this.#kind = kind
    this.#sides = sides
    this.#spec = spec
  }

  /** When windows emit, in place of the assigner's own trigger. */
  trigger(trigger: Trigger<Sided<L, R>, W>): WindowedPair<Kind, L, R, W> {
    return this.#with({ trigger })
  }
  /** Drops elements before or after the function sees them. */
  evictor(evictor: Evictor<Sided<L, R>, W>): WindowedPair<Kind, L, R, W> {
    return this.#with({ evictor })
  }
  /** How long after its end a window takes late records, and fires again with each. */
  allowedLateness(latenessMs: number): WindowedPair<Kind, L, R, W> {
    return this.#with({ allowedLatenessMs: latenessMs })
  }
  /** Where records of either side go that are too late. */
  sideOutputLateData(tag: OutputTag<Sided<L, R>>): WindowedPair<Kind, L, R, W> {
    return this.#with({ lateTag: tag })
  }

  /** The function that makes results of pairs (join), or of both sides at once (coGroup). */
  apply<Out>(apply: PairFunction<Kind, L, R, Out>): SingleOutputStream<Out> {
    const spec = this.#spec
    if (this.#kind === 'join') {
      const join = apply as PairFunction<'join', L, R, Out>
      return addTwoInputOperator('Window Join', () => windowJoinOperator(spec, join), this.#sides)
    }
    const coGroup = apply as PairFunction<'coGroup', L, R, Out>
    return addTwoInputOperator('Window CoGroup', () => coGroupOperator(spec, coGroup), this.#sides)
  }

  #with(settings: Partial<JoinSpec<L, R, W>>): WindowedPair<Kind, L, R, W> {
    return new WindowedPair(this.#kind, this.#sides, { ...this.#spec, ...settings })
  }
}
