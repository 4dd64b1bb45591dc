/**
 * The writing end of a channel between slots. Records go into a block that lies in a segment; full or flushed blocks
 * are published. Hot part: `block.write` (generated); everything here runs per batch, per event or per surprise.
 *
 * Invariants
 * 1. Order: a large record under way, then what is held, then the open block. While anything is held, no block is open.
 * 2. An open block has a descriptor reserved: publishing it never fails.
 * 3. After a block that left room, the next one goes into the same segment; the last one releases it.
 * 4. Before the schema is known, records wait as samples; nothing of them is visible.
 */
import { assert } from '../common/assert.ts'
import { type BlockEncoder, newBlockEncoder, type RecordSink, Written } from '../data/block-encoder.ts'
import { type ColumnSchema, genericSchema } from '../data/column-schema.ts'
import { readSavedBatch, saveBlock, saveRecords } from '../data/saved-batch.ts'
import type { MemoryViews } from '../memory/memory-views.ts'
import { segmentStart, type SegmentPoolLayout } from '../memory/segment-layout.ts'
import type { ChannelWriterStats } from './channel.ts'
import { CreditTaker } from './credits.ts'
import { DescriptorProducer } from './descriptor-ring.ts'
import type { Doorbell } from './doorbell.ts'
import { EdgeSchema, samplesMax } from './edge-schema.ts'
import { writeBarrier } from './event-words.ts'
import { DescriptorKind, type RingSpec, RingWord } from './exchange-layout.ts'
import { HeldQueue } from './held-queue.ts'
import { noBlock, type Pressure, type RecordPort } from './record-port.ts'
import type { CheckpointBarrier, StreamEvent } from './stream-event.ts'

/** A flushed segment with less room than this fraction is released at once. */
const worthKeeping = 0.25
/** Rows of a block for values that do not fit a declared schema: few, so that columns come back soon. */
const strayRows = 8

export interface RingWriterOptions {
  readonly ring: RingSpec
  readonly views: MemoryViews
  readonly segments: SegmentPoolLayout
  /** Of the consumer's slot. */
  readonly bell: Doorbell
  readonly schema?: EdgeSchema
  readonly pressure?: Pressure
}

/** A saved batch that is larger than a segment, on its way in fragments. */
interface LargeBatch {
  readonly bytes: Uint8Array
  readonly rows: number
  sentBytes: number
}

export class RingWriter implements RecordPort {
  block: RecordSink = noBlock
  /** Where claimed columns lie. */
  readonly views: MemoryViews
  readonly #segments: SegmentPoolLayout
  readonly #control: number
  readonly #bell: Doorbell
  readonly #descriptors: DescriptorProducer
  readonly #credits: CreditTaker
  readonly #schema: EdgeSchema
  readonly #pressure: Pressure
  readonly #encoders = new Map<string, BlockEncoder>()
  /** Numbers of the schemas that the reader knows. */
  readonly #schemaNumbers = new Map<string, number>()
  readonly #samples = new HeldQueue()
  readonly #held = new HeldQueue()
  #large: LargeBatch | undefined
  #isFull = false
  #isClosed = false
  /** The encoder behind `block`, its schema's number, and the schema version it was opened for. */
  #open: BlockEncoder | undefined
  #openVersion = 0
  /** The next block takes a value that does not fit the schema. */
  #isStray = false
  /** Segment being filled, -1 for none; its first free byte. */
  #segment = -1
  #offset = 0
  /** The last barrier that went in band, and its position. */
  #barrierId = Number.NaN
  #barrierPosition = 0
  readonly #counts = { records: 0, bytes: 0, genericRecords: 0 }

  constructor(options: RingWriterOptions) {
    this.views = options.views
    this.#segments = options.segments
    this.#control = options.ring.control
    this.#bell = options.bell
    this.#descriptors = new DescriptorProducer(options.views, this.#control)
    this.#credits = new CreditTaker(options.views.i32, options.ring)
    this.#schema = options.schema ?? new EdgeSchema()
    this.#pressure = options.pressure ?? { fullChannels: 0 }
  }

  write(value: unknown, timestampMs: number): void {
    const answer = this.block.write(value, timestampMs)
    if (answer !== Written.Wrote) this.writeSlow(value, timestampMs, answer)
  }

