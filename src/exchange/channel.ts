/**
 * The contract of channels: the ordered way from one producing subtask to one consuming subtask. Two kinds implement
 * it: shared-memory rings between slots, and local queues of batches within a slot. All calls are non-blocking; the
 * writer belongs to the producer's thread and the reader to the consumer's.
 *
 * Invariants
 * 1. Records and events arrive in the order written. A barrier announced with `announceBarrier` overtakes.
 * 2. `write` and `emitEvent` always accept. Without credit what they add is held back in the writer, and `isFull()` is
 *    true until `drain()` has handed it over; callers stop soon after, so what is held is bounded by one record's
 *    fan-out and a few events.
 * 3. A batch that the reader hands out stays valid until the next call of `poll` on the same reader.
 */
import type { CheckpointBarrier, StreamEvent } from './stream-event.ts'

export interface ChannelWriter {
  write(value: unknown, timestampMs: number): void
  emitEvent(event: StreamEvent): void
  isFull(): boolean
  /** Hands over what is held back, as far as credit allows; true where nothing is held back any more. */
  drain(): boolean
  /** Seals the partial batch so that the consumer can see it (buffer time-out, idle slot). */
  flush(): void
  /** True where records are written but not yet visible to the consumer. */
  hasUnflushed(): boolean
  /**
   * Unaligned: makes the barrier visible at once, ahead of everything not yet read, and returns what had not left the
   * writer yet as self-describing bytes (what is in the ring is saved by the reader). It stays queued for sending.
   */
  announceBarrier(barrier: CheckpointBarrier): readonly Uint8Array[]
  /** Sends batches of `announceBarrier` or `snapshotInFlight` again, before anything else. */
  restore(batches: readonly Uint8Array[]): void
  /** Records and bytes handed over so far; batches waiting for credit; segments in use. */
  readonly stats: ChannelWriterStats
  /** Gives everything back. Idempotent. */
  close(): void
}

export interface ChannelWriterStats {
  readonly records: number
  readonly bytes: number
  readonly heldBatches: number
  readonly genericRecords: number
  /** Shared segments that the writer fills now. */
  readonly segmentsInUse?: number
}

/** What `ChannelReader.poll` found. */
export const Polled = { Nothing: 0, Batch: 1, Event: 2 } as const
export type Polled = (typeof Polled)[keyof typeof Polled]

export interface ChannelReader {
  /**
   * Looks for the next element, giving the previous batch back (that is the credit). What lies behind an announced
   * barrier comes only once `pollPriority` has told of it.
   */
  poll(): Polled
  /** The batch after Polled.Batch. */
  readonly batch: BatchReader
  /** The event after Polled.Event. */
  readonly event: StreamEvent
  /** A barrier that overtakes, if one has been announced and not been taken yet. */
  pollPriority(): CheckpointBarrier | undefined
  /** Unaligned: copies of everything that lies before the announced barrier and has not been polled yet. */
  snapshotInFlight(barrier: CheckpointBarrier): readonly Uint8Array[]
  /** Makes the reader hand out these batches first. */
  restore(batches: readonly Uint8Array[]): void
  /** Elements waiting in the channel, for metrics. */
  queueLength(): number
  close(): void
}

/**
 * Rows of a batch. `read` is generated per schema (class `shape` differs per schema), so that loops specialised by
 * `shape` stay monomorphic.
 */
export interface BatchReader {
  /** Readers with the same shape have the same generated code. */
  readonly shape: number
  readonly count: number
  /** A new object per call, owned by the caller. */
  read(index: number): unknown
  /** Event time of a row, or noTimestamp. */
  timestampMs(index: number): number
}
