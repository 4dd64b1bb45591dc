/**
 * The checkpoints of a job over all its attempts: the store in the job directory (or a temporary one), what each attempt
 * starts from, and the coordinator of each attempt. Thread: the coordinator's; cold.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { assignRestore, type RestoreAssignment } from '../checkpoint/assign-restore.ts'
import { CheckpointCoordinator, type CheckpointCoordinatorOptions } from '../checkpoint/checkpoint-coordinator.ts'
import { CheckpointHistory } from '../checkpoint/checkpoint-history.ts'
import { type CheckpointPlan, checkpointPlan } from '../checkpoint/checkpoint-plan.ts'
import { type CheckpointSettings, checkpointSettings } from '../checkpoint/checkpoint-settings.ts'
import { CheckpointStore } from '../checkpoint/checkpoint-store.ts'
import { readSavepoint } from '../checkpoint/savepoint.ts'
import type { CheckpointReport } from '../checkpoint/messages.ts'
import type { CheckpointLocation } from '../checkpoint/snapshot-files.ts'
import type { ProcessTable } from '../common/processes.ts'
import type { Doors } from '../common/doors.ts'
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import { MillraceError } from '../common/errors.ts'
import type { FileSystem } from '../common/file-system.ts'
import { localPath } from '../common/local-path.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import type { JobRequest } from './job-execution.ts'

/** What an attempt starts from. */
export interface RestorePoint extends RestoreAssignment {
  readonly checkpointId: number
}

export interface CheckpointDoors extends Doors {
  /** Default: the machine's. */
  readonly processes?: ProcessTable
}

export class JobCheckpoints {
  readonly history: CheckpointHistory = new CheckpointHistory()
  readonly settings: CheckpointSettings
  /** Whether the checkpoints outlive the process: a later run can go on from them. */
  readonly isPersistent: boolean
  readonly #doors: CheckpointDoors
  readonly #store: CheckpointStore
  readonly #plan: CheckpointPlan
  readonly #configuration: Configuration

