/** What became of a job's checkpoints, for REST, progress and tests. Bounded. */
import type { CheckpointKind, SubtaskCheckpointMetrics } from './checkpoint-metadata.ts'

/** Records kept. */
const recentMax = 32

export interface CheckpointRecord {
  readonly checkpointId: number
  readonly kind: CheckpointKind
  readonly triggeredMs: number
  status: 'in-progress' | 'completed' | 'failed'
  acknowledged: number
  readonly subtasks: number
  /** From trigger to completion or failure. */
  durationMs: number
  /** Bytes of all files that it refers to, and of those that were new. */
  stateBytes: number
  newBytes: number
  alignmentMsMax: number
  syncMsMax: number
  asyncMsMax: number
  overtakenBytes: number
  path: string | undefined
  failure: string | undefined
}

export class CheckpointHistory {
  readonly counts: { triggered: number; completed: number; failed: number; restored: number } = {
    triggered: 0,
    completed: 0,
    failed: 0,
    restored: 0,
  }
  #recent: CheckpointRecord[] = []

  /** Newest last. */
  get recent(): readonly CheckpointRecord[] {
    return this.#recent
  }

  begin(checkpointId: number, kind: CheckpointKind, triggeredMs: number, subtasks: number): CheckpointRecord {
    const record: CheckpointRecord = {
      checkpointId,
      kind,
      triggeredMs,
      status: 'in-progress',
      acknowledged: 0,
      subtasks,
      durationMs: 0,
      stateBytes: 0,
      newBytes: 0,
      alignmentMsMax: 0,
      syncMsMax: 0,
      asyncMsMax: 0,
      overtakenBytes: 0,
      path: undefined,
      failure: undefined,
    }
    this.counts.triggered++
    this.#recent = [...this.#recent.slice(1 - recentMax), record]
    return record
  }

  acknowledge(record: CheckpointRecord, metrics: SubtaskCheckpointMetrics): void {
    record.acknowledged++
    record.alignmentMsMax = Math.max(record.alignmentMsMax, metrics.alignmentMs)
    record.syncMsMax = Math.max(record.syncMsMax, metrics.syncMs)
    record.asyncMsMax = Math.max(record.asyncMsMax, metrics.asyncMs)
    record.overtakenBytes += metrics.overtakenBytes
  }

  end(record: CheckpointRecord, status: 'completed' | 'failed', durationMs: number): void {
    record.status = status
    record.durationMs = durationMs
    this.counts[status]++
  }
}
