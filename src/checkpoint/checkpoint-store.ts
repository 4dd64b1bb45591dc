/**
 * The coordinator's half of the checkpoint store: one job directory, opened by one process. Writes metadata, keeps the
 * newest checkpoints, counts shared files and removes what nobody refers to. Cold path, coordinator thread.
 *
 * Invariants
 * 1. A checkpoint is complete exactly where its `_metadata` exists; it is written after everything it names is durable.
 * 2. A shared file is removed only when no retained checkpoint refers to it; while the job runs, only in
 *    `removeShared`, which the coordinator calls when no snapshot under way can refer to it any more.
 * 3. Removing a checkpoint removes its metadata first, so that no complete checkpoint lacks a file.
 * 4. Where a retained checkpoint's metadata cannot be read nothing shared is removed.
 * 5. Calls that write are made one at a time (the coordinator awaits each).
 */
import { resolve } from 'node:path'
import { writeFileDurably } from '../common/durable-file.ts'
import { asMillraceError, codeOf, MillraceError } from '../common/errors.ts'
import { failPoint } from '../common/fail-points.ts'
import type { FileSystem } from '../common/file-system.ts'
import {
  checkpointDirectory,
  checkpointIdOf,
  checkpointsDirectory,
  encodeMetadata,
  metadataFileName,
  resolveStored,
  savepointName,
  savepointsDirectory,
  sharedDirectory,
  sharedPrefix,
} from './checkpoint-layout.ts'
import { type CheckpointMetadata, filesOf } from './checkpoint-metadata.ts'
import { type JobDirectory, type OpenJobDirectoryOptions, openJobDirectory } from './job-directory.ts'
import {
  type CompletedCheckpoint,
  importSavepoint,
  readSavepoint,
  removePartialSavepoints,
  writeSavepoint,
} from './savepoint.ts'
import { type CheckpointLocation, verifyFile } from './snapshot-files.ts'

export interface CheckpointStoreOptions extends OpenJobDirectoryOptions {
  /** Completed checkpoints to keep, at least 1. */
  readonly numRetained: number
}

export interface RestorePolicy {
  /** Go on to the newest intact checkpoint where the newest is corrupt, instead of refusing. */
  readonly fallBackToIntact: boolean
  /** `full`: read every file now. `length`: leave checksums to the slots, which verify whatever they read. */
  readonly verify: 'length' | 'full'
}

export class CheckpointStore {
  readonly location: CheckpointLocation
  readonly #job: JobDirectory
  readonly #fileSystem: FileSystem
  readonly #numRetained: number
  /** Retained, oldest first. */
  #completed: CompletedCheckpoint[] = []
  /** Ids whose metadata exists but cannot be read. */
  readonly #unreadable = new Map<number, MillraceError>()
  #nextId: number

  /** Locks and opens a job directory; removes leavings of processes that died. Errors: see `openJobDirectory`. */
  static async open(options: CheckpointStoreOptions): Promise<CheckpointStore> {
    const job = await openJobDirectory(options)
    const store = new CheckpointStore(job, options)
    try {
      await store.#load()
      failPoint('during-open')
      await store.removeOrphans()
      await removePartialSavepoints(options.fileSystem, options.directory, job.record)
    } catch (error) {
      await job.close()
      throw asMillraceError(error, 'MR_JOB_DIR_UNUSABLE', { file: options.directory })
    }
    return store
  }

  private constructor(job: JobDirectory, options: CheckpointStoreOptions) {
    this.#job = job
    this.#fileSystem = options.fileSystem
    this.#numRetained = Math.max(1, options.numRetained)
    this.#nextId = job.record.nextCheckpointId
    this.location = { directory: options.directory, epoch: job.record.epoch }
  }

  get jobId(): string {
    return this.#job.record.jobId
  }

  /** Retained checkpoints, oldest first. */
  get completed(): readonly CompletedCheckpoint[] {
    return this.#completed
  }

  /** A fresh id, greater than all before. */
  nextCheckpointId(): number {
    return this.#nextId++
  }

  /**
   * Makes the directory into which slots write, and the one where a savepoint goes, so that a job does not stop for one
   * that cannot be written; to be awaited before the trigger is sent.
   */
  async begin(checkpointId: number, savepointTarget?: string): Promise<void> {
    const path = checkpointDirectory(this.location.directory, checkpointId)
    const paths = savepointTarget === undefined ? [path] : [path, resolve(savepointTarget)]
    for (const each of paths) await this.#writing(each, () => this.#fileSystem.makeDirectory(each))
  }

