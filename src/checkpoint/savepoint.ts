/**
 * Savepoints: self-contained, relocatable directories. Files are hard-linked where the disk can, else copied; the
 * metadata, with paths relative to the savepoint, comes last.
 */
import { errnoOf, parentOf, syncWithParents, writeFileDurably } from '../common/durable-file.ts'
import { MillraceError } from '../common/errors.ts'
import { failPoint } from '../common/fail-points.ts'
import type { FileSystem } from '../common/file-system.ts'
import type { StoredFile } from '../state/snapshot-store.ts'
import {
  decodeMetadata,
  encodeMetadata,
  importedPath,
  type JobRecord,
  metadataFileName,
  resolveStored,
  savepointEpochOf,
  savepointFilesDirectory,
  savepointPath,
  savepointsDirectory,
  type SnapshotFileOwner,
} from './checkpoint-layout.ts'
import { type CheckpointMetadata, filesOf, mapFiles } from './checkpoint-metadata.ts'
import { linkOrCopy } from './snapshot-files.ts'

/** A checkpoint or savepoint on disk. */
export interface CompletedCheckpoint {
  readonly metadata: CheckpointMetadata
  /** Absolute path of the directory with `_metadata`. */
  readonly path: string
  /** Root of the metadata's paths: the savepoint, or the job directory of a checkpoint. */
  readonly root: string
}

/** Writes a savepoint at `path`, which must not exist. On failure nothing of it is left. */
export async function writeSavepoint(
  fileSystem: FileSystem,
  metadata: CheckpointMetadata,
  root: string,
  path: string,
): Promise<void> {
  if ((await fileSystem.stat(path)) !== undefined) {
    throw new MillraceError('MR_CHECKPOINT_FAILED', `${path} exists already`, { context: { file: path } })
  }
  try {
    await fileSystem.makeDirectory(savepointFilesDirectory(path))
    const moved = new Map<string, StoredFile>()
    for (const file of filesOf(metadata)) {
      const target = { ...file, path: savepointPath(file.path), shared: false }
      await transfer(fileSystem, file, resolveStored(root, file.path), resolveStored(path, target.path))
      moved.set(file.path, target)
      failPoint('during-savepoint')
    }
    await fileSystem.syncDirectory(savepointFilesDirectory(path))
    await writeSavepointMetadata(
      fileSystem,
      mapFiles(metadata, (file) => moved.get(file.path) as StoredFile),
      path,
    )
  } catch (error) {
    await fileSystem.remove(path).catch(() => undefined)
    throw error
  }
}

/**
 * Removes what a process that died has left of savepoints in the job directory's own folder: those without metadata that
 * an earlier opening of the directory has named, and has had the lock for, as its owner has it now. Others may be
 * somebody's who is writing them. Never throws: what cannot be removed now is left to the next opening.
 */
export async function removePartialSavepoints(
  fileSystem: FileSystem,
  jobDirectory: string,
  { jobId, epoch }: Pick<JobRecord, 'jobId' | 'epoch'>,
): Promise<void> {
  const parent = savepointsDirectory(jobDirectory)
  try {
    for (const name of await fileSystem.list(parent)) {
      const path = `${parent}/${name}`
      if ((savepointEpochOf(name, jobId) ?? epoch) >= epoch) continue
      if ((await fileSystem.stat(`${path}/${metadataFileName}`)) !== undefined) continue
      await fileSystem.remove(path)
    }
  } catch {
    // They only take room.
  }
}

/** The last step of a savepoint, whoever wrote its files. */
export async function writeSavepointMetadata(
  fileSystem: FileSystem,
  metadata: CheckpointMetadata,
  path: string,
): Promise<void> {
  await syncWithParents(fileSystem, parentOf(path))
  await writeFileDurably(fileSystem, `${path}/${metadataFileName}`, encodeMetadata(metadata))
}

/**
 * Links the files of a savepoint, or of a checkpoint of any job directory, into `jobDirectory`, verifying each, and
 * answers the metadata with the new paths. Errors: MR_CHECKPOINT_NOT_FOUND, MR_CHECKPOINT_CORRUPT.
 */
export async function importSavepoint(
  fileSystem: FileSystem,
  path: string,
  jobDirectory: string,
  owner: Pick<SnapshotFileOwner, 'epoch' | 'checkpointId'>,
): Promise<CheckpointMetadata> {
  const { metadata, root } = await readSavepoint(fileSystem, path)
  const moved = new Map<string, StoredFile>()
  for (const file of filesOf(metadata)) {
    const target = { ...file, path: importedPath(owner, file.path), shared: true }
    await transfer(fileSystem, file, resolveStored(root, file.path), resolveStored(jobDirectory, target.path))
    moved.set(file.path, target)
  }
  return {
    ...mapFiles(metadata, (file) => moved.get(file.path) as StoredFile),
    checkpointId: owner.checkpointId,
    kind: 'checkpoint',
  }
}

/** Accepts the path of a savepoint, of a checkpoint (`…/checkpoints/chk-N`), or of the `_metadata` in either. */
export async function readSavepoint(fileSystem: FileSystem, path: string): Promise<CompletedCheckpoint> {
  const directory = path.endsWith(`/${metadataFileName}`) ? parentOf(path) : path.replace(/\/+$/, '')
  const file = `${directory}/${metadataFileName}`
  let content: Uint8Array
  try {
    content = await fileSystem.readFile(file)
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT' && errnoOf(cause) !== 'ENOTDIR') throw cause
    throw new MillraceError('MR_CHECKPOINT_NOT_FOUND', `no checkpoint or savepoint at ${directory}`, {
      cause,
      context: { file: directory },
    })
  }
  const isSavepoint = (await fileSystem.stat(savepointFilesDirectory(directory))) !== undefined
  const root = isSavepoint ? directory : parentOf(parentOf(directory))
  return { metadata: decodeMetadata(content, file), path: directory, root }
}

/** Links and compares in one pass over the bytes. */
async function transfer(fileSystem: FileSystem, file: StoredFile, from: string, to: string): Promise<void> {
  let found: { bytes: number; crc32: number }
  try {
    found = await linkOrCopy(fileSystem, from, to)
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw cause
    throw new MillraceError('MR_CHECKPOINT_CORRUPT', `${from} is missing`, { cause, context: { file: from } })
  }
  if (found.bytes === file.bytes && found.crc32 === file.crc32) return
  throw new MillraceError('MR_CHECKPOINT_CORRUPT', `${from} does not match its length or checksum`, {
    context: { file: from },
  })
}
