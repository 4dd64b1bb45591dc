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
import { BaseOperator } from './base-operator.ts'
import type { Combination } from './reduce-function.ts'
import { userFunctionError } from './user-function-error.ts'

export const combinerKeysMaxDefault = 131_072

export interface LocalCombineOptions<T> {
  readonly keySelector: (value: T) => unknown
  readonly combination: Combination<T>
  readonly keysMax?: number
}

export class LocalCombineOperator<T> extends BaseOperator<T, T> {
  readonly #key: (value: T) => unknown
  readonly #own: (first: T) => T
  readonly #absorb: (owned: T, value: T) => T
  readonly #keysMax: number
  #filling = new Map<unknown, T>()
  #draining: Iterator<T> | undefined

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
    const filling = this.#filling
    try {
      const key = this.#key(value)
      const current = filling.get(key)
      if (current === undefined) {
        filling.set(key, this.#own(value))
        if (filling.size >= this.#keysMax) this.#turn()
      } else {
        const next = this.#absorb(current, value)
        if (next !== current) filling.set(key, next)
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

  #drainAll(): Progress {
    while (!this.output.isFull()) if (!this.#step()) return Progress.Done
    return Progress.Blocked
  }

  /** Emits one record; false where none is left. */
  #step(): boolean {
    if (this.#draining === undefined) {
      if (this.#filling.size === 0) return false
      this.#turn()
    }
    const { done, value } = this.#draining!.next()
    if (done === true) {
      this.#draining = undefined
      return this.#filling.size > 0
    }
    this.output.collectAt(value, noTimestamp)
    return true
  }

  #drainTwo(): void {
    const draining = this.#draining!
    for (let i = 0; i < 2; i++) {
      const { done, value } = draining.next()
      if (done === true) {
        this.#draining = undefined
        return
      }
      this.output.collectAt(value, noTimestamp)
    }
  }

  #turn(): void {
    this.#draining = this.#filling.values()
    this.#filling = new Map()
  }
}
