/** How many records may be emitted now, so that a rate is kept on average; at most one second's worth is caught up. */
import type { Clock } from '../common/clock.ts'

export class RateLimit {
  readonly #perMs: number
  readonly #clock: Clock
  readonly #burst: number
  #available = 0
  #lastMs: number

  constructor(perSecond: number, clock: Clock) {
    this.#perMs = perSecond / 1000
    this.#burst = Math.max(1, perSecond)
    this.#clock = clock
    this.#lastMs = clock.monotonicMs()
  }

  /** Takes up to `wanted` out of what is available. */
  grant(wanted: number): number {
    const nowMs = this.#clock.monotonicMs()
    this.#available = Math.min(this.#burst, this.#available + (nowMs - this.#lastMs) * this.#perMs)
    this.#lastMs = nowMs
    const granted = Math.min(wanted, Math.floor(this.#available))
    this.#available -= granted
    return granted
  }

  /** Returns what was granted and not used. */
  giveBack(count: number): void {
    this.#available += count
  }

  /** After how many milliseconds a record will be available. */
  delayMs(): number {
    return Math.max(1, Math.ceil((1 - this.#available) / this.#perMs))
  }
}
