/** The same random stream on both sides of a channel: what the producer sends, the consumer expects. */
import { type Prng, prng } from '../../../src/common/prng.ts'

export interface Message {
  readonly value: unknown
  readonly timestampMs: number
}

export class MessageStream {
  readonly #random: Prng
  #sent = 0

  constructor(seed: number) {
    this.#random = prng(seed)
  }

  /** Mostly small rows of one shape; sometimes a large text, another shape, no event time. */
  next(): Message {
    const random = this.#random
    const n = this.#sent++
    const kind = random.nextBelow(1_000)
    const timestampMs = kind < 500 ? n : -Infinity
    if (kind === 0 && n % 7 === 0) return { value: { n, text: 'large '.repeat(random.nextBelow(20_000)) }, timestampMs }
    if (kind === 1) return { value: [n, 'another shape'], timestampMs }
    if (kind === 2) return { value: { n, text: `wide 漢字 ${n}` }, timestampMs }
    if (kind < 20) return { value: { n, text: null }, timestampMs }
    return { value: { n, text: 'abcdefghij'.slice(0, random.nextBelow(10)) + n }, timestampMs }
  }

  /** Whether a watermark follows the last message, a flush, and for how many turns somebody pauses. */
  after(): { readonly watermark: boolean; readonly flush: boolean; readonly pauseTurns: number } {
    const draw = this.#random.nextBelow(2_000)
    return { watermark: draw < 5, flush: draw < 20, pauseTurns: draw === 0 ? this.#random.nextBelow(200_000) : 0 }
  }
}

/** Keeps the thread busy without work. */
export function pause(turns: number): void {
  for (let i = 0; i < turns; i++) Atomics.load(pauseWord, 0)
}

const pauseWord = new Int32Array(new SharedArrayBuffer(4))
