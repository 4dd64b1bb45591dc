/** What the coordinator sends to a slot, and what slots send back. Plain, structured-cloneable data. */
import type { CheckpointCommand, CheckpointReport, SubtaskAddress, SubtaskRestore } from '../checkpoint/messages.ts'
import type { CheckpointLocation } from '../checkpoint/snapshot-files.ts'
import { type PlainError, toPlain } from '../common/errors.ts'
import type { ExchangeDescription } from '../exchange/exchange-layout.ts'
import type { MetricRegistration } from '../metrics/shared-metrics.ts'
import type { PlainAccumulators } from '../operators/accumulator-totals.ts'
import type { ExecutionGraph } from '../plan/execution-graph.ts'
import type { JobSettings } from '../plan/job-definition.ts'
import type { PlanDescription } from '../plan/plan-description.ts'
import type { OwnedSplits, SplitPool } from './source-head.ts'

/** What stays the same over the starts of a slot's regions. */
export interface SlotSetting {
  readonly jobId: string
  /** The slots' numbers that this runtime hosts: one in a worker, all of them in local mode. */
  readonly slots: readonly number[]
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
}

/** One start of a region: what its subtasks begin with. */
export interface RegionStart {
  /** Index among the execution graph's regions. */
  readonly region: number
  /** How often the job, or a region of it, was started again before. */
  readonly attempt: number
  /** By `vertexIndex:subtaskIndex`; absent: starts empty. */
  readonly restore: Readonly<Record<string, SubtaskRestore>>
  /** By `vertexIndex:subtaskIndex`, of source subtasks that start again within an attempt of the job. */
  readonly owned: Readonly<Record<string, OwnedSplits>>
}

/** A slot, and the regions that it starts at once. */
export interface SlotDeployment extends SlotSetting {
  readonly regions: readonly RegionStart[]
}

/** The part of a region that a slot hosts. */
export interface RegionDeployment extends SlotSetting, RegionStart {}

export type SlotCommand =
  | { readonly type: 'checkpoint'; readonly to: SubtaskAddress; readonly command: CheckpointCommand }
  /** No more barriers will come: ended tasks may go. */
  | { readonly type: 'release' }
  /** Ends what runs of a region, which is then closed and reported as stopped. */
  | { readonly type: 'stopRegion'; readonly region: number; readonly attempt: number }
  /** A stopped region starts again. */
  | { readonly type: 'startRegion'; readonly start: RegionStart }

/** A start of a region, as one slot hosts it. */
export interface RegionPart {
  readonly slot: number
  readonly region: number
  readonly attempt: number
}

export type SlotReport =
  | { readonly type: 'hello'; readonly slot: number; readonly threadId: number }
  /** Every task of the region is open. */
  | ({ readonly type: 'running' } & RegionPart)
  /** A task of the region failed; its others in this slot are being stopped. A plain error where it crossed threads. */
  | ({ readonly type: 'regionFailed'; readonly error: Error | PlainError } & RegionPart)
  /** Nothing of the region runs in this slot any more. */
  | ({ readonly type: 'regionStopped' } & RegionPart)
  | { readonly type: 'ended'; readonly slot: number }
  | { readonly type: 'metric'; readonly registration: MetricRegistration }
  | ({ readonly type: 'accumulators'; readonly totals: PlainAccumulators } & RegionPart)
  | { readonly type: 'checkpoint'; readonly report: CheckpointReport }
  | { readonly type: 'subtaskFinished'; readonly subtask: SubtaskAddress }
  | { readonly type: 'failed'; readonly slot: number; readonly error: PlainError }

/** As it may cross threads: errors would lose their codes. */
export function cloneableReport(report: SlotReport): SlotReport {
  if (report.type !== 'regionFailed' || !(report.error instanceof Error)) return report
  return { ...report, error: toPlain(report.error) }
}
