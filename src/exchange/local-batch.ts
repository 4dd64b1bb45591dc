/**
 * Batches of a channel within a slot: by reference, or in columns in private memory. One side fills `sink`, seals, and the
 * other reads `reader`; then the batch is cleared and used again. Hot, one thread.
 */
import { type BlockEncoder, newBlockEncoder, type RecordSink, Written } from '../data/block-encoder.ts'
import { type BlockDecoder, newBlockDecoder } from '../data/block-decoder.ts'
import { fixedBytes, layoutOf } from '../data/block-layout.ts'
import type { ColumnSchema } from '../data/column-schema.ts'
import { saveBlock, saveRecords } from '../data/saved-batch.ts'
import { privateViews } from '../memory/memory-views.ts'
import type { BatchReader } from './channel.ts'

const batchRecords = 1_024
/** Shape of batches by reference; generated ones count from 16. */
const referenceShape = 1

export interface LocalBatch {
  /** Undefined: by reference. */
  readonly schemaKey: string | undefined
  readonly sink: RecordSink
  readonly reader: BatchReader
  open(hasTimes: boolean): void
  /** No more rows; what was written can be read. */
  seal(): void
  /** As channel state, see saved-batch.ts. */
  toBytes(): Uint8Array
  /** Drops the references. */
  clear(): void
}

/** Values and event times side by side: what the writer fills and the reader hands out. */
export class ReferenceBatch implements LocalBatch, RecordSink, BatchReader {
  readonly schemaKey: undefined
  readonly shape: number = referenceShape
  count = 0
  stride = 0
  readonly sink: RecordSink = this
  readonly reader: BatchReader = this
  readonly values: unknown[] = []
  readonly #timestampsMs = new Float64Array(batchRecords)

  open(): void {
    this.stride = batchRecords
  }

  write(value: unknown, timestampMs: number): number {
    const index = this.count
    if (index >= this.stride) return Written.Full
    this.values[index] = value
    this.#timestampsMs[index] = timestampMs
    this.count = index + 1
    return Written.Wrote
  }

  seal(): void {
    this.stride = 0
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

/** A block of fixed-width columns in memory of its own. */
export class ColumnBatch implements LocalBatch {
  readonly schemaKey: string
  readonly sink: BlockEncoder
  readonly reader: BlockDecoder
  readonly #bytes: number

  constructor(schema: ColumnSchema) {
    this.schemaKey = schema.key
    this.#bytes = fixedBytes(layoutOf(schema), batchRecords, true)
    const views = privateViews(this.#bytes)
    this.sink = newBlockEncoder(schema, views)
    this.reader = newBlockDecoder(schema, views)
  }

  open(hasTimes: boolean): void {
    this.sink.open(0, this.#bytes, batchRecords, hasTimes)
  }

  seal(): void {
    this.sink.seal()
    this.reader.open(0)
    this.sink.close()
  }

  toBytes(): Uint8Array {
    return saveBlock(this.schemaKey, this.reader.blockBytes())
  }

  clear(): void {}
}
