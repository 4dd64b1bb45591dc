/**
 * What the API and the command line ask of the coordinator, and what they get back. `execute.ts` implements
 * `ExecuteJob`.
 */
import type { JobControls } from './job-control.ts'
import type { LatencySummary } from '../metrics/latency-histograms.ts'
import type { JobDefinition, JobSettings } from '../plan/job-definition.ts'

export interface JobRequest extends JobSettings {
  readonly definition: JobDefinition
  /**
   * URL of the module whose default export is the definition: the job runs in worker threads. Absent: local mode, the
   * same step machines in the caller's thread, closures allowed.
   */
  readonly moduleUrl?: string
  /** Directory of checkpoints, savepoints and the job's registry entry. */
  readonly jobDir?: string
  /** Checkpoint or savepoint to start from, in place of the job directory's newest. */
  readonly from?: string
  /** Starts over, whatever the job directory holds. */
  readonly fresh?: boolean
  readonly onProgress?: (report: ProgressReport) => void
  /** Default 500. */
  readonly progressIntervalMs?: number
  /** Aborting cancels the job: the promise rejects with MR_JOB_CANCELED once nothing is left running. */
  readonly signal?: AbortSignal
  /** Told what the user should know, before the job runs. Default: a process warning. */
  readonly onWarning?: (text: string) => void
  /** Called once the job is about to run: asks it for checkpoints, savepoints and its end. */
  readonly onControl?: (controls: JobControls, job: JobIdentity) => void
}

export interface JobIdentity {
  /** 32 hex digits. */
  readonly jobId: string
  readonly jobName: string
}

/** Resolves where the job finished; rejects with a coded error where it failed or was cancelled, all cleaned up. */
export type ExecuteJob = (request: JobRequest) => Promise<JobResult>

/** What a finished job leaves: its run time, counts per vertex, and accumulators. */
export interface JobResult {
  readonly jobName: string
  /** 32 hex digits. */
  readonly jobId: string
  readonly status: 'FINISHED'
  /** From the first slot's start to the last slot's end. */
  readonly netRuntimeMs: number
  readonly vertices: readonly VertexReport[]
  /** Over all subtasks: sums, least and greatest, means. */
  readonly accumulators: Readonly<Record<string, number>>
  /** How often the job, or regions of it, were started again, where they were. */
  readonly restarts?: number
  /** What the user should know, where there is something. */
  readonly warnings?: readonly string[]
  /** The newest of these restarts, oldest first. */
  readonly restartLog?: readonly RestartReport[]
  /** Path of the savepoint with which the job was stopped, where it was. */
  readonly savepoint?: string
}

/** A restart after a failure. */
export interface RestartReport {
  /** Code of the failure; MR_INTERNAL where it had none. */
  readonly code: string
  readonly message: string
  /** The pipelined regions that started again while the others went on, by their index; absent: the whole job. */
  readonly regions?: readonly number[]
  /** Their tasks, as `name[subtask]`. */
  readonly tasks?: readonly string[]
}

/** Flink's job states. */
export type JobStatus =
  | 'CREATED'
  | 'RUNNING'
  | 'RESTARTING'
  | 'CANCELLING'
  | 'CANCELED'
  | 'FAILING'
  | 'FAILED'
  | 'FINISHED'

/** State and counts of a job while it runs. */
export interface ProgressReport {
  readonly jobName: string
  readonly jobId: string
  readonly status: JobStatus
  readonly elapsedMs: number
  readonly vertices: readonly VertexReport[]
  readonly accumulators: Readonly<Record<string, number>>
}

/** Markers of one source, at one vertex. */
export interface LatencyReport extends LatencySummary {
  /** Operator id and name of the source. */
  readonly sourceId: string
  readonly source: string
}

/** One vertex, summed over its subtasks; times are averages over them. */
export interface VertexReport {
  /** Operator id of the chain's head. */
  readonly id: string
  readonly name: string
  readonly parallelism: number
  readonly finishedSubtasks: number
  /** True where the chain's head is a source. */
  readonly isSource: boolean
  /** Of a source: records that it emitted into its chain. */
  readonly recordsIn: number
  readonly recordsOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly busyMsPerSecond: number
  readonly idleMsPerSecond: number
  readonly backPressuredMsPerSecond: number
  /** Where `metrics.latency.interval` is set: how long markers of each source were under way until here. */
  readonly latency?: readonly LatencyReport[]
  /** Of a source that cannot read again what it read before a failure (a socket). */
  readonly delivery?: 'at-most-once'
  /** Of sources that know: bytes read of bytes in all. */
  readonly source?: { readonly doneBytes: number; readonly totalBytes: number }
}
