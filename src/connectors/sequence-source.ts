/** Whole numbers in order, in parallel blocks (Flink's `fromSequence`). */
import { MillraceError } from '../common/errors.ts'
import type { Progress } from '../common/progress.ts'
import { types } from '../data/types.ts'
import type { ReaderOutput } from '../operators/operator.ts'
import { guidedBlocks, RangeReading, type RangeSplit } from './range-split.ts'
import type { Source, SourceReader } from './source.ts'

/**
 * Emits `from` … `to`, both included; nothing where `to < from`. One subtask alone emits in order; several take
 * blocks as they go, each in order, and keep near one place. MR_CONFIG_INVALID_VALUE where a bound is not a safe integer.
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
    enumerateSplits: ({ parallelism }) => guidedBlocks(from, to + 1, parallelism),
    createReader: () => new SequenceReader(),
  }
}

class SequenceReader implements SourceReader<number, RangeSplit> {
  readonly #ranges = new RangeReading()
  #block = new Float64Array(0)

  addSplits(splits: readonly RangeSplit[]): void {
    this.#ranges.add(splits)
  }

  noMoreSplits(): void {
    this.#ranges.complete()
  }

  needsSplit(): boolean {
    return this.#ranges.needsSplit
  }

  poll(output: ReaderOutput<number>, recordsMax: number): Progress {
    const ranges = this.#ranges
    const target = ranges.select(output)
    if (target === undefined) return ranges.progress
    let { next } = ranges
    const end = Math.min(ranges.end, next + recordsMax)
    if (target.collectArray === undefined) while (next < end && !target.isFull()) target.collect(next++)
    else next += target.collectArray(this.#fill(next, end), 0, end - next)
    ranges.next = next
    return ranges.progress
  }

  #fill(from: number, to: number): Float64Array {
    if (this.#block.length < to - from) this.#block = new Float64Array(to - from)
    const block = this.#block
    for (let index = 0; index < to - from; index++) block[index] = from + index
    return block
  }

  snapshot(): readonly RangeSplit[] {
    return this.#ranges.snapshot()
  }
}