  /**
   * Writes the metadata; once it resolves the checkpoint survives a power cut. Subsumed checkpoints are removed, their
   * shared files wait for `removeUnreferenced`. MR_CHECKPOINT_FAILED: nothing of it is left, earlier ones are intact.
   */
  async complete(metadata: CheckpointMetadata): Promise<CompletedCheckpoint> {
    const root = this.location.directory
    const path = checkpointDirectory(root, metadata.checkpointId)
    try {
      await this.#writing(path, async () => {
        // Names of the files, of the directory, and of shared files: side by side with the metadata, but before its rename.
        const named = Promise.all(
          [path, checkpointsDirectory(root), sharedDirectory(root)].map((each) => this.#fileSystem.syncDirectory(each)),
        )
        named.catch(() => undefined)
        await writeFileDurably(this.#fileSystem, `${path}/${metadataFileName}`, encodeMetadata(metadata), async () => {
          await named
          failPoint('before-metadata-rename')
        })
      })
    } catch (error) {
      await this.abort(metadata.checkpointId)
      throw error
    }
    const completed = { metadata, path, root }
    this.#completed = [...this.#completed, completed].toSorted((a, b) => idOf(a) - idOf(b))
    return completed
  }

  /**
   * Removes the oldest checkpoints beyond the number to retain, and unreadable ones that a newer one has replaced.
   * Answers the shared files that nobody refers to any more, for `removeShared`. Failures are left for the next time.
   */
  async retain(): Promise<readonly string[]> {
    const before = this.#usedShared()
    const newest = this.#completed.at(-1)
    for (const id of this.#unreadable.keys()) {
      if (newest !== undefined && id < idOf(newest) && (await this.#removeCheckpoint(id))) this.#unreadable.delete(id)
    }
    while (this.#completed.length > this.#numRetained) {
      const oldest = this.#completed[0] as CompletedCheckpoint
      if (!(await this.#removeCheckpoint(idOf(oldest)))) break
    }
    const after = this.#usedShared()
    return [...before].filter((path) => !after.has(path))
  }

  /**
   * Removes those of the paths that still nobody refers to. To be called only when no snapshot under way can refer to
   * them any more. Never throws.
   */
  async removeShared(paths: readonly string[]): Promise<void> {
    const names = new Set(paths)
    await this.#removeShared((name) => names.has(`shared/${name}`))
  }

  /** Removes what an aborted or refused checkpoint has written so far. Never throws. */
  async abort(checkpointId: number): Promise<void> {
    // Where the disk keeps the metadata, it keeps what that names.
    if (!(await this.#removeCheckpoint(checkpointId))) return
    const prefix = sharedPrefix({ epoch: this.location.epoch, checkpointId })
    await this.#removeShared((name) => name.startsWith(prefix))
  }

  /** Removes everything that no retained checkpoint refers to. Only while no slot runs. */
  async removeOrphans(): Promise<void> {
    const known = new Set([...this.#completed.map(idOf), ...this.#unreadable.keys()])
    for (const id of await this.#checkpointIds()) if (!known.has(id)) await this.#removeCheckpoint(id)
    await this.#removeShared(() => true)
  }

  /** Removes every checkpoint, the oldest first; savepoints stay. Only while no slot runs. */
  async removeAll(): Promise<void> {
    for (const id of await this.#checkpointIds()) {
      if (await this.#removeCheckpoint(id)) this.#unreadable.delete(id)
    }
    await this.#removeShared(() => true)
  }

  /**
   * The newest checkpoint to restore from, undefined where there is none. A corrupt newest one is refused with
   * MR_CHECKPOINT_CORRUPT naming the file and the previous checkpoint, unless the policy allows to fall back.
   */
  async latest(policy: RestorePolicy): Promise<CompletedCheckpoint | undefined> {
    let refused: MillraceError | undefined
    for (const candidate of this.#newestFirst()) {
      const depth = policy.fallBackToIntact || refused !== undefined ? 'full' : policy.verify
      const defect = candidate instanceof MillraceError ? candidate : await this.#defectOf(candidate, depth)
      if (defect !== undefined || candidate instanceof MillraceError) refused ??= defect
      else if (refused === undefined || policy.fallBackToIntact) return candidate
      else throw offer(refused, candidate.path)
    }
    if (refused !== undefined) throw refused
    return undefined
  }

  /** Checks that every file of a checkpoint is there with its length, and with `full` its checksum. */
  async verify(checkpoint: CompletedCheckpoint, depth: 'length' | 'full'): Promise<void> {
    const metadataFile = `${checkpoint.path}/${metadataFileName}`
    if ((await this.#fileSystem.stat(metadataFile)) === undefined) {
      throw new MillraceError('MR_CHECKPOINT_CORRUPT', `${metadataFile} is missing`, {
        context: { file: metadataFile },
      })
    }
    for (const file of filesOf(checkpoint.metadata)) {
      const path = resolveStored(checkpoint.root, file.path)
      if (depth === 'full') await verifyFile(this.#fileSystem, path, file)
      else {
        const found = await this.#fileSystem.stat(path)
        if (found?.bytes === file.bytes) continue
        const what = found === undefined ? 'is missing' : `expected ${file.bytes} bytes, found ${found.bytes}`
        throw new MillraceError('MR_CHECKPOINT_CORRUPT', `${path}: ${what}`, { context: { file: path } })
      }
    }
  }

  /**
   * Writes a savepoint from the files of a checkpoint that the slots have acknowledged. `target`: directory under which
   * it goes; default `<job-dir>/savepoints`. Answers its absolute path.
   */
  async writeSavepoint(metadata: CheckpointMetadata, target?: string): Promise<string> {
    const parent = resolve(target ?? savepointsDirectory(this.location.directory))
    const path = `${parent}/${savepointName(metadata.checkpointId, this.location.epoch, this.jobId)}`
    await this.#writing(path, () => writeSavepoint(this.#fileSystem, metadata, this.location.directory, path))
    return path
  }

  /**
   * Takes a savepoint (or a checkpoint of any job directory) over as a checkpoint of this directory, so that the job
   * resumes from it even if it dies before its first own checkpoint. Every file is verified on the way. Only while no
   * slot runs.
   */
  async importSavepoint(path: string): Promise<CompletedCheckpoint> {
    const checkpointId = this.nextCheckpointId()
    await this.begin(checkpointId)
    try {
      const owner = { epoch: this.location.epoch, checkpointId }
      const imported = await importSavepoint(this.#fileSystem, path, this.location.directory, owner)
      const completed = await this.complete({ ...imported, jobId: this.jobId })
      await this.retain()
      await this.#removeShared(() => true)
      return completed
    } catch (error) {
      await this.abort(checkpointId)
      throw asMillraceError(error, 'MR_CHECKPOINT_FAILED', { file: path })
    }
  }

  /** Releases the lock. Idempotent. */
  async close(): Promise<void> {
    await this.#job.close()
  }

  /** Checkpoints, and in the place of those that cannot be read the reason. */
  #newestFirst(): (CompletedCheckpoint | MillraceError)[] {
    const all: [number, CompletedCheckpoint | MillraceError][] = [
      ...this.#unreadable,
      ...this.#completed.map((one): [number, CompletedCheckpoint] => [idOf(one), one]),
    ]
    return all.toSorted(([a], [b]) => b - a).map(([, one]) => one)
  }

  async #defectOf(checkpoint: CompletedCheckpoint, depth: 'length' | 'full'): Promise<MillraceError | undefined> {
    try {
      await this.verify(checkpoint, depth)
      return undefined
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'MR_CHECKPOINT_CORRUPT') return error
      throw error
    }
  }

  async #load(): Promise<void> {
    for (const id of await this.#checkpointIds()) {
      this.#nextId = Math.max(this.#nextId, id + 1)
      try {
        this.#completed.push(await readSavepoint(this.#fileSystem, checkpointDirectory(this.location.directory, id)))
      } catch (error) {
        if (codeOf(error) === 'MR_CHECKPOINT_CORRUPT') this.#unreadable.set(id, error as MillraceError)
        else if (codeOf(error) !== 'MR_CHECKPOINT_NOT_FOUND') throw error
      }
    }
  }

  /** Ascending. */
  async #checkpointIds(): Promise<number[]> {
    const names = await this.#fileSystem.list(checkpointsDirectory(this.location.directory))
    return names
      .map(checkpointIdOf)
      .filter((id) => id !== undefined)
      .toSorted((a, b) => a - b)
  }

  /**
   * The metadata first, durably: from then on the checkpoint does not exist, and its files are no longer counted. False
   * where the disk refuses that; what it refuses later are orphans.
   */
  async #removeCheckpoint(checkpointId: number): Promise<boolean> {
    const path = checkpointDirectory(this.location.directory, checkpointId)
    try {
      if ((await this.#fileSystem.stat(path)) !== undefined) {
        await this.#fileSystem.remove(`${path}/${metadataFileName}`)
        await this.#fileSystem.syncDirectory(path)
      }
    } catch {
      return false
    }
    this.#completed = this.#completed.filter((one) => idOf(one) !== checkpointId)
    failPoint('during-retention')
    await this.#fileSystem.remove(path).catch(() => undefined)
    return true
  }

  async #removeShared(isCandidate: (name: string) => boolean): Promise<void> {
    if (this.#unreadable.size > 0) return
    const used = this.#usedShared()
    const directory = sharedDirectory(this.location.directory)
    try {
      for (const name of await this.#fileSystem.list(directory)) {
        if (isCandidate(name) && !used.has(`shared/${name}`)) await this.#fileSystem.remove(`${directory}/${name}`)
      }
    } catch {
      // A file that cannot be removed now is an orphan that the next opening removes.
    }
  }

  #usedShared(): Set<string> {
    const files = this.#completed.flatMap((one) => filesOf(one.metadata))
    return new Set(files.filter((file) => file.shared).map((file) => file.path))
  }

  async #writing<T>(path: string, write: () => Promise<T>): Promise<T> {
    try {
      return await write()
    } catch (error) {
      throw asMillraceError(error, 'MR_CHECKPOINT_FAILED', { file: path })
    }
  }
}

const idOf = (checkpoint: CompletedCheckpoint): number => checkpoint.metadata.checkpointId

function offer(error: MillraceError, intactPath: string): MillraceError {
  return new MillraceError(error.code, `${error.message}; the previous checkpoint is intact: ${intactPath}`, {
    cause: error.cause,
    context: error.context,
  })
}
