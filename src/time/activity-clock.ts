/**
 * Time during which a source may read: it stands still while the source is paused, so that a pause does not count as a
 * lack of records (Flink's input activity clock). Cold: asked at periodic emissions.
 */
import type { Clock } from '../common/clock.ts'

export class ActivityClock {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #pausedMs = 0
  #pausedSinceMs: number | undefined

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  monotonicMs(): number {
    return (this.#pausedSinceMs ?? this.#clock.monotonicMs()) - this.#pausedMs
  }

  setPaused(isPaused: boolean): void {
    if (isPaused) this.#pausedSinceMs ??= this.#clock.monotonicMs()
    else if (this.#pausedSinceMs !== undefined) {
      this.#pausedMs += this.#clock.monotonicMs() - this.#pausedSinceMs
      this.#pausedSinceMs = undefined
    }
  }
}
