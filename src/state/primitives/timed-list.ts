/** List state with time to live per element. */
import { detached, estimatedBytes } from '../detached-value.ts'
import type { ListState } from '../keyed-state-backend.ts'
import type { StateCell } from '../state-cell.ts'
import { checkElement } from './list-over-cell.ts'
import type { Timed, TimeToLive } from './time-to-live.ts'

export class TimedListOverCell<T> implements ListState<T> {
  readonly #cell: StateCell<Timed<T>[]>
  readonly #ttl: TimeToLive

  constructor(cell: StateCell<Timed<T>[]>, ttl: TimeToLive) {
    this.#cell = cell
    this.#ttl = ttl
  }

  get(): Iterable<T> {
    const list = this.#cell.get()
    if (list === undefined) return []
    const kept = this.#ttl.keep(list) as Timed<T>[] | undefined
    const seen = this.#ttl.returnsExpired ? list : (kept ?? [])
    const values = seen.map((element) => element.v)
    this.#settle(list, kept)
    this.#ttl.cleanUp()
    return values
  }

  add(value: T): void {
    checkElement(value)
    const element = this.#ttl.stamped(detached(value))
    const list = this.#cell.get()
    if (list === undefined) this.#cell.set([element])
    else {
      list.push(element)
      this.#cell.touch(40 + estimatedBytes(value))
    }
    this.#ttl.cleanUp()
  }

  addAll(values: Iterable<T>): void {
    for (const value of values) this.add(value)
  }

  update(values: Iterable<T>): void {
    const list = Array.from(values, (value) => {
      checkElement(value)
      return this.#ttl.stamped(detached(value))
    })
    if (list.length === 0) this.#cell.clear()
    else this.#cell.set(list)
    this.#ttl.cleanUp()
  }

  clear(): void {
    this.#cell.clear()
  }

  /** Writes back what a read has changed: expired elements are gone, times count anew. */
  #settle(list: Timed<T>[], kept: Timed<T>[] | undefined): void {
    if (kept === undefined) return this.#cell.clear()
    if (this.#ttl.updatesOnRead) this.#cell.set(kept.map((element) => this.#ttl.stamped(element.v)))
    else if (kept !== list) this.#cell.set(kept)
  }
}
