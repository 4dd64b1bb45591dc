/** map, filter and flatMap with a life cycle and a runtime context: rich functions are not fused, they are operators. */
import type { Collector } from './process-context.ts'
import { ProcessOperator } from './process-operator.ts'
import { lifeCycleOf, type RichFunction } from './runtime-context.ts'

/** A map with a life cycle and a runtime context. */
export interface RichMapFunction<In, Out> extends RichFunction {
  map(value: In): Out
}
/** A filter with a life cycle and a runtime context. */
export interface RichFilterFunction<In> extends RichFunction {
  filter(value: In): boolean
}
/** A flatMap with a life cycle and a runtime context. */
export interface RichFlatMapFunction<In, Out> extends RichFunction {
  flatMap(value: In, out: Collector<Out>): void
}

export function richMapOperator<In, Out>(userFunction: RichMapFunction<In, Out>): ProcessOperator<In, Out> {
  return new ProcessOperator<In, Out>({
    ...lifeCycleOf(userFunction),
    processElement: (value, _, out) => out.collect(userFunction.map(value)),
  })
}

export function richFilterOperator<In>(userFunction: RichFilterFunction<In>): ProcessOperator<In, In> {
  return new ProcessOperator<In, In>({
    ...lifeCycleOf(userFunction),
    processElement: (value, _, out) => {
      if (userFunction.filter(value)) out.collect(value)
    },
  })
}

export function richFlatMapOperator<In, Out>(userFunction: RichFlatMapFunction<In, Out>): ProcessOperator<In, Out> {
  return new ProcessOperator<In, Out>({
    ...lifeCycleOf(userFunction),
    processElement: (value, _, out) => userFunction.flatMap(value, out),
  })
}