  writeSlow(value: unknown, timestampMs: number, refusal: number): void {
    if (this.#isFull) return this.#held.addRecord(value, timestampMs)
    if (this.#schema.current === undefined) {
      this.#samples.addRecord(value, timestampMs)
      if (this.#samples.length >= samplesMax) this.#startSchema()
      return
    }
    this.#startSchema()
    if (this.#isFull || !this.#tryWrite(value, timestampMs, refusal)) this.#hold(value, timestampMs)
  }

  emitEvent(event: StreamEvent): void {
    this.#startSchema()
    if (this.#isFull || !this.#tryEvent(event)) {
      this.#held.addEvent(event)
      this.#setFull()
    }
  }

  isFull(): boolean {
    return this.#isFull
  }

  drain(): boolean {
    if (!this.#isFull) return true
    if (this.#isClosed || this.#isReaderClosed()) this.#discard()
    else if (!this.#sendHeld()) return false
    this.#isFull = false
    this.#pressure.fullChannels--
    return true
  }

  flush(): void {
    this.#startSchema()
    if (this.#open !== undefined) this.#publishBlock()
  }

  hasUnflushed(): boolean {
    return (this.#open !== undefined && this.#open.count > 0) || this.#samples.length > 0
  }

  /**
   * Columns instead of records, for schemas of fixed-width columns: claims up to `rows` rows of the open block and
   * returns how many there are (0: no credit, drain first). Fill them with `column` and then `commitRows`.
   */
  claimRows(rows: number, hasTimes = false): number {
    if (this.#isFull || this.#schema.current === undefined) return 0
    const open = this.#open
    if (open !== undefined && (open.count === open.stride || open.hasTimes !== hasTimes)) this.#publishBlock()
    if (this.#open === undefined && !this.#openBlock(hasTimes)) return 0
    return Math.min(rows, this.#open!.stride - this.#open!.count)
  }

  /** Element index, in the shared view of its width, of a top-level field's first claimed row; -1: the event times. */
  column(field: number): number {
    const open = this.#open!
    return (field < 0 ? open.times : open.columnStart(field)) + open.count
  }

  commitRows(rows: number): void {
    const open = this.#open!
    open.count += rows
    if (open.count === open.stride) this.#publishBlock()
  }

  announceBarrier(barrier: CheckpointBarrier): readonly Uint8Array[] {
    const inBand = this.#barrierId === barrier.checkpointId
    let saved: readonly Uint8Array[] = []
    if (!inBand) {
      this.flush()
      saved = this.#saveHeld(barrier.checkpointId)
      this.#held.removeBarrier(barrier.checkpointId)
    }
    this.#announce(barrier, inBand ? this.#barrierPosition : this.#descriptors.position)
    return saved
  }

  restore(batches: readonly Uint8Array[]): void {
    for (const bytes of batches) {
      const batch = readSavedBatch(bytes)
      for (let i = 0; i < batch.count; i++) this.write(batch.read(i), batch.timestampMs(i))
    }
  }

  get stats(): ChannelWriterStats {
    return {
      records: this.#counts.records,
      bytes: this.#counts.bytes,
      genericRecords: this.#counts.genericRecords,
      heldBatches: (this.#large === undefined ? 0 : 1) + (this.#held.length === 0 ? 0 : 1),
      segmentsInUse: this.#segment < 0 ? 0 : 1,
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#discard()
    if (this.#isFull) this.#pressure.fullChannels--
    this.#isFull = false
  }

  // --- writing ---

  /** Takes one record over, opening and publishing blocks as needed; false where credit ran out before. */
  #tryWrite(value: unknown, timestampMs: number, refusal: number): boolean {
    const hasTime = timestampMs !== -Infinity
    let answer = refusal
    for (;;) {
      if (this.#isClosed || (answer === Written.Full && this.#isReaderClosed())) return true
      if (answer === Written.Full && this.#open !== undefined && this.#open.count === 0) {
        this.#abandonBlock()
        if (this.#offset === 0) {
          this.#startLarge(saveRecords([value], [timestampMs]), 1)
          return true
        }
        this.#releaseSegment()
      }
      if (answer === Written.Mismatch) this.#adapt(value)
      if (this.#open !== undefined && !this.#publishBlock()) return false
      if (!this.#openBlock(hasTime)) return false
      answer = this.#open!.write(value, timestampMs)
      if (answer === Written.Wrote) return true
    }
  }

  /** A value does not fit the open block's schema. */
  #adapt(value: unknown): void {
    assert(this.#openVersion >= 0, 'a generic block refused a value')
    if (this.#openVersion !== this.#schema.version) return
    this.#isStray = !this.#schema.widen(value)
  }

  #startSchema(): void {
    if (this.#samples.length === 0) return
    const samples = this.#samples.takeRecords()
    this.#schema.infer(samples.values)
    for (let i = 0; i < samples.values.length; i++) this.write(samples.values[i], samples.timestampsMs[i]!)
  }

  /** Opens a block for the current schema; false without credit or descriptors. */
  #openBlock(hasTimes: boolean): boolean {
    const schema = this.#isStray ? genericSchema : this.#schema.current!
    if (schema.key.length > this.#segments.segmentBytes / 4) return this.#openGeneric(hasTimes)
    const encoder = this.#encoderFor(schema)
    for (;;) {
      // One for the block, one for a schema or a release before it.
      if (this.#descriptors.free(2) < 2) return false
      if (this.#segment < 0) {
        this.#segment = this.#credits.take()
        this.#offset = 0
        if (this.#segment < 0) return false
      }
      if (!this.#describe(schema)) {
        this.#releaseSegment()
        continue
      }
      if (this.#descriptors.free(1) < 1) return false
      const availableBytes = this.#segments.segmentBytes - this.#offset
      let rows = encoder.rowsFor(availableBytes, hasTimes)
      if (rows === 0) {
        if (this.#offset === 0) return this.#openGeneric(hasTimes)
        this.#releaseSegment()
        continue
      }
      if (this.#isStray) rows = Math.min(rows, strayRows)
      encoder.open(segmentStart(this.#segments, this.#segment) + this.#offset, availableBytes, rows, hasTimes)
      this.#openVersion = this.#isStray || schema === genericSchema ? -1 : this.#schema.version
      this.#isStray = false
      this.#open = encoder
      this.block = encoder
      return true
    }
  }

  /** The schema's rows are too wide for a segment's columns: this edge goes on without columns. */
  #openGeneric(hasTimes: boolean): boolean {
    this.#schema.giveUp()
    return this.#openBlock(hasTimes)
  }

  #encoderFor(schema: ColumnSchema): BlockEncoder {
    let encoder = this.#encoders.get(schema.key)
    if (encoder === undefined) this.#encoders.set(schema.key, (encoder = newBlockEncoder(schema, this.views)))
    return encoder
  }

  /** Publishes the schema's key where the reader does not know it; false where it does not fit the segment's rest. */
  #describe(schema: ColumnSchema): boolean {
    if (this.#schemaNumbers.has(schema.key)) return true
    const bytes = schema.key.length
    if (this.#offset + bytes > this.#segments.segmentBytes / 2) return false
    this.views.u8.latin1Write(schema.key, segmentStart(this.#segments, this.#segment) + this.#offset)
    const number = this.#schemaNumbers.size
    this.#schemaNumbers.set(schema.key, number)
    this.#descriptors.publish(DescriptorKind.Schema, this.#segment, this.#offset, bytes, number, false)
    this.#offset += Math.ceil(bytes / 8) * 8
    return true
  }

  /** Seals and publishes the open block; false where it had to go out as a large batch and has not left yet. */
  #publishBlock(): boolean {
    const open = this.#open!
    const { key } = open.layout.schema
    const { count } = open
    if (count === 0) {
      this.#abandonBlock()
      return true
    }
    const bytes = open.seal()
    if (bytes < 0) {
      const saved = saveBlock(key, open.sealToBytes())
      this.#abandonBlock()
      return this.#startLarge(saved, count)
    }
    this.#abandonBlock()
    const end = this.#offset + bytes
    const releases = this.#segments.segmentBytes - end < this.#segments.segmentBytes * worthKeeping
    const number = this.#schemaNumbers.get(key)!
    this.#count(count, bytes, key === genericSchema.key)
    this.#descriptors.publish(DescriptorKind.Batch, this.#segment, this.#offset, bytes, number, releases)
    this.#offset = end
    if (releases) this.#segment = -1
    this.#bell.ring()
    return true
  }

  /** `block` stays what it is, closed: the loops that write see one class of blocks. */
  #abandonBlock(): void {
    this.#open?.close()
    this.#open = undefined
  }

  /** Gives the segment's rest up. A descriptor is free (checked by the caller). */
  #releaseSegment(): void {
    this.#descriptors.publish(DescriptorKind.Release, this.#segment, 0, 0, 0, true)
    this.#segment = -1
    this.#bell.ring()
  }

  // --- large batches ---

  #startLarge(bytes: Uint8Array, rows: number): boolean {
    this.#large = { bytes, rows, sentBytes: 0 }
    if (this.#sendLarge()) return true
    this.#setFull()
    return false
  }

  #sendLarge(): boolean {
    const large = this.#large
    if (large === undefined) return true
    const { segmentBytes } = this.#segments
    while (large.sentBytes < large.bytes.length) {
      if (this.#descriptors.free(2) < 2) return false
      if (this.#segment >= 0 && this.#offset > 0) this.#releaseSegment()
      if (this.#segment < 0) this.#segment = this.#credits.take()
      if (this.#segment < 0) return false
      const part = large.bytes.subarray(large.sentBytes, large.sentBytes + segmentBytes)
      this.views.u8.set(part, segmentStart(this.#segments, this.#segment))
      large.sentBytes += part.length
      const isLast = large.sentBytes === large.bytes.length
      this.#descriptors.publish(DescriptorKind.Fragment, this.#segment, 0, part.length, isLast ? 0 : 1, true)
      this.#segment = -1
      this.#bell.ring()
    }
    this.#count(large.rows, large.bytes.length, false)
    this.#large = undefined
    return true
  }

  // --- holding back ---

  #hold(value: unknown, timestampMs: number): void {
    this.#held.addRecord(value, timestampMs)
    this.#setFull()
  }

  #setFull(): void {
    if (this.#isFull) return
    this.#isFull = true
    this.#pressure.fullChannels++
  }

  #sendHeld(): boolean {
    while (this.#sendLarge()) {
      if (this.#held.length === 0) return true
      const event = this.#held.headEvent()
      if (event === undefined ? !this.#sendHeldRecord() : !this.#tryEvent(event)) return false
      this.#held.shift()
    }
    return false
  }

  #sendHeldRecord(): boolean {
    const value = this.#held.headValue()
    const timestampMs = this.#held.headTimestampMs()
    const answer = this.block.write(value, timestampMs)
    return answer === Written.Wrote || this.#tryWrite(value, timestampMs, answer)
  }

  #tryEvent(event: StreamEvent): boolean {
    if (this.#isClosed) return true
    if (this.#open !== undefined && !this.#publishBlock()) return false
    if (this.#descriptors.free(1) < 1) return false
    if (event.type === 'barrier') {
      this.#barrierId = event.barrier.checkpointId
      this.#barrierPosition = this.#descriptors.position
    }
    this.#descriptors.publishEvent(event)
    this.#bell.ring()
    return true
  }

  // --- barriers that overtake ---

  #saveHeld(checkpointId: number): readonly Uint8Array[] {
    const saved = this.#large === undefined ? [] : [this.#large.bytes]
    const { values, timestampsMs } = this.#held.recordsBefore(checkpointId)
    if (values.length > 0) saved.push(saveRecords(values, timestampsMs))
    return saved
  }

  #announce(barrier: CheckpointBarrier, position: number): void {
    const { i32 } = this.views
    const word = this.#control + RingWord.Announcements
    Atomics.add(i32, word, 1)
    i32[this.#control + RingWord.AnnouncedPosition] = position
    writeBarrier(this.views, this.#control + RingWord.AnnouncedBarrier, barrier)
    Atomics.add(i32, word, 1)
    this.#bell.ring()
  }

  // --- the rest ---

  #isReaderClosed(): boolean {
    return Atomics.load(this.views.i32, this.#control + RingWord.ReaderClosed) === 1
  }

  #discard(): void {
    this.#abandonBlock()
    this.#samples.clear()
    this.#held.clear()
    this.#large = undefined
  }

  #count(records: number, bytes: number, isGeneric: boolean): void {
    this.#counts.records += records
    this.#counts.bytes += bytes
    if (isGeneric) this.#counts.genericRecords += records
  }
}
