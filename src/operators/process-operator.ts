/** process() on a stream without keys: any number of results per record, side outputs, no timers. */
import { BaseOperator } from './base-operator.ts'
import { bindFunction } from './bind-function.ts'
import type { OperatorContext, Output } from './operator.ts'
import { type Collector, type ProcessContext, processContext } from './process-context.ts'
import { closeFunction, openFunction, type RichFunction } from './runtime-context.ts'
import { userFunctionError } from './user-function-error.ts'

/** A process function without a life cycle. */
export type ProcessElement<In, Out> = (value: In, context: ProcessContext, out: Collector<Out>) => void

/** Sees every record with its context: timestamp, watermark, side outputs. */
export interface ProcessFunction<In, Out> extends RichFunction {
  processElement(value: In, context: ProcessContext, out: Collector<Out>): void
}

export class ProcessOperator<In, Out> extends BaseOperator<In, Out> {
  readonly #function: ProcessFunction<In, Out> | ProcessElement<In, Out>
  readonly #process: ProcessElement<In, Out>
  #processContext!: ProcessContext

  constructor(userFunction: ProcessFunction<In, Out> | ProcessElement<In, Out>) {
    super()
    this.#function = userFunction
    this.#process = bindFunction<ProcessElement<In, Out>>(userFunction, 'processElement')
  }

  override setup(context: OperatorContext, output: Output<Out>): void {
    super.setup(context, output)
    this.#processContext = processContext(context, output)
  }

  open(): void | Promise<void> {
    return openFunction(this.#function, this.context)
  }

  processElement(value: In): void {
    try {
      this.#process(value, this.#processContext, this.output)
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value })
    }
  }

  close(): void | Promise<void> {
    return closeFunction(this.#function)
  }
}
