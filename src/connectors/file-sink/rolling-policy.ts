/** When a part file is finished and the next one begun (Flink's DefaultRollingPolicy). */
export interface RollingPolicy {
  /** At this size. Default 128 MiB. */
  readonly bytesMax?: number
  /** So long after its first record. Default 60 s. Looked at with each checkpoint, since nothing is published between. */
  readonly intervalMs?: number
  /** So long after its last record. Default 60 s. Looked at with each checkpoint. */
  readonly inactivityMs?: number
  /** With every checkpoint: output is visible soonest, in the most files. Default false. */
  readonly onCheckpoint?: boolean
}

export type ResolvedRollingPolicy = Required<RollingPolicy>

export function rollingPolicy(policy: RollingPolicy = {}): ResolvedRollingPolicy {
  return {
    bytesMax: policy.bytesMax ?? 128 << 20,
    intervalMs: policy.intervalMs ?? 60_000,
    inactivityMs: policy.inactivityMs ?? 60_000,
    onCheckpoint: policy.onCheckpoint ?? false,
  }
}
