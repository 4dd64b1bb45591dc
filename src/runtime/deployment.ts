/** What the coordinator sends to a slot, and what slots send back. Plain, structured-cloneable data. */
import type { CheckpointCommand, CheckpointReport, SubtaskAddress, SubtaskRestore } from '../checkpoint/messages.ts'
import type { CheckpointLocation } from '../checkpoint/snapshot-files.ts'
import type { PlainError } from '../common/errors.ts'
import type { ExchangeDescription } from '../exchange/exchange-layout.ts'
import type { MetricRegistration } from '../metrics/shared-metrics.ts'
import type { ExecutionGraph } from '../plan/execution-graph.ts'
import type { JobSettings } from '../plan/job-definition.ts'
import type { PlanDescription } from '../plan/plan-description.ts'
import type { SplitPool } from './source-head.ts'

export interface SlotDeployment {
  readonly jobId: string
  /** The slots' numbers that this runtime hosts: one in a worker, all of them in local mode. */
  readonly slots: readonly number[]
  readonly attempt: number
  readonly settings: JobSettings
  readonly plan: PlanDescription
  readonly executionGraph: ExecutionGraph
  readonly exchange: ExchangeDescription
  readonly metrics: SharedArrayBuffer
  /** How far every source subtask is, for watermark alignment; see `allocateAlignment`. */
  readonly alignment: SharedArrayBuffer
  /** Histograms of latency markers, by subtask and source; undefined where they are off. */
  readonly latency?: SharedArrayBuffer | undefined
  readonly control: SharedArrayBuffer
  /** By vertex index, for source vertices. */
  readonly splitPools: Readonly<Record<number, SplitPool>>
  /** Where snapshots go; undefined where the job takes none. Ended tasks then stay to pass barriers. */
  readonly checkpointing: CheckpointLocation | undefined
  /** By `vertexIndex:subtaskIndex`; absent: starts empty. */
  readonly restore: Readonly<Record<string, SubtaskRestore>>
}

export type SlotCommand =
  | { readonly type: 'checkpoint'; readonly to: SubtaskAddress; readonly command: CheckpointCommand }
  /** No more barriers will come: ended tasks may go. */
  | { readonly type: 'release' }

export type SlotReport =
  | { readonly type: 'hello'; readonly slot: number }
  /** Every task is open and its loop begins. */
  | { readonly type: 'running'; readonly slot: number }
  | { readonly type: 'ended'; readonly slot: number }
  | { readonly type: 'metric'; readonly registration: MetricRegistration }
  | { readonly type: 'accumulators'; readonly slot: number; readonly totals: Readonly<Record<string, number>> }
  | { readonly type: 'checkpoint'; readonly report: CheckpointReport }
  | { readonly type: 'subtaskFinished'; readonly subtask: SubtaskAddress }
  | { readonly type: 'failed'; readonly slot: number; readonly error: PlainError }
