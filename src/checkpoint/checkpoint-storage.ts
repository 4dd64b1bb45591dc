/** What the coordinator of checkpoints needs of the store. Calls that write are made one at a time. */
import type { CheckpointMetadata } from './checkpoint-metadata.ts'
import type { CompletedCheckpoint } from './savepoint.ts'

export interface CheckpointStorage {
  readonly jobId: string
  nextCheckpointId(): number
  begin(checkpointId: number, savepointTarget?: string): Promise<void>
  complete(metadata: CheckpointMetadata): Promise<CompletedCheckpoint>
  writeSavepoint(metadata: CheckpointMetadata, target?: string): Promise<string>
  /** Answers shared files that nobody retained refers to any more. */
  retain(): Promise<readonly string[]>
  removeShared(paths: readonly string[]): Promise<void>
  abort(checkpointId: number): Promise<void>
}
