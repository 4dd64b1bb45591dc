/** What nearly every operator shares: it keeps its context and output. */
import type { Operator, OperatorContext, Output } from './operator.ts'

export abstract class BaseOperator<In, Out> implements Operator<In, Out> {
  readonly inputCount: 1 | 2 = 1
  readonly relaysWatermarks: boolean = true
  protected context!: OperatorContext
  protected output!: Output<Out>

  setup(context: OperatorContext, output: Output<Out>): void {
    this.context = context
    this.output = output
  }

  abstract processElement(value: In): void
}

export abstract class BaseTwoInputOperator<In1, In2, Out> extends BaseOperator<In1, Out> {
  override readonly inputCount: 1 | 2 = 2

  abstract processElement2(value: In2): void
}
