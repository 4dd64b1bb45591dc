/**
 * A job directory: its registry, its lock and its folders. Opening checks that the directory belongs to this job and can
 * be written, and counts the epoch, durably, before anything else is done in it.
 */
import type { Clock } from '../common/clock.ts'
import { errnoOf, syncWithParents, writeFileDurably } from '../common/durable-file.ts'
import { codeOf, MillraceError } from '../common/errors.ts'
import type { FileSystem } from '../common/file-system.ts'
import {
  checkpointDirectory,
  checkpointIdOf,
  checkpointsDirectory,
  decodeJobRecord,
  encodeJobRecord,
  type JobRecord,
  jobFileName,
  metadataFileName,
  savepointsDirectory,
  sharedDirectory,
} from './checkpoint-layout.ts'
import { checkpointFormatVersion } from './checkpoint-metadata.ts'
import type { ProcessTable } from '../common/processes.ts'
import { acquireJobDirectoryLock } from './job-directory-lock.ts'

export interface OpenJobDirectoryOptions {
  /** Absolute path; made where it is missing. */
  readonly directory: string
  readonly jobName: string
  readonly fingerprint: string
  /** Drops every checkpoint, and takes over a directory of another job. Savepoints stay. */
  readonly fresh?: boolean
  readonly fileSystem: FileSystem
  readonly clock: Clock
  /** Names a new job. */
  randomId(): string
  readonly processes?: ProcessTable
}

export interface JobDirectory {
  readonly record: JobRecord
  close(): Promise<void>
}

/**
 * Errors: MR_JOB_DIR_LOCKED (a running process has it), MR_JOB_DIR_UNUSABLE (another job's, a newer version's,
 * read-only, full), MR_CHECKPOINT_CORRUPT (job.json is damaged or missing beside checkpoints).
 */
export async function openJobDirectory(options: OpenJobDirectoryOptions): Promise<JobDirectory> {
  const { directory, fileSystem } = options
  try {
    for (const path of [
      directory,
      ...[checkpointsDirectory, sharedDirectory, savepointsDirectory].map((of) => of(directory)),
    ]) {
      await fileSystem.makeDirectory(path)
    }
    const isNew = (await fileSystem.stat(`${directory}/${jobFileName}`)) === undefined
    await (isNew ? syncWithParents(fileSystem, directory) : fileSystem.syncDirectory(directory))
    const lock = await acquireJobDirectoryLock(directory, fileSystem, options.processes)
    try {
      if (options.fresh === true) await removeCheckpoints(fileSystem, directory)
      const record = nextRecord(await recordOf(options), options)
      await writeFileDurably(fileSystem, `${directory}/${jobFileName}`, encodeJobRecord(record))
      return { record, close: () => lock.release() }
    } catch (error) {
      await lock.release().catch(() => undefined)
      throw error
    }
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new MillraceError('MR_JOB_DIR_UNUSABLE', `cannot use ${directory}: ${message}`, {
      cause,
      context: { file: directory },
    })
  }
}

/** Undefined in a new directory. */
export async function readJobRecord(fileSystem: FileSystem, directory: string): Promise<JobRecord | undefined> {
  const file = `${directory}/${jobFileName}`
  let content: Uint8Array
  try {
    content = await fileSystem.readFile(file)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    const names = await fileSystem.list(checkpointsDirectory(directory))
    if (!names.some((name) => checkpointIdOf(name) !== undefined)) return undefined
    throw new MillraceError('MR_CHECKPOINT_CORRUPT', `${file} is missing, but there are checkpoints`, {
      context: { file },
    })
  }
  return decodeJobRecord(content, file)
}

/** With `fresh`, a record that cannot be read or is another job's is as good as none. */
async function recordOf(options: OpenJobDirectoryOptions): Promise<JobRecord | undefined> {
  try {
    const record = await readJobRecord(options.fileSystem, options.directory)
    return options.fresh === true && record?.jobName !== options.jobName ? undefined : record
  } catch (error) {
    if (options.fresh === true && codeOf(error) !== undefined) return undefined
    throw error
  }
}

/** The oldest first: what a crash in between leaves is a directory whose newest checkpoint is whole. */
async function removeCheckpoints(fileSystem: FileSystem, directory: string): Promise<void> {
  const names = await fileSystem.list(checkpointsDirectory(directory))
  const ids = names.map(checkpointIdOf).filter((id) => id !== undefined)
  for (const id of ids.toSorted((a, b) => a - b)) {
    await fileSystem.remove(`${checkpointDirectory(directory, id)}/${metadataFileName}`)
    await fileSystem.remove(checkpointDirectory(directory, id))
    await fileSystem.syncDirectory(checkpointsDirectory(directory))
  }
  for (const name of await fileSystem.list(sharedDirectory(directory))) {
    await fileSystem.remove(`${sharedDirectory(directory)}/${name}`)
  }
  await fileSystem.syncDirectory(sharedDirectory(directory))
}

function nextRecord(old: JobRecord | undefined, options: OpenJobDirectoryOptions): JobRecord {
  const { jobName, fingerprint, directory } = options
  if (old !== undefined && old.jobName !== jobName) {
    throw new MillraceError(
      'MR_JOB_DIR_UNUSABLE',
      `${directory} belongs to job ${JSON.stringify(old.jobName)}, not to ${JSON.stringify(jobName)}`,
      { context: { file: directory } },
    )
  }
  return {
    formatVersion: checkpointFormatVersion,
    jobName,
    jobId: old?.jobId ?? options.randomId(),
    fingerprint,
    epoch: (old?.epoch ?? 0) + 1,
    createdMs: old?.createdMs ?? options.clock.nowMs(),
    nextCheckpointId: old?.nextCheckpointId ?? 1,
  }
}
