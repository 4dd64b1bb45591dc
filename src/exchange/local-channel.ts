/**
 * A channel within a slot. Both ends are used by one thread in turns. Records that are a handful of numbers lie in columns
 * as they do between slots: a consumer of both sees one class of batches, and no object waits for the garbage collector.
 * All others go by reference. Measured with the others of the edge between two slots (bench/auctions, parallelism 2).
 *
 * Invariants
 * 1. At most `queuedBatchesMax` batches are queued, but for what a writer adds while it is full (see channel.ts).
 * 2. A batch's arrays are used again once the reader has polled on; their references are dropped then.
 * 3. Positions count elements; an announced barrier lies before the element at its position.
 */
import { assert } from '../common/assert.ts'
import { noTimestamp } from '../common/limits.ts'
import { type RecordSink, Written } from '../data/block-encoder.ts'
import { type ColumnSchema, isFixedWidth } from '../data/column-schema.ts'
import { readSavedBatch } from '../data/saved-batch.ts'
import { type BatchReader, type ChannelReader, type ChannelWriterStats, Polled } from './channel.ts'
import { EdgeSchema } from './edge-schema.ts'
import { ColumnBatch, type LocalBatch, ReferenceBatch } from './local-batch.ts'
import { noBlock, type Pressure, type RecordPort } from './record-port.ts'
import type { CheckpointBarrier, StreamEvent } from './stream-event.ts'

const queuedBatchesMax = 4
/** Records of another shape than the schema's, after which a channel gives columns up. */
const surprisesMax = 16

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

  /** A batch of columns where there is a schema of fixed width, else one by reference. */
  newBatch(schema: ColumnSchema | undefined): LocalBatch {
    for (;;) {
      const batch = this.#spare.pop()
      if (batch === undefined) return schema === undefined ? new ReferenceBatch() : new ColumnBatch(schema)
      if (batch.schemaKey === schema?.key) return batch
    }
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
  /** Known at once where the type is declared, else from what the edge's channels between slots find out. */
  readonly #schema: EdgeSchema
  #schemaVersion = -1
  /** Of the next batch; undefined: by reference. */
  #columns: ColumnSchema | undefined
  #surprises = 0
  #open: LocalBatch | undefined
  #isFull = false
  #isClosed = false

  constructor(channel: LocalChannel, options: { readonly schema?: EdgeSchema; readonly pressure?: Pressure } = {}) {
    this.#channel = channel
    this.#pressure = options.pressure ?? { fullChannels: 0 }
    this.#schema = options.schema ?? new EdgeSchema()
  }

  write(value: unknown, timestampMs: number): void {
    const answer = this.block.write(value, timestampMs)
    if (answer !== Written.Wrote) this.writeSlow(value, timestampMs, answer)
  }

  writeSlow(value: unknown, timestampMs: number, refusal: number): void {
    if (this.#isClosed || this.#channel.isReaderClosed) return
    this.#handOver()
    const columns = refusal === Written.Mismatch ? this.#afterMismatch() : this.#nextColumns()
    if (this.#openBatch(columns, value, timestampMs)) return
    this.#afterMismatch()
    this.#openBatch(undefined, value, timestampMs)
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
    this.#open?.seal()
    this.#open = undefined
    this.#setFull(false)
  }

  /** Opens a batch with its first record; false where the record is not of the schema's shape. */
  #openBatch(columns: ColumnSchema | undefined, value: unknown, timestampMs: number): boolean {
    const batch = this.#channel.newBatch(columns)
    batch.open(timestampMs !== noTimestamp)
    if (batch.sink.write(value, timestampMs) !== Written.Wrote) return false
    this.#open = batch
    this.block = batch.sink
    return true
  }

  #nextColumns(): ColumnSchema | undefined {
    const { current, version } = this.#schema
    if (version !== this.#schemaVersion && current !== undefined) {
      this.#schemaVersion = version
      this.#columns = isFixedWidth(current.root) ? current : undefined
    }
    return this.#columns
  }

  /** This batch goes by reference, and after many surprises every one until the schema has changed. */
  #afterMismatch(): undefined {
    if (++this.#surprises % surprisesMax === 0) this.#columns = undefined
  }

  #handOver(): void {
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    open.seal()
    this.#channel.elements.push(open)
    this.#channel.records += open.reader.count
    if (++this.#channel.batches >= queuedBatchesMax) this.#setFull(true)
  }

  #setFull(isFull: boolean): void {
    if (isFull === this.#isFull) return
    this.#isFull = isFull
    this.#pressure.fullChannels += isFull ? 1 : -1
  }
}

export class LocalReader implements ChannelReader {
  batch: BatchReader = new ReferenceBatch()
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
      if (channel.announced !== undefined && channel.position >= channel.announced.position) return Polled.Nothing
      const element = channel.elements.shift()
      if (element === undefined) return Polled.Nothing
      channel.position++
      if ('type' in element) {
        if (!this.#takeEvent(element)) continue
        return Polled.Event
      }
      channel.batches--
      this.#used = element
      this.batch = element.reader
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
