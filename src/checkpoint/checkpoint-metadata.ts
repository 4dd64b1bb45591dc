/**
 * What a checkpoint is, as data. Slots send a `SubtaskSnapshot` per subtask; the coordinator collects them by operator
 * id (so that a changed program finds its state again by uid) and writes the `CheckpointMetadata` last.
 * Everything here is plain, structured-cloneable data.
 *
 * Invariants
 * 1. Every file that a checkpoint needs is named here with its length and checksum, and by no other way.
 * 2. Paths are relative to the root that the metadata belongs to (job directory or savepoint directory).
 * 3. `subtasks[i]` of an operator is what its subtask i said; all operators of a vertex have the same parallelism.
 */
import type { KeyedStateHandle } from '../state/keyed-state-backend.ts'
import type { OperatorStateSnapshot } from '../state/operator-state.ts'
import type { StoredFile } from '../state/snapshot-store.ts'

/** Version of the layout of `_metadata` and of the directory. Readers refuse newer ones. */
export const checkpointFormatVersion = 1

/** Committables of one checkpoint that were not known to be committed when the snapshot was taken. */
export interface CommittableBatch {
  readonly checkpointId: number
  /** Plain data, as `SinkWriter.prepareCommit` gave them. */
  readonly committables: readonly unknown[]
}

/** What one operator of one subtask holds. Absent members: it has none. */
export interface OperatorSnapshot {
  readonly keyed?: readonly KeyedStateHandle[]
  readonly operatorState?: OperatorStateSnapshot
  /** Sources: `SourceReader.snapshot()`. */
  readonly splits?: readonly unknown[]
  /**
   * Sources, in acknowledgements only: indices in the split pool of this execution that the subtask had claimed before
   * the barrier. The metadata holds what nobody had claimed (`unassignedSplits`).
   */
  readonly claimedSplits?: readonly number[]
  /** Sinks: `SinkWriter.snapshotState()`. */
  readonly writerStates?: readonly unknown[]
  /** Sinks: committables of this and earlier checkpoints, oldest first. */
  readonly committables?: readonly CommittableBatch[]
}

/**
 * Unaligned checkpoints: record batches of one channel that the barrier overtook, in order. `input`: what the reader
 * had not polled; `output`: what had not left the writer (it follows the `input` part of the same channel).
 */
export interface ChannelSnapshot {
  /** Index in `JobGraph.edges`. */
  readonly edgeIndex: number
  readonly sourceSubtask: number
  readonly targetSubtask: number
  readonly side: 'input' | 'output'
  /** One file per channel and side with all its batches, see `channel-state-file.ts`. */
  readonly file: StoredFile
  readonly batchCount: number
}

/** Sent with the acknowledgement. */
export interface SubtaskSnapshot {
  /** By operator id (32 hex digits), for every operator of the chain that holds anything. */
  readonly operators: Readonly<Record<string, OperatorSnapshot>>
  readonly channels: readonly ChannelSnapshot[]
  /** The subtask had read all its input and called `finish` before the barrier. */
  readonly ended: boolean
}

/** Times and sizes of one subtask's part. */
export interface SubtaskCheckpointMetrics {
  /** From the first barrier's arrival to the last one's. 0 for sources and unaligned barriers. */
  readonly alignmentMs: number
  /** From the trigger's timestamp to the start of the synchronous part. */
  readonly startDelayMs: number
  readonly syncMs: number
  readonly asyncMs: number
  /** Bytes of channel state. */
  readonly overtakenBytes: number
}

export interface OperatorMetadata {
  readonly operatorId: string
  /** For messages: `Window(…)`. */
  readonly name: string
  readonly uid: string | undefined
  readonly parallelism: number
  readonly maxParallelism: number
  /** By subtask; undefined where that subtask holds nothing of this operator. */
  readonly subtasks: readonly (OperatorSnapshot | undefined)[]
  /** By subtask: whether it had ended. */
  readonly ended: readonly boolean[]
  /** Sources: splits that no reader had been given yet. */
  readonly unassignedSplits?: readonly unknown[]
}

/** Channel state of one edge, named by what stays the same when the program changes. */
export interface EdgeMetadata {
  readonly sourceOperatorId: string
  readonly targetOperatorId: string
  readonly inputIndex: 0 | 1
  readonly sideOutput: string | undefined
  readonly partitioning: string
  readonly sourceParallelism: number
  readonly targetParallelism: number
  readonly channels: readonly Omit<ChannelSnapshot, 'edgeIndex'>[]
}

export type CheckpointKind = 'checkpoint' | 'savepoint' | 'stop-drain' | 'stop-suspend' | 'final'

/** The job ends with it. */
export const isTerminal = (kind: CheckpointKind): kind is 'final' | 'stop-drain' | 'stop-suspend' =>
  kind === 'final' || kind === 'stop-drain' || kind === 'stop-suspend'

export interface CheckpointMetadata {
  readonly formatVersion: number
  readonly checkpointId: number
  readonly kind: CheckpointKind
  readonly mode: 'aligned' | 'unaligned' | 'at-least-once'
  readonly triggeredMs: number
  readonly jobName: string
  readonly jobId: string
  /** `JobGraph.fingerprint` of the program that wrote it. */
  readonly fingerprint: string
  readonly operators: readonly OperatorMetadata[]
  readonly edges: readonly EdgeMetadata[]
}

/** Bytes of those files that the checkpoint itself has written. */
export function newBytesOf(files: readonly StoredFile[], checkpointId: number): number {
  const isNew = ({ path }: StoredFile): boolean =>
    path.startsWith('checkpoints/') || path.includes(`-c${checkpointId}-`)
  return files.reduce((sum, file) => sum + (isNew(file) ? file.bytes : 0), 0)
}

/** Every file that a checkpoint refers to, each once. */
export function filesOf(metadata: CheckpointMetadata): StoredFile[] {
  const files = new Map<string, StoredFile>()
  const add = (file: StoredFile): void => void files.set(file.path, file)
  for (const operator of metadata.operators) {
    for (const subtask of operator.subtasks) {
      for (const handle of subtask?.keyed ?? []) handle.files.forEach(add)
    }
  }
  for (const edge of metadata.edges) for (const channel of edge.channels) add(channel.file)
  return [...files.values()]
}

/** The same metadata with every file replaced by `map(file)`; used to make savepoints relocatable. */
export function mapFiles(metadata: CheckpointMetadata, map: (file: StoredFile) => StoredFile): CheckpointMetadata {
  const mapSnapshot = (snapshot: OperatorSnapshot | undefined): OperatorSnapshot | undefined =>
    snapshot && {
      ...snapshot,
      ...(snapshot.keyed && { keyed: snapshot.keyed.map((handle) => ({ ...handle, files: handle.files.map(map) })) }),
    }
  return {
    ...metadata,
    operators: metadata.operators.map((operator) => ({ ...operator, subtasks: operator.subtasks.map(mapSnapshot) })),
    edges: metadata.edges.map((edge) => ({
      ...edge,
      channels: edge.channels.map((channel) => ({ ...channel, file: map(channel.file) })),
    })),
  }
}
