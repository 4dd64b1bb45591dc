/**
 * The single-producer single-consumer ring of descriptors in shared memory: both ends. Hot, but per batch. The peer's
 * position is cached and loaded again only where the cached one does not suffice.
 *
 * Invariants
 * 1. The write position is stored (sequentially consistent) after the descriptor and the bytes it points to.
 * 2. The read position is stored after the consumer has copied what it needs of the descriptor.
 * 3. 0 <= write - read <= descriptorCount, in wrapping arithmetic.
 */
import type { MemoryViews } from '../memory/memory-views.ts'
import { readEvent, writeEvent } from './event-words.ts'
import {
  descriptorCount,
  DescriptorKind,
  descriptorsOffset,
  DescriptorWord,
  descriptorWords,
  RingWord,
} from './exchange-layout.ts'
import type { StreamEvent } from './stream-event.ts'

export class DescriptorProducer {
  readonly #views: MemoryViews
  readonly #control: number
  #written = 0
  #seenRead = 0

  constructor(views: MemoryViews, control: number) {
    this.#views = views
    this.#control = control
    this.#written = Atomics.load(views.i32, control + RingWord.WritePosition)
    this.#seenRead = Atomics.load(views.i32, control + RingWord.ReadPosition)
  }

  /** Position of the next descriptor. */
  get position(): number {
    return this.#written
  }

  /** Descriptors that can be published now: at least the number returned, exact where it is below `wanted`. */
  free(wanted: number): number {
    const known = descriptorCount - ((this.#written - this.#seenRead) | 0)
    if (known >= wanted) return known
    this.#seenRead = Atomics.load(this.#views.i32, this.#control + RingWord.ReadPosition)
    return descriptorCount - ((this.#written - this.#seenRead) | 0)
  }

  publish(kind: number, segment: number, offset: number, bytes: number, number: number, releases: boolean): void {
    const i32 = this.#views.i32
    const word = this.#nextWord()
    i32[word + DescriptorWord.Kind] = kind
    i32[word + DescriptorWord.Segment] = segment
    i32[word + DescriptorWord.Offset] = offset
    i32[word + DescriptorWord.Bytes] = bytes
    i32[word + DescriptorWord.Number] = number
    i32[word + DescriptorWord.Releases] = releases ? 1 : 0
    this.#advance()
  }

  publishEvent(event: StreamEvent): void {
    const word = this.#nextWord()
    this.#views.i32[word + DescriptorWord.Kind] = DescriptorKind.Event
    this.#views.i32[word + DescriptorWord.Releases] = 0
    writeEvent(this.#views, word + DescriptorWord.Event, event)
    this.#advance()
  }

  #nextWord(): number {
    return this.#control + descriptorsOffset + (this.#written & (descriptorCount - 1)) * descriptorWords
  }

  #advance(): void {
    this.#written = (this.#written + 1) | 0
    Atomics.store(this.#views.i32, this.#control + RingWord.WritePosition, this.#written)
  }
}

export class DescriptorConsumer {
  readonly #views: MemoryViews
  readonly #control: number
  #read = 0
  #seenWritten = 0

  constructor(views: MemoryViews, control: number) {
    this.#views = views
    this.#control = control
    this.#read = Atomics.load(views.i32, control + RingWord.ReadPosition)
    this.#seenWritten = this.#read
  }

  /** Position of the descriptor at hand. */
  get position(): number {
    return this.#read
  }

  /** Word of the descriptor at hand, -1 where there is none. */
  peek(): number {
    if (this.#read === this.#seenWritten) {
      this.#seenWritten = Atomics.load(this.#views.i32, this.#control + RingWord.WritePosition)
      if (this.#read === this.#seenWritten) return -1
    }
    return this.wordAt(this.#read)
  }

  /** Word of the descriptor at a position between `position` and the write position. */
  wordAt(position: number): number {
    return this.#control + descriptorsOffset + (position & (descriptorCount - 1)) * descriptorWords
  }

  /** Frees the descriptor at hand. */
  advance(): void {
    this.#read = (this.#read + 1) | 0
    Atomics.store(this.#views.i32, this.#control + RingWord.ReadPosition, this.#read)
  }

  eventAt(word: number): StreamEvent {
    return readEvent(this.#views, word + DescriptorWord.Event)
  }

  /** Descriptors waiting. */
  length(): number {
    this.#seenWritten = Atomics.load(this.#views.i32, this.#control + RingWord.WritePosition)
    return (this.#seenWritten - this.#read) | 0
  }
}
