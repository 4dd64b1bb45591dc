/**
 * Rolling reduce on a keyed stream: every record gives the new value of its key. In batch mode (`emitFinalOnly`) a key
 * gives one result, at the end of input, without a timestamp.
 */
import { generate } from '../common/generated-code.ts'
import { noTimestamp } from '../common/limits.ts'
import { Progress } from '../common/progress.ts'
import type { TypeInformation } from '../data/types.ts'
import type { AccumulatorCursor, AccumulatorState } from '../state/keyed-state-backend.ts'
import { BaseOperator } from './base-operator.ts'
import type { OperatorContext, Output } from './operator.ts'
import type { Combination } from './reduce-function.ts'
import { closeFunction, openFunction, requireKeyedState } from './runtime-context.ts'
import { userFunctionError } from './user-function-error.ts'

export interface KeyedReduceOptions<T> {
  readonly emitFinalOnly?: boolean
  /** Declared type of the records: kept off-heap where it allows. */
  readonly type?: TypeInformation<T>
}

export class KeyedReduceOperator<T> extends BaseOperator<T, T> {
  readonly finishesAsOne: boolean
  readonly #combination: Combination<T>
  readonly #options: KeyedReduceOptions<T>
  readonly #own: (first: T) => T
  readonly #absorb: (owned: T, value: T) => T
  #state!: AccumulatorState<T>
  #results: AccumulatorCursor<T> | undefined

  constructor(combination: Combination<T>, options: KeyedReduceOptions<T> = {}) {
    super()
    this.finishesAsOne = options.emitFinalOnly === true
    this.#combination = combination
    this.#options = options
    // Rolling results leave the operator one by one, so they cannot share one object.
    const inPlace = options.emitFinalOnly === true && combination.own !== undefined && combination.absorb !== undefined
    this.#own = inPlace ? combination.own! : (first) => first
    this.#absorb = inPlace ? combination.absorb! : combination.combine
  }

  override setup(context: OperatorContext, output: Output<T>): void {
    super.setup(context, output)
    const backend = requireKeyedState(context)
    this.#state = backend.accumulators('reduce', this.#options.type)
    const fail = (error: unknown, record: T): unknown =>
      userFunctionError(error, context, { record, key: backend.currentKey() })
    this.processElement = generate(
      { state: this.#state, output, own: this.#own, absorb: this.#absorb, fail },
      `function (value) {
  const current = state.get()
  let next
  try { next = current === undefined ? own(value) : absorb(current, value) } catch (error) { throw fail(error, value) }
  state.set(next)
  ${this.#options.emitFinalOnly === true ? '' : 'output.collect(next)'}
}`,
    )
  }

  open(): void | Promise<void> {
    return openFunction(this.#combination.source, this.context)
  }

  processElement: (value: T) => void = () => {}

  finish(): Progress {
    if (this.#options.emitFinalOnly !== true) return Progress.Done
    this.#results ??= this.#state.openCursor(0)
    while (!this.output.isFull()) {
      if (!this.#results.next()) return Progress.Done
      this.output.collectAt(this.#results.accumulator, noTimestamp)
    }
    return Progress.Blocked
  }

  close(): void | Promise<void> {
    return closeFunction(this.#combination.source)
  }
}
