/**
 * The contract of operators. An operator is a step machine owned by one task in one thread: it never blocks, and a
 * full output is a return value. Order of calls, all from the task's thread:
 *
 *   setup → (initializeState) → open → { processElement* | advanceWatermark | advanceProcessingTime | drain
 *         | snapshot | notifyCheckpoint* }* → endInput (each input) → finish → close
 *
 * Invariants
 * 1. One call of processElement accepts the record whatever it emits: the chain stops calling once
 *    `output.isFull()`; only the fan-out of a single record goes beyond.
 * 2. Resumable calls (advanceWatermark, advanceProcessingTime, drain, endInput, finish) answer Progress.Blocked where
 *    `output.isFull()` made them pause; they are called again with the same arguments until they answer Done.
 *    They check isFull() at least once per emitted group of records (a window, a timer).
 * 3. The timestamp of the record at hand is `context.record.timestampMs`; emitted records carry it unless `collectAt`
 *    is used.
 * 4. close is called exactly once after setup, on success, failure and cancellation; it throws nothing.
 */
import type { Clock } from '../common/clock.ts'
import type { FileSystem } from '../common/file-system.ts'
import type { Prng } from '../common/prng.ts'
import type { Progress } from '../common/progress.ts'
import type { Timers } from '../common/timers.ts'
import type { MetricGroup } from '../metrics/metric-group.ts'
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import type { OperatorStateStore } from '../state/operator-state.ts'
import type { OutputTag } from './output-tag.ts'

/** Where an operator's records go. `collect` uses the timestamp of the record at hand. */
export interface Output<T> {
  collect(value: T): void
  collectAt(value: T, timestampMs: number): void
  /** Emits to a side output; without a timestamp that of the record at hand. Nobody listening: dropped. */
  collectSide<S>(tag: OutputTag<S>, value: S, timestampMs?: number): void
  /** Only for operators with `relaysWatermarks === false`. */
  emitWatermark(timestampMs: number): void
  /** Only for operators with `relaysWatermarks === false`: tells downstream that this input is idle or active. */
  emitStatus(isIdle: boolean): void
  /** True where no more should be emitted now. Cheap: one load. */
  isFull(): boolean
}

/** Where a source's reader emits the records of one split, or of all. */
export interface SourceOutput<T> extends Output<T> {
  /**
   * Emits `values[from]` up to before `values[to]`, and stops early where the output is full: answers the index of the
   * first one not taken. The chain's own loop runs over the array: the fastest way in, with numbers never boxed.
   */
  collectArray?(values: ArrayLike<T>, from: number, to: number): number
}

/**
 * Where a source's reader emits (Flink's ReaderOutput): by itself, with one watermark over all its records, or through
 * an output for each split it holds. Then every split has its own watermark and idleness, and the subtask's watermark is
 * the minimum over the splits that are not idle.
 */
export interface ReaderOutput<T> extends SourceOutput<T> {
  /**
   * The output of a split; the same one for the same id until it is released. From now on the split holds the watermark
   * back, so ask for it when the split is taken, not when its first record comes.
   */
  createOutputForSplit(splitId: string): SourceOutput<T>
  /** The split has been read whole, or is given up: it no longer holds the watermark back. */
  releaseOutputForSplit(splitId: string): void
}

/** The record at hand. A cell: the chain writes it, operators read it. */
export interface RecordCell {
  /** Event time in ms since the epoch, or `noTimestamp`. */
  timestampMs: number
}

export interface TaskInfo {
  readonly jobName: string
  readonly operatorName: string
  /** Structural or user-given (`uid`) id; stable over restarts. 32 hex digits. */
  readonly operatorId: string
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  /** 0 for the first execution, counted up by restarts. */
  readonly attempt: number
}

export interface Accumulators {
  /** Adds to a named sum, which the job's result reports over all subtasks. */
  add(name: string, amount: number): void
  /** The least, the greatest, and the mean of all amounts. One name is of one kind: MR_PLAN_INVALID. */
  min(name: string, amount: number): void
  max(name: string, amount: number): void
  average(name: string, amount: number): void
}

