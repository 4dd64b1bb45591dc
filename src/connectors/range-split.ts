/**
 * Ranges of whole numbers: how a source is cut into them, and which one a reader is in. Read one after another. A reader
 * that holds one range at a time, as nearly all do, emits through its own output. Only after a restore at a lower
 * parallelism it may hold several: then each has an output of its own, from the beginning, so that none of them is late
 * because another was read before.
 */
import { Progress } from '../common/progress.ts'
import type { ReaderOutput, SourceOutput } from '../operators/operator.ts'
import { guidedLength } from './guided-length.ts'
import { SplitQueue } from './split-queue.ts'

/** A run of whole numbers still to be read: `next` … `end - 1`. */
export interface RangeSplit {
  readonly next: number
  readonly end: number
}

/** Cuts `from` … `end - 1` into at most `count` ranges of nearly equal length, in order; empty ranges are left out. */
export function splitRange(from: number, end: number, count: number): RangeSplit[] {
  const splits: RangeSplit[] = []
  const length = end - from
  for (let i = 0; i < count; i++) {
    const next = from + Math.floor((length / count) * i)
    const stop = i === count - 1 ? end : from + Math.floor((length / count) * (i + 1))
    if (next < stop) splits.push({ next, end: stop })
  }
  return splits
}

/** Long enough that partial results of neighbouring records meet in one subtask; short enough that subtasks keep together. */
const blockLengthMax = 1 << 19
const blocksMax = 4096
const lastBlockLength = 4096

/**
 * Cuts `from` … `end - 1` into blocks that subtasks take as they go, so that all of them read near one place: at most
 * 2^19 numbers each (or a 4,096th of all), and smaller towards the end (`guidedLength`).
 */
export function guidedBlocks(from: number, end: number, parallelism: number): RangeSplit[] {
  const length = end - from
  const most = Math.max(blockLengthMax, Math.ceil(length / blocksMax))
  const lengthOf = guidedLength(length, parallelism, { most, last: lastBlockLength, least: 1 })
  const splits: RangeSplit[] = []
  for (let next = from; next < end;) {
    const stop = Math.min(end, next + lengthOf(end - next))
    splits.push({ next, end: stop })
    next = stop
  }
  return splits
}

/** The ranges of one reader. */
export class RangeReading {
  /** The range at hand: `next` … `end` - 1. The reader moves `next`. */
  next = 0
  end = 0
  readonly #queue = new SplitQueue<RangeSplit>()
  /** Sticky: outputs of splits and of the reader are not mixed. */
  #hasSplitOutputs = false
  #output: SourceOutput<unknown> | undefined
  #outputId: string | undefined

  add(splits: readonly RangeSplit[]): void {
    this.#queue.add(splits)
  }

  complete(): void {
    this.#queue.complete()
  }

  get needsSplit(): boolean {
    return this.next >= this.end && this.#queue.needsSplit
  }

  /** What to answer after reading up to `next`. */
  get progress(): Progress {
    return this.next < this.end || !this.#queue.isEmpty ? Progress.Working : this.#queue.progressWhenEmpty
  }

  /** Where the range at hand is to be emitted, which may be a new one; undefined where none is left. */
  select<T>(output: ReaderOutput<T>): SourceOutput<T> | undefined {
    if (this.next >= this.end && !this.#take(output)) return undefined
    return this.#outputId === undefined ? output : (this.#output as SourceOutput<T>)
  }

  snapshot(): readonly RangeSplit[] {
    const rest = this.#queue.remaining()
    return this.next < this.end ? [{ next: this.next, end: this.end }, ...rest] : [...rest]
  }

  #take<T>(output: ReaderOutput<T>): boolean {
    const waiting = this.#queue.remaining()
    if (waiting.length > 1) {
      this.#hasSplitOutputs = true
      for (const { end } of waiting) output.createOutputForSplit(String(end))
    }
    if (this.#outputId !== undefined) output.releaseOutputForSplit(this.#outputId)
    const split = this.#queue.take()
    this.#outputId = this.#hasSplitOutputs && split !== undefined ? String(split.end) : undefined
    if (split === undefined) return false
    if (this.#outputId !== undefined) this.#output = output.createOutputForSplit(this.#outputId)
    this.next = split.next
    this.end = split.end
    return true
  }
}
