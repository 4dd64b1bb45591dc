/**
 * What coordinator and slots say to each other about checkpoints. Plain data, so that it travels by postMessage and
 * through the simulator alike.
 *
 * Rules for the slot's side
 * 1. Messages to one subtask are handled in the order sent. A source's snapshot says which splits of the pool it had
 *    claimed when the barrier entered its outputs; what nobody had claimed by then is unassigned.
 * 2. While checkpoints are on, a subtask that has read all its input (and called `finish`) stays: it reports
 *    `subtaskEnded`, and goes on passing barriers behind its `endOfInput` and acknowledging them (snapshot.ended =
 *    true), until the job closes it. So every checkpoint is acknowledged by every subtask, and the last one (kind
 *    `final`, triggered once all have ended) holds the last committables.
 * 3. `acknowledgeCheckpoint` is sent once all files of the subtask are written and synced; what a subtask cannot write
 *    it declines. Nothing is sent twice for one (checkpoint, subtask).
 * 4. On `checkpointComplete` with `commit`: backends get notifyCheckpointComplete, operators too, and committers commit
 *    everything up to `checkpointId` (see sink-committer.ts), then `checkpointCommitted` is sent. Without
 *    `commit` (plain savepoints, which are not recovered from): backends get notifyCheckpointAborted, operators nothing.
 * 5. On `checkpointAborted`: barriers of that and older checkpoints still under way are passed over; backends and
 *    operators get notifyCheckpointAborted. After an aborted `stop-suspend` sources read on; after an
 *    aborted `stop-drain` the job starts again, since they have ended.
 * 6. `stop-suspend`: a source reads nothing after the barrier. `stop-drain`: a source emits the maximal watermark and
 *    endOfInput first, as if it had ended, then the barrier; operators finish before they snapshot.
 */
import type { PlainError } from '../common/errors.ts'
import type { CheckpointBarrier } from '../exchange/stream-event.ts'
import type { KeyedStateHandle } from '../state/keyed-state-backend.ts'
import type { OperatorStateSnapshot } from '../state/operator-state.ts'
import type { StoredFile } from '../state/snapshot-store.ts'
import type { CommittableBatch, SubtaskCheckpointMetrics, SubtaskSnapshot } from './checkpoint-metadata.ts'

export interface SubtaskAddress {
  readonly vertexIndex: number
  readonly subtaskIndex: number
}

/** Key of a subtask in plain records. */
export const subtaskKey = ({ vertexIndex, subtaskIndex }: SubtaskAddress): string => `${vertexIndex}:${subtaskIndex}`

/** Coordinator to a subtask. */
export type CheckpointCommand =
  /** To source subtasks only: the barrier starts here. */
  | { readonly type: 'triggerCheckpoint'; readonly barrier: CheckpointBarrier }
  | { readonly type: 'checkpointComplete'; readonly checkpointId: number; readonly commit: boolean }
  | { readonly type: 'checkpointAborted'; readonly checkpointId: number }

/** A subtask to the coordinator. */
export type CheckpointReport =
  | ({
      readonly type: 'acknowledgeCheckpoint'
      readonly checkpointId: number
      readonly snapshot: SubtaskSnapshot
      readonly metrics: SubtaskCheckpointMetrics
    } & SubtaskAddress)
  | ({
      readonly type: 'declineCheckpoint'
      readonly checkpointId: number
      readonly reason: PlainError
    } & SubtaskAddress)
  /** Commits of this and all earlier checkpoints are done in this subtask. */
  | ({ readonly type: 'checkpointCommitted'; readonly checkpointId: number } & SubtaskAddress)
  /** All input read, `finish` called, all output written; the subtask goes on passing barriers. */
  | ({ readonly type: 'subtaskEnded' } & SubtaskAddress)

/** What a subtask starts from; sent with its deployment. */
export interface SubtaskRestore {
  readonly checkpointId: number
  /** Root against which the files' paths are resolved: absolute path of the job or savepoint directory. */
  readonly directory: string
  readonly operators: Readonly<Record<string, OperatorRestore>>
  readonly channels: readonly ChannelRestore[]
  /** In flight on edges that lie within the subtask's chain now. */
  readonly chained?: readonly ChainedRestore[]
  /**
   * The subtask had finished: it calls neither endInput nor finish again, passes endOfInput on as soon as its inputs have
   * ended, and commits what `committables` holds.
   */
  readonly ended: boolean
}

export interface OperatorRestore {
  readonly keyed: readonly KeyedStateHandle[]
  readonly operatorState: OperatorStateSnapshot | undefined
  readonly splits: readonly unknown[]
  readonly writerStates: readonly unknown[]
  /** Of completed checkpoints: to be committed (again) before the first record. */
  readonly committables: readonly CommittableBatch[]
}

/** Records that enter the chain at an operator within it before the subtask does anything else. */
export interface ChainedRestore {
  readonly targetOperatorId: string
  readonly files: readonly StoredFile[]
}

/** Batches that the reader of channel (edge, sourceSubtask) hands out before anything else, in this order. */
export interface ChannelRestore {
  readonly edgeIndex: number
  readonly sourceSubtask: number
  readonly files: readonly StoredFile[]
  /**
   * `mine` after a change of parallelism on keyed and custom edges: of the batches, only the records that the edge's
   * partitioner sends to this subtask; the others get the same files and take the rest.
   */
  readonly select: 'all' | 'mine'
}
