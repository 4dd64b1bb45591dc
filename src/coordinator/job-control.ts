/** What can be asked of a running job, whichever attempt is under way. Thread: the coordinator's; cold. */
import type { CheckpointCoordinator, TriggerResult } from '../checkpoint/checkpoint-coordinator.ts'
import { MillraceError } from '../common/errors.ts'
import { localPath } from '../common/local-path.ts'
import type { RestartReport } from './job-execution.ts'

/** How a job is stopped with a savepoint. */
export interface StopOptions {
  /** Sources end as if their input had ended, and operators give their last results, before the savepoint. */
  readonly drain?: boolean
  /** Directory under which the savepoint goes. Default: the configured one, or the job directory's. */
  readonly target?: string
}

/** Asks a running job for checkpoints, savepoints and its end. Errors: MR_CHECKPOINT_FAILED. */
export interface JobControls {
  checkpoint(): Promise<TriggerResult>
  savepoint(target?: string): Promise<TriggerResult>
  /** Stops the job with a savepoint; resolves once the savepoint is complete and committed. */
  stop(options?: StopOptions): Promise<TriggerResult>
  cancel(): void
}

const restartsLogged = 20

export class JobControl implements JobControls {
  #restarts = 0
  #restartLog: RestartReport[] = []
  /** The savepoint with which the job was stopped. */
  stoppedWith: string | undefined
  readonly #controller = new AbortController()
  readonly #outer: AbortSignal | undefined
  readonly #onOuterAbort = (): void => this.cancel()
  #coordinator: CheckpointCoordinator | undefined

  constructor(outer: AbortSignal | undefined) {
    this.#outer = outer
    outer?.addEventListener('abort', this.#onOuterAbort, { once: true })
    if (outer?.aborted === true) this.cancel()
  }

  /** Restarts so far, of the job or of regions. */
  get restarts(): number {
    return this.#restarts
  }

  /** The newest restarts, oldest first. */
  get restartLog(): readonly RestartReport[] {
    return this.#restartLog
  }

  /** Answers how many there have been, this one included. */
  countRestart(restart: RestartReport): number {
    this.#restartLog = [...this.#restartLog, restart].slice(-restartsLogged)
    return ++this.#restarts
  }

  /** Aborted where the job is cancelled, from here or by its request. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The checkpoints of the attempt under way; undefined between attempts, and where the job takes none. */
  attach(coordinator: CheckpointCoordinator | undefined): void {
    this.#coordinator = coordinator
  }

  checkpoint(): Promise<TriggerResult> {
    return this.#active().then((active) => active.triggerCheckpoint())
  }

  savepoint(target?: string): Promise<TriggerResult> {
    return this.#active().then((active) => active.triggerSavepoint('savepoint', targetOf(target)))
  }

  async stop({ drain = false, target }: StopOptions = {}): Promise<TriggerResult> {
    const active = await this.#active()
    const result = await active.triggerSavepoint(drain ? 'stop-drain' : 'stop-suspend', targetOf(target))
    this.stoppedWith = result.path
    return result
  }

  cancel(): void {
    this.#controller.abort()
  }

  close(): void {
    this.#coordinator = undefined
    this.#outer?.removeEventListener('abort', this.#onOuterAbort)
  }

  async #active(): Promise<CheckpointCoordinator> {
    if (this.#coordinator !== undefined) return this.#coordinator
    throw new MillraceError(
      'MR_CHECKPOINT_FAILED',
      'the job takes no checkpoints now: it is restarting, or has neither a job directory nor a checkpoint interval',
    )
  }
}

function targetOf(target: string | undefined): string | undefined {
  return target === undefined ? undefined : localPath(target, 'the savepoint directory')
}
