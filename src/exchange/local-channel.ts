/**
 * A channel within a slot: batches of values by reference, no encoding. Both ends are used by one thread in turns.
 *
 * Invariants
 * 1. At most `queuedBatchesMax` batches are queued, but for what a writer adds while it is full (see channel.ts).
 * 2. A batch's arrays are used again once the reader has polled on; their references are dropped then.
 * 3. Positions count elements; an announced barrier lies before the element at its position.
 */
import { assert } from '../common/assert.ts'
import { type RecordSink, Written } from '../data/block-encoder.ts'
import { readSavedBatch, saveRecords } from '../data/saved-batch.ts'
import { type BatchReader, type ChannelReader, type ChannelWriterStats, Polled } from './channel.ts'
import { noBlock, type Pressure, type RecordPort } from './record-port.ts'
import type { CheckpointBarrier, StreamEvent } from './stream-event.ts'

const batchRecords = 1_024
const queuedBatchesMax = 4
/** Shape of batches by reference; generated ones count from 16. */
const localShape = 1

/** Values and event times side by side: what the writer fills and the reader hands out. */
class LocalBatch implements RecordSink, BatchReader {
  readonly shape: number = localShape
  count = 0
  readonly values: unknown[] = []
  readonly #timestampsMs = new Float64Array(batchRecords)

  write(value: unknown, timestampMs: number): number {
    const index = this.count
    if (index === batchRecords) return Written.Full
    this.values[index] = value
    this.#timestampsMs[index] = timestampMs
    this.count = index + 1
    return Written.Wrote
  }

  read(index: number): unknown {
    return this.values[index]
  }

  timestampMs(index: number): number {
    return this.#timestampsMs[index]!
  }

  toBytes(): Uint8Array {
    return saveRecords(this.values.slice(0, this.count), this.#timestampsMs)
  }

  clear(): void {
    this.values.fill(undefined, 0, this.count)
    this.count = 0
  }
}

type Element = LocalBatch | StreamEvent

/** What both ends share. */
export class LocalChannel {
  readonly elements: Element[] = []
  /** Position of the first element of `elements`. */
  position = 0
  batches = 0
  records = 0
  isReaderClosed = false
  announced: { readonly barrier: CheckpointBarrier; readonly position: number } | undefined
  readonly #spare: LocalBatch[] = []

  newBatch(): LocalBatch {
    return this.#spare.pop() ?? new LocalBatch()
  }

  recycle(batch: LocalBatch): void {
    batch.clear()
    if (this.#spare.length < queuedBatchesMax) this.#spare.push(batch)
  }
}

export class LocalWriter implements RecordPort {
  block: RecordSink = noBlock
  readonly #channel: LocalChannel
  readonly #pressure: Pressure
  #open: LocalBatch | undefined
  #isFull = false
  #isClosed = false

  constructor(channel: LocalChannel, pressure: Pressure = { fullChannels: 0 }) {
    this.#channel = channel
    this.#pressure = pressure
  }

  write(value: unknown, timestampMs: number): void {
    if (this.block.write(value, timestampMs) !== Written.Wrote) this.writeSlow(value, timestampMs)
  }

