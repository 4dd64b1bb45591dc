/**
 * WindowedStream: the records of each key, grouped into windows. AllWindowedStream: all records, in one subtask.
 * Immutable: each setting gives a new stream. An operator comes with reduce, aggregate, process or a field aggregation.
 */
import type { TypeInformation } from '../data/types.ts'
import { perSubtask } from '../operators/own-function.ts'
import type { OutputTag } from '../operators/output-tag.ts'
import type { Collector } from '../operators/process-context.ts'
import { type Combination, combinationOf, type ReduceFunction } from '../operators/reduce-function.ts'
import { lifeCycleOf, type RichFunction } from '../operators/runtime-context.ts'
import type { Combiner, KeySelector, NodeBody } from '../plan/stream-graph.ts'
import type { AggregateFunction } from '../state/keyed-state-backend.ts'
import { createWindowOperator } from '../windows/create-window-operator.ts'
import type { WindowProcessor } from '../windows/emit-window.ts'
import type { Evictor } from '../windows/evictor.ts'
import { type Incremental, incrementalAggregate, incrementalReduce } from '../windows/incremental.ts'
import { countEvictor } from '../windows/evictors/count-evictor.ts'
import { countTrigger } from '../windows/triggers/count-trigger.ts'
import { purgingTrigger } from '../windows/triggers/purging-trigger.ts'
import type { Trigger } from '../windows/trigger.ts'
import { keyOfPartial, partialType } from '../windows/two-phase/partial-aggregate.ts'
import {
  createLocalWindowOperator,
  createMergingWindowOperator,
  hasTwoPhases,
} from '../windows/two-phase/two-phase-window.ts'
import type { WindowAssigner } from '../windows/window-assigner.ts'
import type { WindowContext } from '../windows/window-function.ts'
import { checkedWindowSpec, windowOperatorName, type WindowSpec } from '../windows/window-spec.ts'
import type { Window } from '../windows/window.ts'
import type { SingleOutputStream } from './data-stream.ts'
import { FieldAggregations } from './field-aggregations.ts'
import { operatorBody } from './inline-functions.ts'
import type { KeyedStream } from './keyed-stream.ts'

export interface WindowSettings<T, W extends Window> {
  readonly assigner: WindowAssigner<T, W>
  readonly trigger?: Trigger<T, W>
  readonly evictor?: Evictor<T, W>
  readonly allowedLatenessMs?: number
  readonly lateTag?: OutputTag<T>
}

/** The records of each key in windows. Each setting gives a new stream. */
export class WindowedStream<T, K, W extends Window> extends FieldAggregations<T> {
  readonly #input: KeyedStream<T, K>
  readonly #settings: WindowSettings<T, W>
  /** Set for windowAll. */
  readonly #parallelismMax: number

  /** @internal */
  constructor(input: KeyedStream<T, K>, settings: WindowSettings<T, W>, parallelismMax: number = Infinity) {
    super()
    this.#input = input
    this.#settings = settings
    this.#parallelismMax = parallelismMax
  }

  /** When windows emit, in place of the assigner's own trigger. */
  trigger(trigger: Trigger<T, W>): WindowedStream<T, K, W> {
    return this.#with({ trigger })
  }
  /** Drops elements before or after the window function sees them; the window then keeps all its elements. */
  evictor(evictor: Evictor<T, W>): WindowedStream<T, K, W> {
    return this.#with({ evictor })
  }
  /** How long after its end a window takes late records, and fires again with each. */
  allowedLateness(latenessMs: number): WindowedStream<T, K, W> {
    return this.#with({ allowedLatenessMs: latenessMs })
  }
  /** Where records go that are too late for every window: `getSideOutput(tag)` of the result. */
  sideOutputLateData(tag: OutputTag<T>): WindowedStream<T, K, W> {
    return this.#with({ lateTag: tag })
  }

  /** Combines records as they come; with a second function, that one gets the combined record and the window. */
  reduce(reduce: ReduceFunction<T>): SingleOutputStream<T>
  reduce<R>(reduce: ReduceFunction<T>, process: WindowProcessor<T, R, K, W>): SingleOutputStream<R>
  reduce<R>(reduce: ReduceFunction<T>, process?: WindowProcessor<T, R, K, W>): SingleOutputStream<R> {
    const incremental = (own: ReduceFunction<T>): Incremental<T, T, T> =>
      incrementalReduce(combinationOf(own), this.#input.type)
    const outputType = process === undefined ? this.#input.type : undefined
    return this.#transform<T, T, R, ReduceFunction<T>>(
      [reduce, incremental],
      process,
      outputType as TypeInformation<unknown> as TypeInformation<R>,
    )
  }

