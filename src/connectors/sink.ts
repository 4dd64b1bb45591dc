/**
 * The contract of sinks (Flink's Sink V2): a writer in every subtask, and, where output is published at checkpoints, a
 * committer. A sink without a committer publishes as it writes (at least once), or at the end (`finish`).
 */
import type { FileSystem } from '../common/file-system.ts'
import type { Progress } from '../common/progress.ts'
import type { OperatorContext } from '../operators/operator.ts'

/** Where records go: a writer in every subtask and, for output published at checkpoints, a committer. */
export interface Sink<T, Committable = unknown, WriterState = unknown> {
  readonly name: string
  createWriter(context: OperatorContext): SinkWriter<T, Committable, WriterState>
  /** Present where output is published in two phases. Committables are plain data. */
  createCommitter?(context: OperatorContext): Committer<Committable>
  /** Runs once in the coordinator, before the slots start: checks the target, clears leavings of failed runs. */
  prepare?(context: {
    readonly parallelism: number
    readonly isRestored: boolean
    readonly checkpointsEnabled: boolean
    /** Stays the same when a job goes on from its job directory. */
    readonly jobId?: string
    /** Durable files. Default: the machine's. */
    readonly fileSystem?: FileSystem
  }): void | Promise<void>
  /** Runs once in the coordinator after every subtask has finished: makes plain output visible as a whole. */
  commitJob?(): void | Promise<void>
  /** Runs once in the coordinator where the job ended early and no later run goes on: removes what is not published. */
  abortJob?(): void | Promise<void>
}

/** A step machine in a slot. */
export interface SinkWriter<T, Committable = unknown, WriterState = unknown> {
  open?(): void | Promise<void>
  write(value: T, timestampMs: number): void
  /** True where no more should be written now (its buffer is full and an asynchronous write is under way). */
  isFull?(): boolean
  writeWatermark?(timestampMs: number): void
  /** At the end of every batch of input and before the slot goes idle: hands over what someone may be waiting for. */
  endOfBatch?(): void
  /** Hands over everything buffered; called before a snapshot and at the end (`endOfInput`). Blocked: call again. */
  flush(endOfInput: boolean): Progress
  /**
   * What phase two must publish for everything written since the last call. Called after flush. For a savepoint nothing
   * may stay open: the job may go on from an older checkpoint before it is restored from this.
   */
  prepareCommit?(isSavepoint?: boolean): readonly Committable[] | Promise<readonly Committable[]>
  snapshotState?(checkpointId: number): readonly WriterState[]
  /** Called before open where the job was restored. */
  restoreState?(states: readonly WriterState[]): void
  close?(): void | Promise<void>
}

/** One committable on its way to being published, and the ways to answer for it. */
export interface CommitRequest<Committable> {
  readonly committable: Committable
  /** How often this committable was tried before. */
  readonly numberOfRetries: number
  retryLater(): void
  signalAlreadyCommitted(): void
  signalFailedWithKnownReason(reason: unknown): void
}

/** Publishes what writers prepared, once their checkpoint is complete. */
export interface Committer<Committable> {
  /** Idempotent: a committable may come again after a crash. */
  commit(requests: readonly CommitRequest<Committable>[]): Promise<void>
  /**
   * A savepoint is going to hold these: what the writer has prepared for it, and what earlier checkpoints were to publish.
   * The job may go on from before all of them, and be started from the savepoint later. Answers what it shall hold in
   * their place, one for one.
   */
  keep?(committables: readonly Committable[]): Promise<readonly Committable[]>
  /** Called on restore with transactions that were never part of a completed checkpoint, where they can be known. */
  abort?(committables: readonly Committable[]): Promise<void>
  close?(): void | Promise<void>
}