  /** Undefined where the job takes no checkpoints and starts from none. Errors: those of the job directory. */
  static async open(job: JobGraph, request: JobRequest, doors: CheckpointDoors): Promise<JobCheckpoints | undefined> {
    const configuration = Configuration.of(job.configuration)
    const from = pathOf(request.from, 'from') ?? configuration.get(configOptions.recoveryPath)
    const jobDir = pathOf(request.jobDir, 'jobDir') ?? configuration.get(configOptions.checkpointDir)
    const settings = checkpointSettings(configuration)
    if (settings === undefined) return undefined
    const isPersistent = jobDir !== undefined
    if (from !== undefined) {
      const dropped = isPersistent && request.fresh === true ? resolve(jobDir) : undefined
      await checkStart(resolve(from), { job, dropped, fileSystem: doors.fileSystem })
    }
    const directory = isPersistent ? resolve(jobDir) : await mkdtemp(join(tmpdir(), 'millrace-'))
    try {
      const store = await CheckpointStore.open({
        directory,
        jobName: job.jobName,
        fingerprint: job.fingerprint,
        fresh: request.fresh,
        ...doors,
        numRetained: settings.numRetained,
      })
      const checkpoints = new JobCheckpoints(store, job, doors, { settings, isPersistent })
      if (from !== undefined) await checkpoints.#import(resolve(from))
      return checkpoints
    } catch (error) {
      if (!isPersistent) await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  private constructor(
    store: CheckpointStore,
    job: JobGraph,
    doors: CheckpointDoors,
    { settings, isPersistent }: Pick<JobCheckpoints, 'settings' | 'isPersistent'>,
  ) {
    this.#doors = doors
    this.#store = store
    this.#plan = checkpointPlan(job)
    this.#configuration = Configuration.of(job.configuration)
    this.settings = settings
    this.isPersistent = isPersistent
  }

  get jobId(): string {
    return this.#store.jobId
  }

  get location(): CheckpointLocation {
    return this.#store.location
  }

  /**
   * What the next attempt starts from; undefined: empty. Errors: MR_CHECKPOINT_CORRUPT, MR_CHECKPOINT_INCOMPATIBLE. Only
   * while no slot runs.
   */
  async restorePoint(): Promise<RestorePoint | undefined> {
    await this.#store.removeOrphans()
    return await this.newest()
  }

  /** The newest checkpoint, as what subtasks start from; while others run, too. Errors as `restorePoint`. */
  async newest(): Promise<RestorePoint | undefined> {
    const fallBackToIntact = this.#configuration.get(configOptions.recoveryFallback)
    const latest = await this.#store.latest({ fallBackToIntact, verify: fallBackToIntact ? 'full' : 'length' })
    if (latest === undefined) return undefined
    const allowNonRestoredState = this.#configuration.get(configOptions.recoveryIgnoreUnclaimed)
    const assigned = assignRestore(latest.metadata, this.#plan, { allowNonRestoredState, directory: latest.root })
    this.history.counts.restored++
    return { ...assigned, checkpointId: latest.metadata.checkpointId }
  }

  /**
   * The job has ended early, for good. True where a later run can go on from here: the directory is the user's, and its
   * checkpoints are to be kept. Otherwise they are removed. Only while no slot runs.
   */
  async keepAfter(end: 'canceled' | 'failed'): Promise<boolean> {
    if (!this.isPersistent) return false
    const retention = this.#configuration.get(configOptions.externalizedRetention)
    if (retention === 'retain-on-cancellation') return true
    if (retention === 'delete-on-cancellation' && end === 'failed') return true
    // What cannot be removed now is left to `--fresh`: the job's own error is what counts.
    await this.#store.removeAll().catch(() => undefined)
    return false
  }

  /** The checkpoints of one attempt. */
  attempt(parts: Pick<CheckpointCoordinatorOptions, 'splitPools' | 'send' | 'fail' | 'end'>): AttemptCheckpoints {
    return new AttemptCheckpoints({
      settings: this.settings,
      plan: this.#plan,
      store: this.#store,
      clock: this.#doors.clock,
      timers: this.#doors.timers,
      history: this.history,
      ...parts,
    })
  }

  /** Releases the directory; a temporary one is removed. Idempotent. */
  async close(): Promise<void> {
    await this.#store.close()
    if (!this.isPersistent) await rm(this.location.directory, { recursive: true, force: true })
  }

  async #import(path: string): Promise<void> {
    try {
      await this.#store.importSavepoint(path)
    } catch (error) {
      await this.#store.close()
      throw error
    }
  }
}

/** Before anything of the job directory is touched: what cannot be started from must not cost what is there. */
async function checkStart(
  from: string,
  {
    job,
    dropped,
    fileSystem,
  }: {
    readonly job: JobGraph
    /** The job directory, where it is to be emptied. */
    readonly dropped: string | undefined
    readonly fileSystem: FileSystem
  },
): Promise<void> {
  const { metadata, root } = await readSavepoint(fileSystem, from)
  if (root === dropped) {
    const message = `${from} is a checkpoint of the job directory, and a fresh start drops all of them: start from it without --fresh, or in another job directory`
    throw new MillraceError('MR_CONFIG_INVALID_VALUE', message, { context: { file: from } })
  }
  const allowNonRestoredState = Configuration.of(job.configuration).get(configOptions.recoveryIgnoreUnclaimed)
  assignRestore(metadata, checkpointPlan(job), { allowNonRestoredState, directory: root })
}

function pathOf(text: string | undefined, what: string): string | undefined {
  return text === undefined ? undefined : localPath(text, what)
}

type AttemptCheckpointsOptions = Omit<CheckpointCoordinatorOptions, 'changed'> & Pick<Doors, 'timers'>

/** Drives the coordinator of one attempt by timers. */
export class AttemptCheckpoints {
  readonly coordinator: CheckpointCoordinator
  readonly #options: AttemptCheckpointsOptions
  #cancelTimer: () => void = () => {}
  #isClosed = false

  constructor(options: AttemptCheckpointsOptions) {
    this.#options = options
    this.coordinator = new CheckpointCoordinator({ ...options, changed: () => this.#schedule() })
  }

  /** Every slot runs. */
  start(): void {
    this.coordinator.start()
  }

  take(report: CheckpointReport): void {
    this.coordinator.take(report)
  }

  /** Resolves once nothing is written any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    await this.coordinator.close()
  }

  #schedule(): void {
    this.#cancelTimer()
    const nextMs = this.coordinator.nextTickMs()
    if (this.#isClosed || nextMs === Number.POSITIVE_INFINITY) return
    const { clock, timers } = this.#options
    // Node's longest timer is 2^31 ms.
    const delayMs = Math.min(2 ** 30, Math.max(0, nextMs - clock.monotonicMs()))
    this.#cancelTimer = timers.after(delayMs, () => this.coordinator.tick())
  }
}
