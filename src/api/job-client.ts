/** A job under way, as the program that started it sees it. */
import { codeOf } from '../common/errors.ts'
import type { JobControls, StopOptions } from '../coordinator/job-control.ts'
import type { JobRequest, JobResult, JobStatus, ProgressReport } from '../coordinator/job-execution.ts'

/** A checkpoint or savepoint that was taken. */
export interface CheckpointLocation {
  readonly checkpointId: number
  /** Absolute path of its directory. */
  readonly path: string
}

/** A job under way: where it is, what it has counted, its result, and how to stop it. */
export class JobClient {
  readonly #controller = new AbortController()
  readonly #result: Promise<JobResult>
  readonly #controls: PromiseWithResolvers<JobControls> = Promise.withResolvers()
  #latest: ProgressReport | undefined
  #outcome: JobStatus | undefined

  /** @internal Starts the job. */
  constructor(request: JobRequest) {
    request.signal?.addEventListener('abort', () => this.#controller.abort(), { once: true })
    if (request.signal?.aborted) this.#controller.abort()
    this.#result = this.#run({
      ...request,
      signal: this.#controller.signal,
      onControl: (controls) => this.#controls.resolve(controls),
      onProgress: (report) => {
        this.#latest = report
        request.onProgress?.(report)
      },
    })
    // A failure is the business of whoever asks for the result; until then it is no unhandled rejection.
    this.#result.catch((error: unknown) => this.#controls.reject(error))
    this.#controls.promise.catch(() => {})
  }

  async #run(request: JobRequest): Promise<JobResult> {
    try {
      const { executeJob } = await import('../coordinator/execute.ts')
      const result = await executeJob(request)
      this.#outcome = result.status
      return result
    } catch (error) {
      this.#outcome = codeOf(error) === 'MR_JOB_CANCELED' ? 'CANCELED' : 'FAILED'
      throw error
    }
  }

  /** Flink's word for where the job is. */
  status(): JobStatus {
    if (this.#outcome !== undefined) return this.#outcome
    return this.#controller.signal.aborted ? 'CANCELLING' : (this.#latest?.status ?? 'CREATED')
  }

  /** Sums over all subtasks, as of the latest report. */
  accumulators(): Readonly<Record<string, number>> {
    return this.#latest?.accumulators ?? {}
  }

  /** The latest report, every half a second by default. */
  progress(): ProgressReport | undefined {
    return this.#latest
  }

  /** Resolves where the job finished; rejects with a coded error where it failed or was cancelled. */
  result(): Promise<JobResult> {
    return this.#result
  }

  /** Takes a checkpoint now; the job needs a job directory or a checkpoint interval. MR_CHECKPOINT_FAILED. */
  async triggerCheckpoint(): Promise<CheckpointLocation> {
    return (await this.#controls.promise).checkpoint()
  }

  /** Takes a savepoint below `target`, or below the configured directory. MR_CHECKPOINT_FAILED. */
  async triggerSavepoint(target?: string): Promise<CheckpointLocation> {
    return (await this.#controls.promise).savepoint(target)
  }

  /** Stops the job with a savepoint, from which it can go on; with `drain`, after its last results. */
  async stopWithSavepoint(options: StopOptions = {}): Promise<CheckpointLocation> {
    return (await this.#controls.promise).stop(options)
  }

  /** Stops the job; resolves once nothing of it runs any more. A job that has ended stays as it ended. */
  async cancel(): Promise<void> {
    this.#controller.abort()
    await this.#result.catch(() => {})
  }
}
