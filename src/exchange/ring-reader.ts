/**
 * The reading end of a channel between slots: decodes batches where they lie, and gives segments back at the next poll.
 *
 * Invariants
 * 1. A segment is given back after everything in it has been read; its bytes are not touched from then on.
 * 2. Restored batches come first, then the ring in order.
 * 3. An in-band barrier that `pollPriority` has handed out before is skipped; an announcement of one that was polled
 *    in band is ignored.
 * 4. What lies behind an announced barrier is not handed out before `pollPriority` has told of it: the producer may
 *    announce and publish at any moment between the reader's looking for barriers and its polling.
 */
import { type BlockDecoder, newBlockDecoder } from '../data/block-decoder.ts'
import { readSavedBatch, saveBlock } from '../data/saved-batch.ts'
import { assert } from '../common/assert.ts'
import type { MemoryViews } from '../memory/memory-views.ts'
import { segmentStart, type SegmentPoolLayout } from '../memory/segment-layout.ts'
import { type BatchReader, type ChannelReader, Polled } from './channel.ts'
import { CreditGiver, type GateCredits } from './credits.ts'
import { DescriptorConsumer } from './descriptor-ring.ts'
import type { Doorbell } from './doorbell.ts'
import { readBarrier } from './event-words.ts'
import { DescriptorKind, DescriptorWord, type RingSpec, RingWord } from './exchange-layout.ts'
import type { CheckpointBarrier, StreamEvent } from './stream-event.ts'

export interface RingReaderOptions {
  readonly ring: RingSpec
  readonly views: MemoryViews
  readonly segments: SegmentPoolLayout
  readonly gate: GateCredits
  /** Of the producer's slot. */
  readonly bell: Doorbell
}

export class RingReader implements ChannelReader {
  batch: BatchReader = noBatch
  event: StreamEvent = { type: 'endOfInput' }
  readonly #views: MemoryViews
  readonly #segments: SegmentPoolLayout
  readonly #control: number
  readonly #bell: Doorbell
  readonly #descriptors: DescriptorConsumer
  readonly #credits: CreditGiver
  /** By the channel's schema number. */
  readonly #decoders: BlockDecoder[] = []
  #restored: Uint8Array[] = []
  /** Fragments of a large batch so far. */
  #fragments: Uint8Array[] = []
  /** Segment to give back at the next poll, or -1. */
  #usedSegment = -1
  #announcements = 0
  #announcedPosition = 0
  #priorityId = Number.NaN
  #inBandId = -Infinity
  #isClosed = false

  constructor(options: RingReaderOptions) {
    this.#views = options.views
    this.#segments = options.segments
    this.#control = options.ring.control
    this.#bell = options.bell
    this.#descriptors = new DescriptorConsumer(options.views, this.#control)
    this.#credits = new CreditGiver(options.views.i32, options.ring, options.gate)
  }

