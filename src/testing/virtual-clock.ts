/** A clock that stands still until it is set: processing time for tests. */
import type { Clock } from '../common/clock.ts'
import { assert } from '../common/assert.ts'

/** A clock that stands still until a test sets it. */
export class VirtualClock implements Clock {
  #nowMs: number

  constructor(startMs: number = 0) {
    this.#nowMs = startMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  /** Sets the time; it does not go back. */
  set(timeMs: number): void {
    assert(timeMs >= this.#nowMs, `a virtual clock does not go back: it is ${this.#nowMs}, asked for ${timeMs}`)
    this.#nowMs = timeMs
  }
}
