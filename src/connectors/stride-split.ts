/**
 * Numbers dealt out in strides: subtask s of p has s, s + p, s + 2p, … For sources whose records are made from a number.
 */
import { Progress } from '../common/progress.ts'
import type { ReaderOutput, SourceOutput } from '../operators/operator.ts'
import { SplitQueue } from './split-queue.ts'

/** The numbers `next`, `next + step`, … below `end` (-1: without end). */
export interface StrideSplit {
  readonly next: number
  readonly step: number
  readonly end: number
}

/** One stride per subtask. */
export function strideSplits(parallelism: number, end: number): StrideSplit[] {
  return Array.from({ length: parallelism }, (_, next) => ({ next, step: parallelism, end }))
}

interface Stride {
  /** The same after every restore: all strides of a source have one step. */
  readonly id: string
  next: number
  readonly step: number
  readonly end: number
}

/**
 * The strides of one reader, and which run of numbers comes next. Usually there is one stride, emitted through the
 * reader's own output. After a change of the parallelism there may be several: then the smallest number comes first, so
 * that their order stays nearly global, and each has an output of its own.
 */
export class StrideReading {
  /** The run at hand: `next`, `next + step`, … below `stop`. The reader moves `next`. */
  next = 0
  step = 1
  stop = 0
  readonly #queue = new SplitQueue<StrideSplit>()
  #strides: Stride[] = []
  #current: Stride | undefined
  /** Sticky: outputs of splits and of the reader are not mixed. */
  #hasSplitOutputs = false
  /** Read to their end, with an output that is not released yet. */
  #finished: Stride[] = []
  readonly #paused = new Set<string>()

  add(splits: readonly StrideSplit[]): void {
    this.#saveCurrent()
    for (const { next, step, end } of splits) {
      this.#strides.push({ id: String(next % step), next, step, end: end < 0 ? Number.POSITIVE_INFINITY : end })
    }
  }

  complete(): void {
    this.#queue.complete()
  }

  get needsSplit(): boolean {
    this.#saveCurrent()
    return this.#strides.length === 0 && this.#queue.needsSplit
  }

  get progressWhenEmpty(): Progress {
    return this.#strides.length > 0 ? Progress.Idle : this.#queue.progressWhenEmpty
  }

  /** Strides that alignment stops, and lets go on. */
  pauseOrResume(toPause: readonly string[], toResume: readonly string[]): void {
    for (const id of toPause) this.#paused.add(id)
    for (const id of toResume) this.#paused.delete(id)
  }

  /** Chooses the next run of at most `recordsMax` numbers; false where none is left, or all are paused. */
  select(recordsMax: number): boolean {
    this.#saveCurrent()
    let first: Stride | undefined
    let second = Number.POSITIVE_INFINITY
    this.#dropFinished()
    for (const stride of this.#strides) {
      if (this.#paused.size > 0 && this.#paused.has(stride.id)) continue
      if (first === undefined || stride.next < first.next) {
        second = first?.next ?? second
        first = stride
      } else second = Math.min(second, stride.next)
    }
    this.#current = first
    if (first === undefined) return false
    this.next = first.next
    this.step = first.step
    this.stop = Math.min(first.end, first.next + recordsMax * first.step, Math.max(second, first.next + 1))
    return true
  }

  /** Where the run at hand is to be emitted; after `select`. */
  outputFor<T>(output: ReaderOutput<T>): SourceOutput<T> {
    if (!this.#hasSplitOutputs && this.#strides.length < 2) return output
    if (!this.#hasSplitOutputs) for (const { id } of this.#strides) output.createOutputForSplit(id)
    this.#hasSplitOutputs = true
    for (const { id } of this.#finished.splice(0)) output.releaseOutputForSplit(id)
    return output.createOutputForSplit(this.#current!.id)
  }

  snapshot(): readonly StrideSplit[] {
    this.#saveCurrent()
    return this.#strides
      .filter((stride) => stride.next < stride.end)
      .map(({ next, step, end }) => ({ next, step, end: Number.isFinite(end) ? end : -1 }))
  }

  #dropFinished(): void {
    if (!this.#strides.some((stride) => stride.next >= stride.end)) return
    if (this.#hasSplitOutputs) this.#finished.push(...this.#strides.filter((stride) => stride.next >= stride.end))
    this.#strides = this.#strides.filter((stride) => stride.next < stride.end)
  }

  #saveCurrent(): void {
    if (this.#current !== undefined) this.#current.next = this.next
  }
}