  poll(): Polled {
    if (this.#usedSegment >= 0) this.#giveBack()
    if (this.#restored.length > 0) return this.#openSaved(this.#restored.shift()!)
    for (;;) {
      const word = this.#descriptors.peek()
      if (word < 0) {
        if (this.#credits.lend()) this.#bell.ring()
        return Polled.Nothing
      }
      if (this.#isBehindBarrier()) return Polled.Nothing
      const found = this.#take(word)
      if (found !== Polled.Nothing) return found
    }
  }

  /** Whether a barrier that has not been told of lies before the descriptor at hand. Loaded after it: see invariant 4. */
  #isBehindBarrier(): boolean {
    const { i32 } = this.#views
    const seen = Atomics.load(i32, this.#control + RingWord.Announcements)
    if (seen === this.#announcements) return false
    if ((seen & 1) === 1) return true
    return ((this.#descriptors.position - i32[this.#control + RingWord.AnnouncedPosition]!) | 0) >= 0
  }

  pollPriority(): CheckpointBarrier | undefined {
    const { i32 } = this.#views
    const counter = this.#control + RingWord.Announcements
    for (;;) {
      const seen = Atomics.load(i32, counter)
      if (seen === this.#announcements || (seen & 1) === 1) return undefined
      const barrier = readBarrier(this.#views, this.#control + RingWord.AnnouncedBarrier)
      const position = i32[this.#control + RingWord.AnnouncedPosition]!
      if (Atomics.load(i32, counter) !== seen) continue
      this.#announcements = seen
      if (barrier.checkpointId <= this.#inBandId) return undefined
      this.#announcedPosition = position
      this.#priorityId = barrier.checkpointId
      return barrier
    }
  }

  snapshotInFlight(barrier: CheckpointBarrier): readonly Uint8Array[] {
    assert(barrier.checkpointId === this.#priorityId, `barrier ${barrier.checkpointId} was not announced here`)
    const saved = [...this.#restored]
    let fragments = [...this.#fragments]
    const { i32 } = this.#views
    for (let at = this.#descriptors.position; ((this.#announcedPosition - at) | 0) > 0; at = (at + 1) | 0) {
      const word = this.#descriptors.wordAt(at)
      const kind = i32[word + DescriptorWord.Kind]
      if (kind === DescriptorKind.Schema) this.#define(word)
      else if (kind === DescriptorKind.Batch) {
        saved.push(this.#saveBlock(word, this.#startOf(word), i32[word + DescriptorWord.Bytes]!))
      } else if (kind === DescriptorKind.Fragment) {
        fragments.push(this.#copy(word))
        if (i32[word + DescriptorWord.Number] !== 0) continue
        saved.push(joined(fragments))
        fragments = []
      }
    }
    return saved
  }

  restore(batches: readonly Uint8Array[]): void {
    this.#restored.push(...batches)
  }

  queueLength(): number {
    return this.#restored.length + this.#descriptors.length()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#restored = []
    this.#fragments = []
    Atomics.store(this.#views.i32, this.#control + RingWord.ReaderClosed, 1)
    this.#bell.ring()
  }

  /** Takes the descriptor at hand; Nothing where it was none of the user's business. */
  #take(word: number): Polled {
    const { i32 } = this.#views
    switch (i32[word + DescriptorWord.Kind]) {
      case DescriptorKind.Batch:
        return this.#takeBatch(word)
      case DescriptorKind.Event:
        return this.#takeEvent(word)
      case DescriptorKind.Schema:
        this.#define(word)
        this.#advance(-1)
        return Polled.Nothing
      case DescriptorKind.Fragment:
        return this.#takeFragment(word)
      default:
        this.#advance(i32[word + DescriptorWord.Segment]!)
        return Polled.Nothing
    }
  }

  #takeBatch(word: number): Polled {
    const { i32 } = this.#views
    const decoder = this.#decoders[i32[word + DescriptorWord.Number]!]!
    decoder.open(this.#startOf(word))
    this.batch = decoder
    if (i32[word + DescriptorWord.Releases] === 1) this.#usedSegment = i32[word + DescriptorWord.Segment]!
    this.#descriptors.advance()
    this.#credits.lend()
    this.#ringIfHalfEmpty()
    return Polled.Batch
  }

  #takeEvent(word: number): Polled {
    const event = this.#descriptors.eventAt(word)
    this.#advance(-1)
    if (event.type === 'barrier') {
      if (event.barrier.checkpointId === this.#priorityId) return Polled.Nothing
      this.#inBandId = event.barrier.checkpointId
    }
    this.event = event
    return Polled.Event
  }

  #takeFragment(word: number): Polled {
    const { i32 } = this.#views
    this.#fragments.push(this.#copy(word))
    const isLast = i32[word + DescriptorWord.Number] === 0
    this.#advance(i32[word + DescriptorWord.Segment]!)
    if (!isLast) return Polled.Nothing
    const whole = joined(this.#fragments)
    this.#fragments = []
    return this.#openSaved(whole)
  }

  #openSaved(saved: Uint8Array): Polled {
    this.batch = readSavedBatch(saved)
    return Polled.Batch
  }

  /** Frees the descriptor at hand, and gives a segment back (-1: none). */
  #advance(segment: number): void {
    this.#descriptors.advance()
    if (segment >= 0) this.#credits.takeBack(segment)
    this.#ringIfHalfEmpty()
  }

  #giveBack(): void {
    this.#credits.takeBack(this.#usedSegment)
    this.#usedSegment = -1
    this.#ringIfHalfEmpty()
  }

  /**
   * A writer that sleeps for want of credit is woken once half of its segments are free: waking it for each one would
   * cost a switch of threads per segment. At the latest it is woken when the ring is empty.
   */
  #ringIfHalfEmpty(): void {
    if (this.#descriptors.length() <= this.#credits.outstanding >> 1) this.#bell.ring()
  }

  /** Learns a schema. Schemas come in the order of their numbers; a snapshot may have read them ahead. */
  #define(word: number): void {
    const number = this.#views.i32[word + DescriptorWord.Number]!
    if (this.#decoders[number] !== undefined) return
    const start = this.#startOf(word)
    const key = this.#views.u8.latin1Slice(start, start + this.#views.i32[word + DescriptorWord.Bytes]!)
    this.#decoders[number] = newBlockDecoder(key, this.#views)
  }

  #startOf(word: number): number {
    const { i32 } = this.#views
    return segmentStart(this.#segments, i32[word + DescriptorWord.Segment]!) + i32[word + DescriptorWord.Offset]!
  }

  #saveBlock(word: number, start: number, bytes: number): Uint8Array {
    const decoder = this.#decoders[this.#views.i32[word + DescriptorWord.Number]!]!
    return saveBlock(decoder.layout.schema.key, this.#views.u8.subarray(start, start + bytes))
  }

  #copy(word: number): Uint8Array {
    const start = this.#startOf(word)
    return Uint8Array.prototype.slice.call(this.#views.u8, start, start + this.#views.i32[word + DescriptorWord.Bytes]!)
  }
}

const noBatch: BatchReader = {
  shape: 0,
  count: 0,
  read: () => undefined,
  timestampMs: () => -Infinity,
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = Buffer.concat(parts)
  return new Uint8Array(whole.buffer, whole.byteOffset, whole.length)
}
