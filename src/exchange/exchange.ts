/**
 * INTERIM, in-thread only, so that jobs run before the ring channels land: the exchange's owner replaces this file.
 * Channels are queues of batches by reference; a job in several worker threads is refused where it has exchanges.
 */
import { MillraceError } from '../common/errors.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../data/key-groups.ts'
import { type BatchReader, type ChannelReader, type ChannelWriter, Polled } from './channel.ts'
import type { ExchangeDescription } from './exchange-description.ts'
import type { StreamEvent } from './stream-event.ts'

interface Batch {
  readonly values: unknown[]
  readonly timestamps: number[]
}

export interface Exchange {
  reader(channel: number): ChannelReader
  writer(channel: number): ChannelWriter
  readonly doorbell: {
    prepareSleep(): void
    cancelSleep(): void
    sleep(timeoutMs: number): void
    sleepAsync(timeoutMs: number): Promise<void>
  }
  close(): void
}

export function layOutExchange(options: {
  readonly slotCount: number
  readonly isLocal: boolean
  readonly [more: string]: unknown
}): ExchangeDescription {
  return { slotCount: options.slotCount }
}

export function ringDoorbell(_description: ExchangeDescription, _slot: number): void {}

const batchRecords = 1024
const queuedMax = 4

class Queue {
  readonly elements: (Batch | StreamEvent)[] = []
}

export function openExchange(description: ExchangeDescription, slots: readonly number[]): Exchange {
  const queues = new Map<number, Queue>()
  const queueOf = (channel: number): Queue => {
    if (slots.length < description.slotCount) {
      throw new MillraceError('MR_INTERNAL', 'exchanges between worker threads are not there yet')
    }
    let queue = queues.get(channel)
    if (queue === undefined) queues.set(channel, (queue = new Queue()))
    return queue
  }
  return {
    reader: (channel) => new QueueReader(queueOf(channel)),
    writer: (channel) => new QueueWriter(queueOf(channel)),
    doorbell: {
      prepareSleep: () => {},
      cancelSleep: () => {},
      sleep: (timeoutMs) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, timeoutMs),
      sleepAsync: () => new Promise(() => {}),
    },
    close: () => {},
  }
}

class QueueReader implements ChannelReader {
  readonly #queue: Queue
  batch!: BatchReader
  event!: StreamEvent

  constructor(queue: Queue) {
    this.#queue = queue
  }

  poll(): Polled {
    const element = this.#queue.elements.shift()
    if (element === undefined) return Polled.Nothing
    if ('type' in element) {
      this.event = element
      return Polled.Event
    }
    const { values, timestamps } = element
    this.batch = { shape: 0, count: values.length, read: (i) => values[i], timestampMs: (i) => timestamps[i]! }
    return Polled.Batch
  }

  pollPriority(): undefined {
    return undefined
  }

  snapshotInFlight(): readonly Uint8Array[] {
    return []
  }

  restore(): void {}

  queueLength(): number {
    return this.#queue.elements.length
  }

  close(): void {}
}

class QueueWriter implements ChannelWriter {
  readonly #queue: Queue
  #batch: Batch | undefined
  readonly stats = { records: 0, bytes: 0, heldBatches: 0, genericRecords: 0 }

  constructor(queue: Queue) {
    this.#queue = queue
  }

  write(value: unknown, timestampMs: number): void {
    const batch = (this.#batch ??= { values: [], timestamps: [] })
    batch.values.push(value)
    batch.timestamps.push(timestampMs)
    this.stats.records++
    if (batch.values.length >= batchRecords) this.flush()
  }

  emitEvent(event: StreamEvent): void {
    this.flush()
    this.#queue.elements.push(event)
  }

  isFull(): boolean {
    return this.#queue.elements.length > queuedMax
  }

  drain(): boolean {
    return !this.isFull()
  }

  flush(): void {
    if (this.#batch !== undefined) this.#queue.elements.push(this.#batch)
    this.#batch = undefined
  }

  hasUnflushed(): boolean {
    return this.#batch !== undefined
  }

  announceBarrier(): readonly Uint8Array[] {
    return []
  }

  restore(): void {}
  close(): void {}
}

/** All channels of one outgoing edge of a subtask, with the edge's partitioner. */
export class InterimEdgeOutput {
  readonly #channels: readonly ChannelWriter[]
  readonly #select: (value: unknown) => number
  readonly #isBroadcast: boolean

  constructor(edge: InterimEdge, channels: readonly ChannelWriter[]) {
    const { partitioning } = edge.edge
    const { maxParallelism, parallelism } = edge.target
    let next = 0
    this.#channels = channels
    this.#isBroadcast = partitioning.kind === 'broadcast'
    this.#select =
      partitioning.kind === 'hash'
        ? (value) =>
            subtaskOfKeyGroup(
              keyGroupOf(partitioning.keySelector(value as never), maxParallelism),
              parallelism,
              maxParallelism,
            )
        : partitioning.kind === 'custom'
          ? (value) => partitioning.partition(partitioning.keySelector(value as never) as never, channels.length)
          : partitioning.kind === 'global'
            ? () => 0
            : () => (next = next + 1 >= channels.length ? 0 : next + 1)
  }

  emit(value: unknown, timestampMs: number): void {
    if (this.#isBroadcast) for (const channel of this.#channels) channel.write(value, timestampMs)
    else this.#channels[this.#select(value)]!.write(value, timestampMs)
  }

  emitEvent(event: StreamEvent): void {
    for (const channel of this.#channels) channel.emitEvent(event)
  }

  isFull(): boolean {
    return this.#channels.some((channel) => channel.isFull())
  }

  drain(): boolean {
    return this.#channels.every((channel) => channel.drain())
  }

  flush(): void {
    for (const channel of this.#channels) channel.flush()
  }

  hasUnflushed(): boolean {
    return this.#channels.some((channel) => channel.hasUnflushed())
  }

  announceBarrier(): never[] {
    return []
  }

  get stats(): ChannelWriter['stats'] {
    return this.#channels[0]!.stats
  }

  close(): void {}
}

/** What the interim output reads of a job edge. */
export interface InterimEdge {
  readonly target: { readonly parallelism: number; readonly maxParallelism: number }
  readonly edge: {
    readonly partitioning:
      | { readonly kind: 'forward' | 'rebalance' | 'rescale' | 'shuffle' | 'broadcast' | 'global' }
      | { readonly kind: 'hash'; readonly keySelector: (value: never) => unknown }
      | {
          readonly kind: 'custom'
          readonly keySelector: (value: never) => unknown
          readonly partition: (key: never, channelCount: number) => number
        }
  }
}
