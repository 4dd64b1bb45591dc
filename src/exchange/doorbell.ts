/**
 * How a slot sleeps and is woken: all `Atomics.wait` of the data plane are here. A bell belongs to the slot that
 * sleeps on it; every thread may ring it.
 *
 * Protocol: `arm`, look once more for work, then `sleep` (or `disarm` where there was some). Whoever makes work visible
 * does so before `ring`. Both sides use sequentially consistent accesses, so either the sleeper sees the work or the
 * ringer sees the sleeper (Dekker).
 */
import { bellIndex } from './exchange-layout.ts'

export class Doorbell {
  readonly #words: Int32Array
  readonly #bell: number
  readonly #sleeping: number

  constructor(words: Int32Array, slot: number) {
    this.#words = words
    this.#bell = bellIndex(slot)
    this.#sleeping = this.#bell + 1
  }

  /** Wakes the slot if it sleeps or is about to. One ringer per sleep pays for the wake-up; it clears the flag. */
  ring(): void {
    if (Atomics.load(this.#words, this.#sleeping) === 0) return
    if (Atomics.exchange(this.#words, this.#sleeping, 0) === 0) return
    Atomics.add(this.#words, this.#bell, 1)
    Atomics.notify(this.#words, this.#bell)
  }

  /** Announces sleep; the number is for `sleep`. */
  arm(): number {
    const heard = Atomics.load(this.#words, this.#bell)
    Atomics.store(this.#words, this.#sleeping, 1)
    return heard
  }

  disarm(): void {
    Atomics.store(this.#words, this.#sleeping, 0)
  }

  /** Whether the bell has rung since it answered `heard`. */
  hasRung(heard: number): boolean {
    return Atomics.load(this.#words, this.#bell) !== heard
  }

  /** Blocks this thread until the bell rings after `arm`, at most `timeoutMs`. Disarm afterwards. */
  sleep(heard: number, timeoutMs: number): void {
    Atomics.wait(this.#words, this.#bell, heard, timeoutMs)
  }

  /** Like `sleep`, for slots whose event loop must turn meanwhile. */
  async sleepAsync(heard: number, timeoutMs: number): Promise<void> {
    const waiting = Atomics.waitAsync(this.#words, this.#bell, heard, timeoutMs)
    if (waiting.async) await waiting.value
  }
}

const never = new Int32Array(new SharedArrayBuffer(4))

/** Blocks the thread for so long: where work must not go on yet and nothing else can be done meanwhile. */
export function blockFor(ms: number): void {
  Atomics.wait(never, 0, 0, ms)
}
