/**
 * Bounded sources over values that the program holds: `elements` (any array, one subtask, in order) and `columns` (a
 * typed array, in parallel ranges). The values are captured, not copied; every slot builds its own from the job module.
 */
import type { Progress } from '../common/progress.ts'
import type { TypeInformation } from '../data/types.ts'
import type { ReaderOutput } from '../operators/operator.ts'
import type { Source, SourceReader } from './source.ts'
import { RangeReading, type RangeSplit, splitRange } from './range-split.ts'

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
  readonly #ranges = new RangeReading()

  constructor(values: ArrayLike<T>) {
    this.#values = values
  }

  addSplits(splits: readonly RangeSplit[]): void {
    this.#ranges.add(splits)
  }

  noMoreSplits(): void {
    this.#ranges.complete()
  }

  needsSplit(): boolean {
    return this.#ranges.needsSplit
  }

  poll(output: ReaderOutput<T>, recordsMax: number): Progress {
    const ranges = this.#ranges
    const target = ranges.select(output)
    if (target === undefined) return ranges.progress
    const values = this.#values
    let index = ranges.next
    const end = Math.min(ranges.end, index + recordsMax)
    if (target.collectArray !== undefined) index = target.collectArray(values, index, end)
    else while (index < end && !target.isFull()) target.collect(values[index++] as T)
    ranges.next = index
    return ranges.progress
  }

  snapshot(): readonly RangeSplit[] {
    return this.#ranges.snapshot()
  }
}
