/** List state: one array per key and namespace. */
import { MillraceError } from '../../common/errors.ts'
import { detached, estimatedBytes } from '../detached-value.ts'
import type { ListState } from '../keyed-state-backend.ts'
import type { StateCell } from '../state-cell.ts'

export class ListOverCell<T> implements ListState<T> {
  readonly #cell: StateCell<T[]>

  constructor(cell: StateCell<T[]>) {
    this.#cell = cell
  }

  /** The elements as they are now; later changes are not seen. */
  get(): Iterable<T> {
    return (this.#cell.get() ?? []).values()
  }

  add(value: T): void {
    checkElement(value)
    const list = this.#cell.get()
    if (list === undefined) return this.#cell.set([detached(value)])
    list.push(detached(value))
    this.#cell.touch(8 + estimatedBytes(value))
  }

  addAll(values: Iterable<T>): void {
    for (const value of values) this.add(value)
  }

  update(values: Iterable<T>): void {
    const list: T[] = []
    for (const value of values) {
      checkElement(value)
      list.push(detached(value))
    }
    if (list.length === 0) this.#cell.clear()
    else this.#cell.set(list)
  }

  clear(): void {
    this.#cell.clear()
  }
}

export function checkElement(value: unknown): void {
  if (value === undefined) throw new MillraceError('MR_DATA_TYPE_MISMATCH', 'undefined cannot be added to list state')
}
