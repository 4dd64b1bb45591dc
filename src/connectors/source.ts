/**
 * The contract of sources (Flink's FLIP-27, for one process). A `Source` is built in every slot from the job module;
 * the coordinator's copy enumerates splits, the slots' copies make readers. Splits are plain data.
 */
import type { TypeInformation } from '../data/types.ts'
import type { OperatorContext, ReaderOutput } from '../operators/operator.ts'
import type { Progress } from '../common/progress.ts'

/** Where records come from: enumerates splits in the coordinator, makes readers in the slots. */
export interface Source<T, Split = unknown> {
  /** Shown in plans, for example `fileLines(input)`. */
  readonly name: string
  readonly boundedness: 'bounded' | 'unbounded'
  readonly type?: TypeInformation<T>
  /** At most this many subtasks; a socket has 1. */
  readonly maxParallelism?: number
  /** 'at-most-once': what was read before a failure cannot be read again (a socket). Default: replayed from positions. */
  readonly delivery?: 'replayable' | 'at-most-once'
  /**
   * Runs in the coordinator before the job starts: all splits, in order of assignment. They are handed out to readers
   * on request, one at a time (work stealing), unless `assign` places them. Errors here fail the job before it starts.
   */
  enumerateSplits(context: SplitEnumerationContext): readonly Split[] | Promise<readonly Split[]>
  /** 'on-request' (default): a reader asks when it has none left; 'all': split i goes to reader i % parallelism at once. */
  readonly assignment?: 'on-request' | 'all'
  createReader(context: OperatorContext): SourceReader<T, Split>
}

/** What a source knows when it lists its splits. */
export interface SplitEnumerationContext {
  readonly parallelism: number
}

/** A step machine in a slot. All calls from the slot's thread. */
export interface SourceReader<T, Split = unknown> {
  open?(): void | Promise<void>
  /** Adds splits to read, after those it has. On restore: the splits as its snapshot gave them. */
  addSplits(splits: readonly Split[]): void
  /** No more splits will come. */
  noMoreSplits(): void
  /**
   * Emits up to about `recordsMax` records by `output.collect` / `collectAt`, stopping early where `output.isFull()`.
   * Working: call again. Idle: nothing now; `context.post` (or `holdAsync`) will wake the task. Done: ended for good.
   * A reader that has read all its splits and may get more answers Idle with `needsSplit() === true`.
   * A reader that reads several splits in turns emits each through `output.createOutputForSplit(id)`, so that a split
   * which is behind is not taken for late, and releases the output when the split is read.
   */
  poll(output: ReaderOutput<T>, recordsMax: number): Progress
  /** True where the reader has no split left to read and noMoreSplits has not been called. */
  needsSplit(): boolean
  /** Splits not yet read whole, with their positions: exactly what addSplits takes after a restore. */
  snapshot(): readonly Split[]
  /**
   * Watermark alignment: reads no more of some splits, and on with others; ids as given to `createOutputForSplit`. Only
   * called while there are several. A reader that cannot leaves it out: then the source pauses as a whole, if at all.
   */
  pauseOrResumeSplits?(splitsToPause: readonly string[], splitsToResume: readonly string[]): void
  notifyCheckpointComplete?(checkpointId: number): void
  close?(): void | Promise<void>
  /** For progress: bytes read so far, and in all the splits so far (NaN where unknown). */
  progress?(): { readonly doneBytes: number; readonly totalBytes: number }
}
