/**
 * What a backend charges to its memory budget. Hot callers add and subtract a number; the budget itself is asked for
 * whole quanta only.
 */
import { MillraceError } from '../common/errors.ts'

/** What state needs of a memory budget: false means that there is no more. */
export interface StateBudget {
  /** Of all that is charged to it; undefined: unknown. */
  readonly limitBytes?: number
  tryCharge(bytes: number): boolean
  release(bytes: number): void
}

export const unlimitedBudget: StateBudget = { tryCharge: () => true, release: () => {} }

/** Asked for at once; what is left over is given back once it is more than two of these. */
const quantumBytes = 256 * 1024

export class StateAccount {
  usedBytes = 0
  #grantedBytes = 0
  #isClosed = false
  readonly #budget: StateBudget

  constructor(budget: StateBudget) {
    this.#budget = budget
  }

  /** Throws MR_STATE_OVER_BUDGET, and then nothing is charged. */
  charge(bytes: number): void {
    const used = this.usedBytes + bytes
    if (used > this.#grantedBytes) this.#grow(used, bytes)
    this.usedBytes = used
  }

  release(bytes: number): void {
    // A snapshot that outlives its backend lets go of what `close` has given back.
    if (this.#isClosed) return
    this.usedBytes -= bytes
    if (this.#grantedBytes - this.usedBytes > 2 * quantumBytes) {
      const spare = this.#grantedBytes - this.usedBytes - quantumBytes
      this.#grantedBytes -= spare
      this.#budget.release(spare)
    }
  }

  /** Gives everything back. */
  close(): void {
    this.#isClosed = true
    this.#budget.release(this.#grantedBytes)
    this.#grantedBytes = 0
    this.usedBytes = 0
  }

  #grow(used: number, bytes: number): void {
    const missing = used - this.#grantedBytes
    for (const ask of [Math.max(missing, quantumBytes), missing]) {
      if (!this.#budget.tryCharge(ask)) continue
      this.#grantedBytes += ask
      return
    }
    throw new MillraceError(
      'MR_STATE_OVER_BUDGET',
      `keyed state holds ${this.usedBytes} bytes and needs ${bytes} more than its memory budget has left`,
    )
  }
}