/** What a user function wants to know of checkpoints; see RichFunction. */
export interface CheckpointHooks {
  snapshotState?(checkpointId: number): void
  notifyCheckpointComplete?(checkpointId: number): void | Promise<void>
  notifyCheckpointAborted?(checkpointId: number): void
}

/** A piece of work posted to the task's thread from an asynchronous completion. */
export type Mail = () => void

export interface OperatorContext {
  readonly task: TaskInfo
  readonly clock: Clock
  readonly prng: Prng
  /** How to wait. Default: the machine's timers. */
  readonly timers?: Timers
  /** Durable files. Default: the machine's. */
  readonly fileSystem?: FileSystem
  readonly metrics: MetricGroup
  readonly accumulators: Accumulators
  readonly record: RecordCell
  /** Present where the operator's first input is keyed. */
  readonly keyedState: KeyedStateBackend | undefined
  readonly operatorState: OperatorStateStore
  /** Configuration by Flink's key, as given to the job. */
  readonly configuration: { get(key: string): string | undefined }
  /** Event-time watermark that this operator has reached. */
  currentWatermarkMs(): number
  /** Runs `mail` between two steps of this task, and wakes the slot. May be called from any callback. */
  post(mail: Mail): void
  /**
   * Tells the slot that asynchronous work is under way, so that its event loop gets turns until `release` is called.
   */
  holdAsync(): { release(): void }
  /** True where the state was restored from a checkpoint or savepoint. */
  readonly isRestored: boolean
  /** Tells a user function of checkpoints from now on, before the operator itself. */
  onCheckpoint?(hooks: CheckpointHooks): void
}

/** Statements as text; `operator` and `value` are what the operator and the record are called there. Never of data. */
export interface AroundElement {
  before(operator: string, value: string): string
  /** `timestampMs`: the record's after `before`. */
  after(operator: string, value: string, timestampMs: string): string
}

export interface Operator<In = unknown, Out = unknown> {
  readonly inputCount: 1 | 2
  /** False: the operator itself decides when watermarks go on (source-like and asynchronous operators). */
  readonly relaysWatermarks: boolean
  setup(context: OperatorContext, output: Output<Out>): void
  /** After setup and restore of state, before the first record. */
  open?(): void | Promise<void>
  processElement(value: In): void
  /** What `processElement` does around one call of `output.collect`, for chains to take into their own code. */
  readonly around?: AroundElement
  /** Records of the second input. */
  processElement2?(value: never): void
  /** The combined watermark of all active inputs rose. */
  advanceWatermark?(timestampMs: number): Progress
  /**
   * All inputs fell idle, or one became active again. Operators with `relaysWatermarks === false` pass the status on by
   * `output.emitStatus` when they see fit; for others the chain does, afterwards: what must not stay behind is emitted
   * here, even into a full output.
   */
  advanceStatus?(isIdle: boolean): void
  /** Earliest processing-time timer, `Infinity` where there is none. */
  nextProcessingTimeMs?(): number
  advanceProcessingTime?(nowMs: number): Progress
  /** Called once per quantum where the operator has posted mails or holds results back (asynchronous operators). */
  drain?(): Progress
  /** True where no more records shall come in now: the operator's own buffer is full. `drain` makes room. Cheap. */
  isFull?(): boolean
  /** Called at the end of every batch of input and before a slot goes idle: the place for periodic watermarks. */
  endOfBatch?(): void
  /** One input has ended. */
  endInput?(input: 0 | 1): Progress
  /** All inputs have ended: emit what is left. */
  finish?(): Progress
  /**
   * No snapshot tells what `finish` has emitted already from what it has not: barriers wait until the task's operators
   * have all finished.
   */
  readonly finishesAsOne?: boolean
  /** A barrier is about to pass: emit now what must not stay behind it (local combiners, a sink's buffers). Resumable. */
  prepareBarrier?(checkpointId: number): Progress
  /** Synchronous part of a snapshot, beyond what lives in the state backends (write that into operatorState here). */
  snapshotState?(checkpointId: number): void
  notifyCheckpointComplete?(checkpointId: number): void | Promise<void>
  notifyCheckpointAborted?(checkpointId: number): void
  close?(): void | Promise<void>
}
