/**
 * Hands a local job's records to a consumer in the same thread: a bounded queue between the sink's writers and one
 * async iteration. The job feels the consumer's pace by `isFull`.
 */
import { collectSink } from '../connectors/collect-sink.ts'
import type { Sink } from '../connectors/sink.ts'

/** Records waiting for the consumer before writers are full. */
const queuedRecordsMax = 8_192

export class CollectQueue<T> {
  #batches: T[][] = []
  #recordCount = 0
  #wakeConsumer: (() => void) | undefined
  #wakeWriters: (() => void)[] = []
  #isEnded = false
  #error: unknown

  readonly sink: Sink<T> = collectSink<T>((context) => ({
    hand: (values) => this.#put(values),
    isFull: () => {
      if (this.#recordCount < queuedRecordsMax) return false
      this.#wakeWriters.push(() => context.post(() => {}))
      return true
    },
  }))

  #put(values: T[]): void {
    this.#batches.push(values)
    this.#recordCount += values.length
    this.#wake()
  }

  #wake(): void {
    const wake = this.#wakeConsumer
    this.#wakeConsumer = undefined
    wake?.()
  }

  /** The job is over; a failure is thrown to the consumer after the records before it. */
  end(error?: unknown): void {
    this.#isEnded = true
    this.#error = error
    this.#wake()
  }

  /** For one consumer. */
  async *records(): AsyncGenerator<T, void, void> {
    while (true) {
      for (let batch = this.#take(); batch !== undefined; batch = this.#take()) yield* batch
      if (this.#error !== undefined) throw this.#error
      if (this.#isEnded) return
      await new Promise<void>((resolve) => (this.#wakeConsumer = resolve))
    }
  }

  #take(): T[] | undefined {
    const batch = this.#batches.shift()
    if (batch === undefined) return undefined
    this.#recordCount -= batch.length
    const wakeWriters = this.#wakeWriters
    this.#wakeWriters = []
    for (const wake of wakeWriters) wake()
    return batch
  }
}
