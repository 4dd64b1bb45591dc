/**
 * When partial batches of a task's outputs are sealed although they are not full: each output after its own time-out, as
 * Flink's output flusher does, so that one impatient edge does not make small batches of all. Cold: asked once per time-out.
 */
export interface FlushedOutput {
  flush(): void
  hasUnflushed(): boolean
}

interface TimedOutput {
  readonly output: FlushedOutput
  readonly timeoutMs: number
  flushedMs: number
}

export class BufferTimeouts {
  readonly #timed: readonly TimedOutput[]
  /** Of all outputs; `Infinity` where none has one. */
  readonly shortestMs: number

  /** Time-outs in ms, by output; -1: none. */
  constructor(outputs: readonly FlushedOutput[], timeoutsMs: readonly number[]) {
    this.#timed = outputs.flatMap((output, i) => {
      const timeoutMs = timeoutsMs[i]!
      return timeoutMs < 0 ? [] : [{ output, timeoutMs, flushedMs: Number.NEGATIVE_INFINITY }]
    })
    this.shortestMs = Math.min(Number.POSITIVE_INFINITY, ...this.#timed.map(({ timeoutMs }) => timeoutMs))
  }

  /** Seals what has waited long enough. */
  flush(nowMs: number): void {
    for (const timed of this.#timed) {
      if (nowMs - timed.flushedMs < timed.timeoutMs) continue
      timed.flushedMs = nowMs
      if (timed.output.hasUnflushed()) timed.output.flush()
    }
  }
}
