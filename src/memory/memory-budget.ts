/**
 * Memory that something may use, in bytes. Whoever allocates charges first and releases what it charged; a refusal is
 * a return value (`tryCharge`: spill or wait) or MR_STATE_OVER_BUDGET (`charge`). One thread; children share their
 * parent's limit.
 */
import { assert } from '../common/assert.ts'
import { MillraceError } from '../common/errors.ts'

export class MemoryBudget {
  readonly name: string
  readonly limitBytes: number
  readonly #parent: MemoryBudget | undefined
  #usedBytes = 0
  #peakBytes = 0

  /** `limitBytes` may be Infinity. */
  constructor(name: string, limitBytes: number, parent?: MemoryBudget) {
    this.name = name
    this.limitBytes = limitBytes
    this.#parent = parent
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Highest use so far. */
  get peakBytes(): number {
    return this.#peakBytes
  }

  /** What could be charged now. */
  get freeBytes(): number {
    const own = this.limitBytes - this.#usedBytes
    return this.#parent === undefined ? own : Math.min(own, this.#parent.freeBytes)
  }

  tryCharge(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.limitBytes) return false
    if (this.#parent !== undefined && !this.#parent.tryCharge(bytes)) return false
    this.#usedBytes += bytes
    if (this.#usedBytes > this.#peakBytes) this.#peakBytes = this.#usedBytes
    return true
  }

  /** Throws MR_STATE_OVER_BUDGET; nothing is charged then. `purpose` completes "cannot allocate N bytes for …". */
  charge(bytes: number, purpose: string): void {
    if (this.tryCharge(bytes)) return
    throw new MillraceError(
      'MR_STATE_OVER_BUDGET',
      `cannot allocate ${bytes} bytes for ${purpose}: ${this.#usedBytes} of ${this.limitBytes} bytes of ` +
        `${this.name} are in use${this.#parent === undefined ? '' : `, ${this.#parent.freeBytes} free in ${this.#parent.name}`}`,
    )
  }

  release(bytes: number): void {
    assert(bytes <= this.#usedBytes, `${this.name}: released ${bytes} bytes of ${this.#usedBytes} charged`)
    this.#usedBytes -= bytes
    this.#parent?.release(bytes)
  }

  /** A part of this budget with a limit of its own. */
  child(name: string, limitBytes: number = this.limitBytes): MemoryBudget {
    return new MemoryBudget(name, limitBytes, this)
  }
}
