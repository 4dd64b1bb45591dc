/** Interval join: `left.intervalJoin(right).between(lower, upper).process(…)` on two keyed streams. */
import { perSubtask } from '../operators/own-function.ts'
import { IntervalJoinOperator, type IntervalJoinSpec } from '../operators/interval-join-operator.ts'
import type { OutputTag } from '../operators/output-tag.ts'
import { addTwoInputOperator } from './connected-streams.ts'
import type { SingleOutputStream } from './data-stream.ts'
import type { KeyedStream } from './keyed-stream.ts'

type Settings<L, R> = Omit<IntervalJoinSpec<L, R, never>, 'process'>

/** Two keyed streams: next come the bounds. */
export class IntervalJoin<L, R, K> {
  readonly #left: KeyedStream<L, K>
  readonly #right: KeyedStream<R, K>
  readonly #timeDomain: 'event-time' | 'processing-time'

  /** @internal */
  constructor(
    left: KeyedStream<L, K>,
    right: KeyedStream<R, K>,
    timeDomain: 'event-time' | 'processing-time' = 'event-time',
  ) {
    this.#left = left
    this.#right = right
    this.#timeDomain = timeDomain
  }

  /** By the records' timestamps: the default. */
  inEventTime(): IntervalJoin<L, R, K> {
    return new IntervalJoin(this.#left, this.#right, 'event-time')
  }
  /** By the time of arrival. */
  inProcessingTime(): IntervalJoin<L, R, K> {
    return new IntervalJoin(this.#left, this.#right, 'processing-time')
  }

  /** Pairs records where `left + lowerMs <= right <= left + upperMs`. */
  between(lowerMs: number, upperMs: number): IntervalJoined<L, R, K> {
    const types = { leftType: this.#left.type, rightType: this.#right.type }
    const settings = { lowerBoundMs: lowerMs, upperBoundMs: upperMs, timeDomain: this.#timeDomain, ...types }
    return new IntervalJoined(this.#left, this.#right, settings)
  }
}

/** Two keyed streams with their bounds. */
export class IntervalJoined<L, R, K> {
  readonly #left: KeyedStream<L, K>
  readonly #right: KeyedStream<R, K>
  readonly #settings: Settings<L, R>

  /** @internal */
  constructor(left: KeyedStream<L, K>, right: KeyedStream<R, K>, settings: Settings<L, R>) {
    this.#left = left
    this.#right = right
    this.#settings = settings
  }

  /** Leaves out partners exactly at the lower bound. */
  lowerBoundExclusive(): IntervalJoined<L, R, K> {
    return this.#with({ lowerBoundExclusive: true })
  }
  /** Leaves out partners exactly at the upper bound. */
  upperBoundExclusive(): IntervalJoined<L, R, K> {
    return this.#with({ upperBoundExclusive: true })
  }
  /** Where records of the first stream go that are late. */
  sideOutputLeftLateData(tag: OutputTag<L>): IntervalJoined<L, R, K> {
    return this.#with({ leftLateTag: tag })
  }
  /** Where records of the second stream go that are late. */
  sideOutputRightLateData(tag: OutputTag<R>): IntervalJoined<L, R, K> {
    return this.#with({ rightLateTag: tag })
  }

  /** Gets every pair; results carry the larger of the two timestamps. */
  process<Out>(process: IntervalJoinSpec<L, R, Out>['process']): SingleOutputStream<Out> {
    const spec = { ...this.#settings, process } as IntervalJoinSpec<L, R, Out>
    // Bounds that contradict each other are refused here, not in a slot.
    new IntervalJoinOperator(spec)
    const own = perSubtask(spec.process)
    const create = (): IntervalJoinOperator<L, R, Out> => new IntervalJoinOperator({ ...spec, process: own() })
    return addTwoInputOperator('Interval Join', create, [this.#left, this.#right])
  }

  #with(settings: Partial<Settings<L, R>>): IntervalJoined<L, R, K> {
    return new IntervalJoined(this.#left, this.#right, { ...this.#settings, ...settings })
  }
}
