/**
 * Bounded sources over values that the program holds: `elements` (any array, one subtask, in order) and `columns` (a
 * typed array, in parallel ranges). The values are captured, not copied; every slot builds its own from the job module.
 */
import { Progress } from '../common/progress.ts'
import type { TypeInformation } from '../data/types.ts'
import type { SourceOutput } from '../operators/operator.ts'
import type { Source, SourceReader } from './source.ts'
import { type RangeSplit, splitRange } from './range-split.ts'
import { SplitQueue } from './split-queue.ts'

/** A typed array of numbers. */
export type NumberColumn =
  | Float64Array
  | Float32Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array

/**
 * Emits `values` in order, in one subtask (Flink's `fromData`); rebalance after it to spread the work.
 * @example env.source(elements([1, 2, 3]))
 */
export function elements<T>(
  values: readonly T[],
  options: { readonly type?: TypeInformation<T> } = {},
): Source<T, RangeSplit> {
  return {
    name: 'elements',
    boundedness: 'bounded',
    type: options.type,
    maxParallelism: 1,
    enumerateSplits: () => [{ next: 0, end: values.length }],
    createReader: () => new ArrayReader(values),
  }
}

/**
 * Emits the numbers of a typed array: each subtask takes whole ranges, in order within a range.
 * @example env.source(columns(new Float64Array(10_000_000)))
 */
export function columns(
  array: NumberColumn,
  options: { readonly type?: TypeInformation<number> } = {},
): Source<number, RangeSplit> {
  return {
    name: 'columns',
    boundedness: 'bounded',
    type: options.type ?? { dataType: { kind: isInt32(array) ? 'int32' : 'float64' } },
    enumerateSplits: ({ parallelism }) => splitRange(0, array.length, parallelism),
    assignment: 'all',
    createReader: () => new ArrayReader<number>(array),
  }
}

function isInt32(array: NumberColumn): boolean {
  return !(array instanceof Float64Array || array instanceof Float32Array || array instanceof Uint32Array)
}

class ArrayReader<T> implements SourceReader<T, RangeSplit> {
  readonly #values: ArrayLike<T>
  readonly #splits = new SplitQueue<RangeSplit>()
  #next = 0
  #end = 0

  constructor(values: ArrayLike<T>) {
    this.#values = values
  }

  addSplits(splits: readonly RangeSplit[]): void {
    this.#splits.add(splits)
  }

  noMoreSplits(): void {
    this.#splits.complete()
  }

  needsSplit(): boolean {
    return this.#next >= this.#end && this.#splits.needsSplit
  }

  poll(output: SourceOutput<T>, recordsMax: number): Progress {
    if (this.#next >= this.#end && !this.#takeSplit()) return this.#splits.progressWhenEmpty
    const values = this.#values
    const end = Math.min(this.#end, this.#next + recordsMax)
    let index = this.#next
    if (output.collectArray !== undefined) index = output.collectArray(values, index, end)
    else while (index < end && !output.isFull()) output.collect(values[index++] as T)
    this.#next = index
    return index < this.#end || !this.#splits.isEmpty ? Progress.Working : this.#splits.progressWhenEmpty
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
