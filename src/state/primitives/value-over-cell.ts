/** Value state over a cell of any backend. */
import type { ValueState } from '../keyed-state-backend.ts'
import type { SingleValue } from './timed-cell.ts'

export class ValueOverCell<T> implements ValueState<T> {
  readonly #cell: SingleValue<T>

  constructor(cell: SingleValue<T>) {
    this.#cell = cell
  }

  value(): T | undefined {
    return this.#cell.get()
  }

  /** Undefined clears. */
  update(value: T): void {
    if (value === undefined) this.#cell.clear()
    else this.#cell.set(value)
  }

  clear(): void {
    this.#cell.clear()
  }
}
