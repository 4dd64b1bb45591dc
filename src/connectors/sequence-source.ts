/** Whole numbers in order, in parallel ranges (Flink's `fromSequence`). */
import { MillraceError } from '../common/errors.ts'
import { Progress } from '../common/progress.ts'
import { types } from '../data/types.ts'
import type { SourceOutput } from '../operators/operator.ts'
import { type RangeSplit, splitRange } from './range-split.ts'
import type { Source, SourceReader } from './source.ts'
import { SplitQueue } from './split-queue.ts'

/** Ranges per subtask: readers that are done early take another. */
const splitsPerSubtask = 4

/**
 * Emits `from` … `to`, both included; nothing where `to < from`. One subtask alone emits in order; several emit whole
 * ranges side by side. MR_CONFIG_INVALID_VALUE where a bound is not a safe integer.
 * @example env.source(sequence(1, 1_000_000))
 */
export function sequence(from: number, to: number): Source<number, RangeSplit> {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) {
    throw new MillraceError('MR_CONFIG_INVALID_VALUE', `sequence bounds must be safe integers, got ${from} and ${to}`)
  }
  return {
    name: `sequence(${from}, ${to})`,
    boundedness: 'bounded',
    type: types.float64(),
    enumerateSplits: ({ parallelism }) => splitRange(from, to + 1, parallelism * splitsPerSubtask),
    createReader: () => new SequenceReader(),
  }
}

class SequenceReader implements SourceReader<number, RangeSplit> {
  readonly #splits = new SplitQueue<RangeSplit>()
  #block = new Float64Array(0)
  #next = 0
  #end = 0

  addSplits(splits: readonly RangeSplit[]): void {
    this.#splits.add(splits)
  }

  noMoreSplits(): void {
    this.#splits.complete()
  }

  needsSplit(): boolean {
    return this.#next >= this.#end && this.#splits.needsSplit
  }

  poll(output: SourceOutput<number>, recordsMax: number): Progress {
    if (this.#next >= this.#end && !this.#takeSplit()) return this.#splits.progressWhenEmpty
    const end = Math.min(this.#end, this.#next + recordsMax)
    let next = this.#next
    if (output.collectArray === undefined) while (next < end && !output.isFull()) output.collect(next++)
    else next += output.collectArray(this.#fill(next, end), 0, end - next)
    this.#next = next
    return next < this.#end || !this.#splits.isEmpty ? Progress.Working : this.#splits.progressWhenEmpty
  }

  #fill(from: number, to: number): Float64Array {
    if (this.#block.length < to - from) this.#block = new Float64Array(to - from)
    const block = this.#block
    for (let index = 0; index < to - from; index++) block[index] = from + index
    return block
  }

  #takeSplit(): boolean {
    const split = this.#splits.take()
    if (split === undefined) return false
    this.#next = split.next
    this.#end = split.end
    return true
  }

  snapshot(): readonly RangeSplit[] {
    const rest = this.#splits.remaining()
    return this.#next < this.#end ? [{ next: this.#next, end: this.#end }, ...rest] : [...rest]
  }
}
