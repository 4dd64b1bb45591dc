/** Two streams of different types, one function each, one stream of results: connect().map / flatMap / process. */
import { BaseTwoInputOperator } from './base-operator.ts'
import type { OperatorContext, Output } from './operator.ts'
import { type Collector, type ProcessContext, processContext } from './process-context.ts'
import { closeFunction, lifeCycleOf, openFunction, type RichFunction } from './runtime-context.ts'
import { userFunctionError } from './user-function-error.ts'

/** One result per record of either stream. */
export interface CoMapFunction<In1, In2, Out> extends RichFunction {
  map1(value: In1): Out
  map2(value: In2): Out
}

/** Any number of results per record of either stream. */
export interface CoFlatMapFunction<In1, In2, Out> extends RichFunction {
  flatMap1(value: In1, out: Collector<Out>): void
  flatMap2(value: In2, out: Collector<Out>): void
}

/** On streams without keys; for timers and keyed state see KeyedCoProcessFunction. */
export interface CoProcessFunction<In1, In2, Out> extends RichFunction {
  processElement1(value: In1, context: ProcessContext, out: Collector<Out>): void
  processElement2(value: In2, context: ProcessContext, out: Collector<Out>): void
}

export class CoProcessOperator<In1, In2, Out> extends BaseTwoInputOperator<In1, In2, Out> {
  readonly #function: CoProcessFunction<In1, In2, Out>
  #processContext!: ProcessContext

  constructor(userFunction: CoProcessFunction<In1, In2, Out>) {
    super()
    this.#function = userFunction
  }

  override setup(context: OperatorContext, output: Output<Out>): void {
    super.setup(context, output)
    this.#processContext = processContext(context, output)
  }

  open(): void | Promise<void> {
    return openFunction(this.#function, this.context)
  }

  processElement(value: In1): void {
    try {
      this.#function.processElement1(value, this.#processContext, this.output)
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value })
    }
  }

  processElement2(value: In2): void {
    try {
      this.#function.processElement2(value, this.#processContext, this.output)
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value })
    }
  }

  close(): void | Promise<void> {
    return closeFunction(this.#function)
  }
}

export function coMapOperator<In1, In2, Out>(
  userFunction: CoMapFunction<In1, In2, Out>,
): CoProcessOperator<In1, In2, Out> {
  return new CoProcessOperator<In1, In2, Out>({
    ...lifeCycleOf(userFunction),
    processElement1: (value, _, out) => out.collect(userFunction.map1(value)),
    processElement2: (value, _, out) => out.collect(userFunction.map2(value)),
  })
}

export function coFlatMapOperator<In1, In2, Out>(
  userFunction: CoFlatMapFunction<In1, In2, Out>,
): CoProcessOperator<In1, In2, Out> {
  return new CoProcessOperator<In1, In2, Out>({
    ...lifeCycleOf(userFunction),
    processElement1: (value, _, out) => userFunction.flatMap1(value, out),
    processElement2: (value, _, out) => userFunction.flatMap2(value, out),
  })
}