  /** Folds records into an accumulator as they come; with a second function, that one gets the result and the window. */
  aggregate<Acc, Mid>(aggregate: AggregateFunction<T, Acc, Mid>): SingleOutputStream<Mid>
  aggregate<Acc, Mid, R>(
    aggregate: AggregateFunction<T, Acc, Mid>,
    process: WindowProcessor<Mid, R, K, W>,
  ): SingleOutputStream<R>
  aggregate<Acc, Mid, R>(
    aggregate: AggregateFunction<T, Acc, Mid>,
    process?: WindowProcessor<Mid, R, K, W>,
  ): SingleOutputStream<R> {
    const accumulatorsTravel = aggregate.accumulatorType !== undefined
    return this.#transform([aggregate, incrementalAggregate<T, Acc, Mid>], process, undefined, accumulatorsTravel)
  }

  /** Sees all elements of a window at once; they are kept until then. */
  process<R>(process: WindowProcessor<T, R, K, W>): SingleOutputStream<R> {
    return this.#transform<never, T, R, never>(undefined, process)
  }

  /** Flink's other name for `process`. */
  apply<R>(apply: WindowProcessor<T, R, K, W>): SingleOutputStream<R> {
    return this.process(apply)
  }

  /** @internal */
  combined(_: string, combination: Combination<T>): SingleOutputStream<T> {
    const { type } = this.#input
    return this.#transform<T, T, T, Combination<T>>(
      [combination, (one) => incrementalReduce(one, type)],
      undefined,
      type,
    )
  }

  /** @internal Of global windows: emits by count, tumbling or sliding. */
  countBased(size: number, slide?: number): WindowedStream<T, K, W> {
    if (slide === undefined) return this.trigger(purgingTrigger(countTrigger<T, W>(size)))
    return this.trigger(countTrigger<T, W>(slide)).evictor(countEvictor<T, W>(size))
  }

  #with(settings: Partial<WindowSettings<T, W>>): WindowedStream<T, K, W> {
    return new WindowedStream(this.#input, { ...this.#settings, ...settings }, this.#parallelismMax)
  }

  /**
   * `incremental`: the user's function, and what makes of it (or of a subtask's own copy) the way to combine.
   * `accumulatorsTravel`: they can be sent from slot to slot, as records can.
   */
  #transform<Acc, Mid, R, F>(
    incremental: readonly [F, (own: F) => Incremental<T, Acc, Mid>] | undefined,
    process: WindowProcessor<Mid, R, K, W> | undefined,
    outputType?: TypeInformation<R>,
    accumulatorsTravel = true,
  ): SingleOutputStream<R> {
    const elementType = this.#input.type
    const specOf = (own: F, process?: WindowProcessor<Mid, R, K, W>): WindowSpec<T, Acc, Mid, R, K, W> => {
      return { ...this.#settings, incremental: incremental?.[1](own), process, elementType }
    }
    const spec = specOf(incremental?.[0] as F, process)
    checkedWindowSpec(spec)
    const ownFunction = perSubtask(incremental?.[0] as F)
    const ownProcess = perSubtask(process)
    const ownSpec = (): WindowSpec<T, Acc, Mid, R, K, W> => specOf(ownFunction(), ownProcess())
    const body: NodeBody = {
      ...operatorBody(() => createWindowOperator(ownSpec())),
      combiner: hasTwoPhases(spec, accumulatorsTravel)
        ? windowCombiner(spec, () => specOf(ownFunction()), ownSpec, this.#input)
        : undefined,
    }
    return this.#input.keyed<R>(windowOperatorName(spec), body, outputType, this.#parallelismMax)
  }
}

/** The first phase of windows, before the exchange, and what the second one is then. */
function windowCombiner<T, Acc, Mid, R, K, W extends Window>(
  { assigner, incremental }: WindowSpec<T, Acc, Mid, R, K, W>,
  localSpec: () => WindowSpec<T, Acc, Mid, R, K, W>,
  mergingSpec: () => WindowSpec<T, Acc, Mid, R, K, W>,
  input: KeyedStream<T, K>,
): Combiner {
  const keySelector = input.keySelector as (value: T) => unknown
  return {
    create: () => createLocalWindowOperator(localSpec(), keySelector),
    batchOnly: false,
    merging: {
      create: () => createMergingWindowOperator(mergingSpec()),
      keySelector: keyOfPartial as KeySelector,
      type: partialType(assigner.shape!.kind, input.keyType, incremental!.type),
    },
  }
}

/** Process functions over all records of a window, without keys. */
export interface ProcessAllWindowFunction<In, Out, W extends Window> extends RichFunction {
  process(context: WindowContext<W>, elements: Iterable<In>, out: Collector<Out>): void
  clear?(context: WindowContext<W>): void
}

/** Gets the elements of a window of all records and emits results. */
export type ProcessAllWindow<In, Out, W extends Window> = (
  context: WindowContext<W>,
  elements: Iterable<In>,
  out: Collector<Out>,
) => void

/** A function over all records of a window, plain or rich. */
export type AllWindowProcessor<In, Out, W extends Window> =
  | ProcessAllWindow<In, Out, W>
  | ProcessAllWindowFunction<In, Out, W>

/** All records in windows, whatever their key: one subtask does the work. */
export class AllWindowedStream<T, W extends Window> extends FieldAggregations<T> {
  readonly #windowed: WindowedStream<T, number, W>

  /** @internal */
  constructor(windowed: WindowedStream<T, number, W>) {
    super()
    this.#windowed = windowed
  }

  /** When windows emit, in place of the assigner's own trigger. */
  trigger(trigger: Trigger<T, W>): AllWindowedStream<T, W> {
    return new AllWindowedStream(this.#windowed.trigger(trigger))
  }
  /** Drops elements before or after the window function sees them. */
  evictor(evictor: Evictor<T, W>): AllWindowedStream<T, W> {
    return new AllWindowedStream(this.#windowed.evictor(evictor))
  }
  /** How long after its end a window takes late records, and fires again with each. */
  allowedLateness(latenessMs: number): AllWindowedStream<T, W> {
    return new AllWindowedStream(this.#windowed.allowedLateness(latenessMs))
  }
  /** Where records go that are too late for every window. */
  sideOutputLateData(tag: OutputTag<T>): AllWindowedStream<T, W> {
    return new AllWindowedStream(this.#windowed.sideOutputLateData(tag))
  }

  /** Combines records as they come. */
  reduce(reduce: ReduceFunction<T>): SingleOutputStream<T>
  reduce<R>(reduce: ReduceFunction<T>, process: AllWindowProcessor<T, R, W>): SingleOutputStream<R>
  reduce<R>(reduce: ReduceFunction<T>, process?: AllWindowProcessor<T, R, W>): SingleOutputStream<R> {
    if (process === undefined) return this.#windowed.reduce(reduce) as unknown as SingleOutputStream<R>
    return this.#windowed.reduce(reduce, withoutKey(process))
  }

  /** Folds records into an accumulator as they come. */
  aggregate<Acc, Mid>(aggregate: AggregateFunction<T, Acc, Mid>): SingleOutputStream<Mid>
  aggregate<Acc, Mid, R>(
    aggregate: AggregateFunction<T, Acc, Mid>,
    process: AllWindowProcessor<Mid, R, W>,
  ): SingleOutputStream<R>
  aggregate<Acc, Mid, R>(
    aggregate: AggregateFunction<T, Acc, Mid>,
    process?: AllWindowProcessor<Mid, R, W>,
  ): SingleOutputStream<R> {
    if (process === undefined) return this.#windowed.aggregate(aggregate) as unknown as SingleOutputStream<R>
    return this.#windowed.aggregate(aggregate, withoutKey(process))
  }

  /** Sees all elements of a window at once; they are kept until then. */
  process<R>(process: AllWindowProcessor<T, R, W>): SingleOutputStream<R> {
    return this.#windowed.process(withoutKey(process))
  }

  /** Flink's other name for `process`. */
  apply<R>(apply: AllWindowProcessor<T, R, W>): SingleOutputStream<R> {
    return this.process(apply)
  }

  /** @internal */
  combined(name: string, combination: Combination<T>): SingleOutputStream<T> {
    return this.#windowed.combined(name, combination)
  }
}

function withoutKey<In, Out, W extends Window>(
  process: AllWindowProcessor<In, Out, W>,
): WindowProcessor<In, Out, number, W> {
  if (typeof process === 'function') return (_, context, elements, out) => process(context, elements, out)
  const { clear } = process
  return {
    ...lifeCycleOf(process),
    ...(clear && { clear: clear.bind(process) }),
    process: (_, context, elements, out) => process.process(context, elements, out),
  }
}
