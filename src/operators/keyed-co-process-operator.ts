/** Two keyed streams that share keyed state and timers: connect().process() with keys on both sides. */
import type { Progress } from '../common/progress.ts'
import { BaseTwoInputOperator } from './base-operator.ts'
import { KeyedContext, type KeyedProcessContext, type OnTimerContext } from './keyed-process-context.ts'
import type { OperatorContext, Output } from './operator.ts'
import type { Collector } from './process-context.ts'
import { closeFunction, openFunction, type RichFunction } from './runtime-context.ts'
import { userFunctionError } from './user-function-error.ts'

/** Processes the records of two streams with the same key, with shared state and timers. */
export interface KeyedCoProcessFunction<Key, In1, In2, Out> extends RichFunction {
  processElement1(value: In1, context: KeyedProcessContext<Key>, out: Collector<Out>): void
  processElement2(value: In2, context: KeyedProcessContext<Key>, out: Collector<Out>): void
  onTimer?(timeMs: number, context: OnTimerContext<Key>, out: Collector<Out>): void
}

export class KeyedCoProcessOperator<Key, In1, In2, Out> extends BaseTwoInputOperator<In1, In2, Out> {
  readonly #function: KeyedCoProcessFunction<Key, In1, In2, Out>
  #keyed!: KeyedContext<Key, Out>

  constructor(userFunction: KeyedCoProcessFunction<Key, In1, In2, Out>) {
    super()
    this.#function = userFunction
  }

  override setup(context: OperatorContext, output: Output<Out>): void {
    super.setup(context, output)
    this.#keyed = new KeyedContext<Key, Out>(context, output, this.#function.onTimer?.bind(this.#function))
  }

  open(): void | Promise<void> {
    return openFunction(this.#function, this.context)
  }

  processElement(value: In1): void {
    try {
      this.#function.processElement1(value, this.#keyed, this.output)
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value, key: this.#keyed.getCurrentKey() })
    }
  }

  processElement2(value: In2): void {
    try {
      this.#function.processElement2(value, this.#keyed, this.output)
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value, key: this.#keyed.getCurrentKey() })
    }
  }

  advanceWatermark(timestampMs: number): Progress {
    return this.#keyed.advanceWatermark(timestampMs)
  }

  nextProcessingTimeMs(): number {
    return this.#keyed.nextProcessingTimeMs()
  }

  advanceProcessingTime(nowMs: number): Progress {
    return this.#keyed.advanceProcessingTime(nowMs)
  }

  close(): void | Promise<void> {
    return closeFunction(this.#function)
  }
}
