/**
 * Memory of a backend's tables, charged to the slot's budget as they grow. It has a limit of its own; a budget that has
 * no more to give lowers it, down to a floor: below that the backend goes on and spills all the time.
 */
import type { StateBudget } from '../state-budget.ts'

const quantumBytes = 256 * 1024
const limitBytesMin = 256 * 1024
/** What may be taken of the limit: by changes, by changes that are all there is, by what only saves reads. */
const activeShare = 0.24
const aloneShare = 0.48
const cleanShare = 0.6
/** As much may be encoded at once, with what sorting and writing it takes. */
const pieceShare = 0.36

export class FrontMemory {
  /** Of tables that take changes. */
  activeBytes = 0
  /** Of tables that are being written to disk. */
  frozenBytes = 0
  /** Of what is encoded for the engine, and has not been taken in by it. */
  transitBytes = 0
  /** Of tables that only save reads. */
  cleanBytes = 0
  /** Of what is not in tables, but charged with them: timers. */
  otherBytes = 0
  limitBytes: number
  #grantedBytes = 0
  #isClosed = false
  readonly #budget: StateBudget

  constructor(budget: StateBudget, limitBytes: number) {
    this.#budget = budget
    this.limitBytes = Math.max(limitBytes, limitBytesMin)
  }

  get usedBytes(): number {
    return this.activeBytes + this.frozenBytes + this.transitBytes + this.cleanBytes + this.otherBytes
  }

  /**
   * Changes, with what they are about to grow by, may take somewhat less than a quarter: as much again may be on its way
   * to disk, half as much more be encoded for it, and as much as changes take is left for cache. Twice that as long as
   * there is nothing else: that is all of the state, and will be the cache.
   */
  isActiveFull(growthBytes: number): boolean {
    const isAlone = this.frozenBytes === 0 && this.cleanBytes === 0
    return this.activeBytes + growthBytes > this.limitBytes * (isAlone ? aloneShare : activeShare)
  }

  /** A generation that takes more, encoded, is handed to the engine in pieces. */
  get pieceBytes(): number {
    return this.limitBytes * pieceShare
  }

  /** So much is waiting for the disk that the caller should wait too. */
  get isBehind(): boolean {
    return this.usedBytes - this.otherBytes > this.limitBytes
  }

  /** Bytes that nothing takes. */
  get spareBytes(): number {
    return this.limitBytes - this.usedBytes + this.otherBytes
  }

  /** Bytes by which clean tables may still grow, once `freedBytes` of frozen ones are gone. */
  cleanBytesLeft(freedBytes = 0): number {
    const others = this.activeBytes + this.frozenBytes + this.transitBytes - freedBytes
    return Math.min(this.limitBytes * cleanShare, this.limitBytes - others) - this.cleanBytes
  }

  /** To be called after any of the sums has changed. */
  settle(): void {
    if (this.#isClosed) return
    const used = this.usedBytes
    if (used > this.#grantedBytes) this.#ask(used)
    else if (this.#grantedBytes - used > 4 * quantumBytes) {
      const spare = this.#grantedBytes - used - quantumBytes
      this.#grantedBytes -= spare
      this.#budget.release(spare)
    }
  }

  close(): void {
    this.#isClosed = true
    this.#budget.release(this.#grantedBytes)
    this.#grantedBytes = 0
    this.activeBytes = 0
    this.frozenBytes = 0
    this.transitBytes = 0
    this.cleanBytes = 0
    this.otherBytes = 0
  }

  #ask(used: number): void {
    const missing = used - this.#grantedBytes
    for (const ask of [missing + quantumBytes, missing]) {
      if (!this.#budget.tryCharge(ask)) continue
      this.#grantedBytes += ask
      return
    }
    const left = this.#grantedBytes - this.otherBytes
    this.limitBytes = Math.max(Math.min(this.limitBytes, left), limitBytesMin)
  }
}
