/**
 * Hands a local job's records to a consumer in the same thread: a bounded queue between the sink's writers and one async
 * iteration. The job feels the consumer's pace by `isFull`.
 */
import { Progress } from '../common/progress.ts'
import type { Sink } from '../connectors/sink.ts'

/** Records waiting for the consumer before writers are full. */
const queuedRecordsMax = 4_096

export class CollectQueue<T> {
  #records: T[] = []
  #wake: (() => void) | undefined
  #isEnded = false
  #error: unknown

  readonly sink: Sink<T> = {
    name: 'collect',
    createWriter: (context) => ({
      write: (value) => this.#push(value),
      isFull: () => {
        const isFull = this.#records.length >= queuedRecordsMax
        if (isFull) this.#whenTaken(() => context.post(() => {}))
        return isFull
      },
      flush: () => Progress.Done,
    }),
  }
  #onTaken: (() => void)[] = []

  #push(value: T): void {
    this.#records.push(value)
    this.#wakeConsumer()
  }

  #whenTaken(wakeWriter: () => void): void {
    this.#onTaken.push(wakeWriter)
  }

  #wakeConsumer(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  /** The job is over; a failure is thrown to the consumer after the records before it. */
  end(error?: unknown): void {
    this.#isEnded = true
    this.#error = error
    this.#wakeConsumer()
  }

  /** Records in batches, as they come; one consumer. */
  async *batches(): AsyncGenerator<readonly T[], void, void> {
    while (true) {
      const records = this.#records
      if (records.length > 0) {
        this.#records = []
        const wakeWriters = this.#onTaken
        this.#onTaken = []
        for (const wake of wakeWriters) wake()
        yield records
      } else if (this.#error !== undefined) throw this.#error
      else if (this.#isEnded) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
