/** Reducing and aggregating state. */
import type { AggregateFunction, AggregatingState, ReducingState } from '../keyed-state-backend.ts'
import type { SingleValue } from './timed-cell.ts'

export class ReducingOverCell<T> implements ReducingState<T> {
  readonly #cell: SingleValue<T>
  readonly #reduce: (left: T, right: T) => T

  constructor(cell: SingleValue<T>, reduce: (left: T, right: T) => T) {
    this.#cell = cell
    this.#reduce = reduce
  }

  get(): T | undefined {
    return this.#cell.get()
  }

  add(value: T): void {
    const present = this.#cell.get()
    this.#cell.set(present === undefined ? value : this.#reduce(present, value))
  }

  clear(): void {
    this.#cell.clear()
  }
}

export class AggregatingOverCell<In, Acc, Out> implements AggregatingState<In, Out> {
  readonly #cell: SingleValue<Acc>
  readonly #aggregate: AggregateFunction<In, Acc, Out>

  constructor(cell: SingleValue<Acc>, aggregate: AggregateFunction<In, Acc, Out>) {
    this.#cell = cell
    this.#aggregate = aggregate
  }

  get(): Out | undefined {
    const accumulator = this.#cell.get()
    return accumulator === undefined ? undefined : this.#aggregate.getResult(accumulator)
  }

  add(value: In): void {
    const present = this.#cell.get()
    const accumulator = present === undefined ? this.#aggregate.createAccumulator() : present
    this.#cell.set(this.#aggregate.add(value, accumulator))
  }

  clear(): void {
    this.#cell.clear()
  }
}
