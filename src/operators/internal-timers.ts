/**
 * Timers of a keyed operator as operators use them: by (current key, namespace, time), once per such triple, kept in
 * snapshots and moved with their key groups.
 */
import type { Namespace } from '../state/keyed-state-backend.ts'

export interface InternalTimers {
  registerEventTimeTimer(namespace: Namespace, timeMs: number): void
  deleteEventTimeTimer(namespace: Namespace, timeMs: number): void
  registerProcessingTimeTimer(namespace: Namespace, timeMs: number): void
  deleteProcessingTimeTimer(namespace: Namespace, timeMs: number): void
  /** Event time that the operator has reached; the new one while timers fire because of it. */
  currentWatermarkMs(): number
}
