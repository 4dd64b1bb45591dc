/**
 * Combines records by key before an exchange (batch mode, associative functions): far fewer records travel. Works on
 * the heap of the producing task, in two generations of bounded size.
 *
 * Invariants
 * 1. At most `keysMax` keys in the filling generation and as many in the draining one.
 * 2. A full generation drains two records for every record that comes in, so it is empty before the next one is full,
 *    and no single call emits more than two.
 * 3. Nothing stays behind: everything is emitted before a watermark passes, before a snapshot and at the end.
 */
import { noTimestamp } from '../common/limits.ts'
import { Progress } from '../common/progress.ts'
import { TextIndex } from '../data/text-index.ts'
import { BaseOperator } from './base-operator.ts'
import type { Combination } from './reduce-function.ts'
import { userFunctionError } from './user-function-error.ts'

export const combinerKeysMaxDefault = 131_072

export interface LocalCombineOptions<T> {
  readonly keySelector: (value: T) => unknown
  readonly combination: Combination<T>
  readonly keysMax?: number
}

/** The keys of one generation and what is combined of each so far. */
class Generation<T> {
  /** In the order in which the keys first came. */
  readonly owned: T[] = []
  readonly #texts: TextIndex
  readonly #others = new Map<unknown, number>()

  /** `expected`: how many keys there may be, where that is known. */
  constructor(expected = 0) {
    this.#texts = new TextIndex(expected)
  }

  /** Index of a key's record in `owned`, -1 where it has none. */
  find(key: unknown): number {
    const index = typeof key === 'string' ? this.#texts.find(key) : -1
    return index >= 0 || this.#others.size === 0 ? index : (this.#others.get(key) ?? -1)
  }

  add(key: unknown, owned: T): void {
    const index = this.owned.length
    if (typeof key !== 'string' || !this.#texts.add(key, index)) this.#others.set(key, index)
    this.owned.push(owned)
  }
}

export class LocalCombineOperator<T> extends BaseOperator<T, T> {
  readonly #key: (value: T) => unknown
  readonly #own: (first: T) => T
  readonly #absorb: (owned: T, value: T) => T
  readonly #keysMax: number
  #filling = new Generation<T>()
  /** Records of a full generation from `#drainedTo` on. */
  #draining: T[] | undefined
  #drainedTo = 0

  constructor({ keySelector, combination, keysMax = combinerKeysMaxDefault }: LocalCombineOptions<T>) {
    super()
    this.#key = keySelector
    this.#keysMax = keysMax
    const inPlace = combination.own !== undefined && combination.absorb !== undefined
    this.#own = inPlace ? combination.own! : (first) => first
    this.#absorb = inPlace ? combination.absorb! : combination.combine
  }

  processElement(value: T): void {
    if (this.#draining !== undefined) this.#drainTwo()
    try {
      const key = this.#key(value)
      const { owned } = this.#filling
      const index = this.#filling.find(key)
      if (index < 0) this.#add(key, this.#own(value))
      else {
        const current = owned[index]!
        const next = this.#absorb(current, value)
        if (next !== current) owned[index] = next
      }
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value })
    }
  }

  advanceWatermark(): Progress {
    return this.#drainAll()
  }

  prepareBarrier(): Progress {
    return this.#drainAll()
  }

  finish(): Progress {
    return this.#drainAll()
  }

  #add(key: unknown, owned: T): void {
    this.#filling.add(key, owned)
    if (this.#filling.owned.length >= this.#keysMax) this.#turn()
  }

  #drainAll(): Progress {
    while (!this.output.isFull()) if (!this.#step()) return Progress.Done
    return Progress.Blocked
  }

  /** Emits one record; false where none is left. */
  #step(): boolean {
    if (this.#draining === undefined) {
      if (this.#filling.owned.length === 0) return false
      this.#turn()
    }
    this.#emitNext()
    return this.#draining !== undefined || this.#filling.owned.length > 0
  }

  #drainTwo(): void {
    this.#emitNext()
    if (this.#draining !== undefined) this.#emitNext()
  }

  #emitNext(): void {
    const draining = this.#draining!
    const value = draining[this.#drainedTo++]!
    if (this.#drainedTo === draining.length) this.#draining = undefined
    this.output.collectAt(value, noTimestamp)
  }

  #turn(): void {
    const { owned } = this.#filling
    this.#draining = owned
    this.#drainedTo = 0
    this.#filling = new Generation(owned.length)
  }
}
