import type { Clock } from '../../src/common/clock.ts'

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #nowMs: number

  constructor(nowMs = 1_000_000) {
    this.#nowMs = nowMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  advance(ms: number): void {
    this.#nowMs += ms
  }

  set(nowMs: number): void {
    this.#nowMs = nowMs
  }
}
