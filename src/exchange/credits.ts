/**
 * Credits: which segments a writer may fill. A segment given back to the writer is the credit; the reader's gate keeps
 * the floating ones in its own thread and lends them to channels whose writer has nothing in reserve.
 *
 * Invariants
 * 1. A segment is owned by exactly one of: the gate (free), the writer (given, taken), the reader (published).
 * 2. A channel is always given back segments up to its exclusive number, so every writer goes on in the end.
 * 3. The credit position is stored after the segment's number; the reader has read the segment by then.
 */
import { RingWord, creditsOffset, type RingSpec } from './exchange-layout.ts'

/** The writer's end. */
export class CreditTaker {
  readonly #words: Int32Array
  readonly #control: number
  readonly #mask: number
  #taken: number
  #seenGiven: number

  constructor(words: Int32Array, ring: RingSpec) {
    this.#words = words
    this.#control = ring.control
    this.#mask = ring.creditCount - 1
    this.#taken = Atomics.load(words, ring.control + RingWord.TakenPosition)
    this.#seenGiven = Atomics.load(words, ring.control + RingWord.CreditPosition)
  }

  /** True where `take` would give a segment. */
  hasCredit(): boolean {
    if (this.#taken !== this.#seenGiven) return true
    this.#seenGiven = Atomics.load(this.#words, this.#control + RingWord.CreditPosition)
    return this.#taken !== this.#seenGiven
  }

  /** Number of a segment to fill, -1 without credit. */
  take(): number {
    if (!this.hasCredit()) return -1
    const segment = this.#words[this.#control + creditsOffset + (this.#taken & this.#mask)]!
    this.#taken = (this.#taken + 1) | 0
    Atomics.store(this.#words, this.#control + RingWord.TakenPosition, this.#taken)
    return segment
  }
}

/** The floating segments of a gate: plain memory of the reader's thread. */
export interface GateCredits {
  readonly free: number[]
  /** Floating segments that a channel may keep in reserve: an even share, so that idle channels do not hoard. */
  readonly share: number
}

/** The reader's end. */
export class CreditGiver {
  readonly #words: Int32Array
  readonly #control: number
  readonly #mask: number
  readonly #exclusive: number
  readonly #gate: GateCredits
  #given: number
  /** Segments given and not come back yet. */
  #outstanding: number

  constructor(words: Int32Array, ring: RingSpec, gate: GateCredits) {
    this.#words = words
    this.#control = ring.control
    this.#mask = ring.creditCount - 1
    this.#exclusive = ring.exclusive.length
    this.#gate = gate
    this.#given = Atomics.load(words, ring.control + RingWord.CreditPosition)
    this.#outstanding = this.#exclusive
  }

  get outstanding(): number {
    return this.#outstanding
  }

  /**
   * A segment that has been read comes back, and becomes credit of this channel or of its gate. A writer found without
   * reserve is lent one segment more.
   */
  takeBack(segment: number): void {
    this.#outstanding--
    const isHungry = this.#isHungry()
    if (isHungry || this.#outstanding < this.#exclusive + this.#gate.share) this.#give(segment)
    else this.#gate.free.push(segment)
    if (isHungry) this.#lendOne()
  }

  /** Lends a floating segment where the writer has nothing in reserve; true where it did. */
  lend(): boolean {
    return this.#isHungry() && this.#lendOne()
  }

  #lendOne(): boolean {
    const segment = this.#gate.free.pop()
    if (segment === undefined) return false
    this.#give(segment)
    return true
  }

  #isHungry(): boolean {
    return this.#given === Atomics.load(this.#words, this.#control + RingWord.TakenPosition)
  }

  #give(segment: number): void {
    this.#words[this.#control + creditsOffset + (this.#given & this.#mask)] = segment
    this.#given = (this.#given + 1) | 0
    this.#outstanding++
    Atomics.store(this.#words, this.#control + RingWord.CreditPosition, this.#given)
  }
}
