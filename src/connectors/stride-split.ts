/**
 * Numbers dealt out in strides: subtask s of p has s, s + p, s + 2p, … For sources whose records are made from a number.
 */
import type { Progress } from '../common/progress.ts'
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

/**
 * The strides of one reader, and which run of numbers comes next. Usually there is one stride. After a change of the
 * parallelism there may be several: then the smallest number comes first, so that their order stays nearly global.
 */
export class StrideReading {
  /** The run at hand: `next`, `next + step`, … below `stop`. The reader moves `next`. */
  next = 0
  step = 1
  stop = 0
  readonly #queue = new SplitQueue<StrideSplit>()
  #strides: { next: number; step: number; end: number }[] = []
  #current: { next: number; step: number; end: number } | undefined

  add(splits: readonly StrideSplit[]): void {
    this.#saveCurrent()
    for (const { next, step, end } of splits) {
      this.#strides.push({ next, step, end: end < 0 ? Number.POSITIVE_INFINITY : end })
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
    return this.#queue.progressWhenEmpty
  }

  /** Chooses the next run of at most `recordsMax` numbers; false where none is left. */
  select(recordsMax: number): boolean {
    this.#saveCurrent()
    let first: { next: number; step: number; end: number } | undefined
    let second = Number.POSITIVE_INFINITY
    this.#strides = this.#strides.filter((stride) => stride.next < stride.end)
    for (const stride of this.#strides) {
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

  snapshot(): readonly StrideSplit[] {
    this.#saveCurrent()
    return this.#strides
      .filter((stride) => stride.next < stride.end)
      .map(({ next, step, end }) => ({ next, step, end: Number.isFinite(end) ? end : -1 }))
  }

  #saveCurrent(): void {
    if (this.#current !== undefined) this.#current.next = this.next
  }
}