  writeSlow(value: unknown, timestampMs: number): void {
    if (this.#isClosed || this.#channel.isReaderClosed) return
    this.#handOver()
    this.#open = this.#channel.newBatch()
    this.block = this.#open
    this.#open.write(value, timestampMs)
  }

  emitEvent(event: StreamEvent): void {
    if (this.#isClosed || this.#channel.isReaderClosed) return
    this.#handOver()
    this.#channel.elements.push(event)
  }

  isFull(): boolean {
    return this.#isFull
  }

  drain(): boolean {
    if (!this.#isFull) return true
    if (this.#channel.batches >= queuedBatchesMax && !this.#channel.isReaderClosed) return false
    this.#setFull(false)
    return true
  }

  flush(): void {
    this.#handOver()
  }

  hasUnflushed(): boolean {
    return this.#open !== undefined
  }

  announceBarrier(barrier: CheckpointBarrier): readonly Uint8Array[] {
    const { elements, position } = this.#channel
    const isIt = (element: Element): boolean =>
      'type' in element && element.type === 'barrier' && element.barrier.checkpointId === barrier.checkpointId
    let index = elements.findIndex(isIt)
    if (index < 0) {
      this.#handOver()
      index = elements.length
    }
    this.#channel.announced = { barrier, position: position + index }
    return []
  }

  restore(batches: readonly Uint8Array[]): void {
    for (const bytes of batches) {
      const batch = readSavedBatch(bytes)
      for (let i = 0; i < batch.count; i++) this.write(batch.read(i), batch.timestampMs(i))
    }
  }

  get stats(): ChannelWriterStats {
    const heldBatches = Math.max(0, this.#channel.batches - queuedBatchesMax)
    return { records: this.#channel.records, bytes: 0, heldBatches, genericRecords: 0 }
  }

  close(): void {
    this.#isClosed = true
    this.#open = undefined
    this.block = noBlock
    this.#setFull(false)
  }

  #handOver(): void {
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    this.block = noBlock
    this.#channel.elements.push(open)
    this.#channel.records += open.count
    if (++this.#channel.batches >= queuedBatchesMax) this.#setFull(true)
  }

  #setFull(isFull: boolean): void {
    if (isFull === this.#isFull) return
    this.#isFull = isFull
    this.#pressure.fullChannels += isFull ? 1 : -1
  }
}

export class LocalReader implements ChannelReader {
  batch: BatchReader = new LocalBatch()
  event: StreamEvent = { type: 'endOfInput' }
  readonly #channel: LocalChannel
  #restored: Uint8Array[] = []
  #used: LocalBatch | undefined
  #priorityId = Number.NaN
  #priorityPosition = 0
  #inBandId = -Infinity

  constructor(channel: LocalChannel) {
    this.#channel = channel
  }

  poll(): Polled {
    const channel = this.#channel
    if (this.#used !== undefined) {
      channel.recycle(this.#used)
      this.#used = undefined
    }
    if (this.#restored.length > 0) {
      this.batch = readSavedBatch(this.#restored.shift()!)
      return Polled.Batch
    }
    for (;;) {
      const element = channel.elements.shift()
      if (element === undefined) return Polled.Nothing
      channel.position++
      if ('type' in element) {
        if (!this.#takeEvent(element)) continue
        return Polled.Event
      }
      channel.batches--
      this.batch = this.#used = element
      return Polled.Batch
    }
  }

  pollPriority(): CheckpointBarrier | undefined {
    const { announced } = this.#channel
    if (announced === undefined) return undefined
    this.#channel.announced = undefined
    if (announced.barrier.checkpointId <= this.#inBandId) return undefined
    this.#priorityId = announced.barrier.checkpointId
    this.#priorityPosition = announced.position
    return announced.barrier
  }

  snapshotInFlight(barrier: CheckpointBarrier): readonly Uint8Array[] {
    assert(barrier.checkpointId === this.#priorityId, `barrier ${barrier.checkpointId} was not announced here`)
    const saved = [...this.#restored]
    const count = this.#priorityPosition - this.#channel.position
    for (let i = 0; i < count; i++) {
      const element = this.#channel.elements[i]!
      if (!('type' in element)) saved.push(element.toBytes())
    }
    return saved
  }

  restore(batches: readonly Uint8Array[]): void {
    this.#restored.push(...batches)
  }

  queueLength(): number {
    return this.#restored.length + this.#channel.elements.length
  }

  close(): void {
    this.#channel.isReaderClosed = true
    this.#channel.elements.length = 0
    this.#channel.batches = 0
    this.#restored = []
    this.#used = undefined
  }

  /** False for a barrier that has overtaken already. */
  #takeEvent(event: StreamEvent): boolean {
    if (event.type === 'barrier') {
      if (event.barrier.checkpointId === this.#priorityId) return false
      this.#inBandId = event.barrier.checkpointId
    }
    this.event = event
    return true
  }
}
