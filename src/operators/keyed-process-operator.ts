/** process() on a keyed stream: keyed state, timers, side outputs. */
import { generate } from '../common/generated-code.ts'
import type { Progress } from '../common/progress.ts'
import { BaseOperator } from './base-operator.ts'
import { bindFunction } from './bind-function.ts'
import { KeyedContext, type KeyedProcessContext, type OnTimerContext } from './keyed-process-context.ts'
import type { OperatorContext, Output } from './operator.ts'
import type { Collector } from './process-context.ts'
import { closeFunction, openFunction, type RichFunction } from './runtime-context.ts'
import { userFunctionError } from './user-function-error.ts'

/** A keyed process function without timers. */
export type KeyedProcessElement<Key, In, Out> = (
  value: In,
  context: KeyedProcessContext<Key>,
  out: Collector<Out>,
) => void

/** Processes records of a key, with state and timers. */
export interface KeyedProcessFunction<Key, In, Out> extends RichFunction {
  processElement(value: In, context: KeyedProcessContext<Key>, out: Collector<Out>): void
  /** A timer of the current key has come; `timeMs` is the time it was registered for. */
  onTimer?(timeMs: number, context: OnTimerContext<Key>, out: Collector<Out>): void
}

export class KeyedProcessOperator<Key, In, Out> extends BaseOperator<In, Out> {
  readonly #function: KeyedProcessFunction<Key, In, Out> | KeyedProcessElement<Key, In, Out>
  readonly #process: KeyedProcessElement<Key, In, Out>
  #keyed!: KeyedContext<Key, Out>

  constructor(userFunction: KeyedProcessFunction<Key, In, Out> | KeyedProcessElement<Key, In, Out>) {
    super()
    this.#function = userFunction
    this.#process = bindFunction<KeyedProcessElement<Key, In, Out>>(userFunction, 'processElement')
  }

  override setup(context: OperatorContext, output: Output<Out>): void {
    super.setup(context, output)
    const { onTimer } = this.#function as Partial<KeyedProcessFunction<Key, In, Out>>
    const keyed = new KeyedContext<Key, Out>(context, output, onTimer?.bind(this.#function))
    this.#keyed = keyed
    const process = this.#process
    const fail = (error: unknown, record: In): unknown =>
      userFunctionError(error, context, { record, key: keyed.getCurrentKey() })
    this.processElement = generate(
      { process, keyed, output, fail },
      'function (value) { try { process(value, keyed, output) } catch (error) { throw fail(error, value) } }',
    )
  }

  open(): void | Promise<void> {
    return openFunction(this.#function, this.context)
  }

  processElement: (value: In) => void = () => {}

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
