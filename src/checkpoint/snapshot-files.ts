/**
 * The slots' half of the checkpoint store: writes the state files of one operator's subtask for one checkpoint, and
 * reads and verifies them on restore. Cold path, any thread; needs no coordination, since every name is used once.
 *
 * Invariants
 * 1. A StoredFile is answered only once its bytes are synced. Its directory entry is synced by the coordinator before
 *    the metadata is written.
 * 2. What could not be written whole is removed.
 * 3. Nothing read is handed out before its length and checksum have been compared.
 */
import { crc32 } from 'node:zlib'
import { errnoOf } from '../common/durable-file.ts'
import { MillraceError } from '../common/errors.ts'
import { failPoint } from '../common/fail-points.ts'
import type { FileSystem } from '../common/file-system.ts'
import type { FileChecksum, SnapshotSink, SnapshotSource, StoredFile } from '../state/snapshot-store.ts'
import { exclusivePath, resolveStored, sharedPath, type SnapshotFileOwner } from './checkpoint-layout.ts'

/** Where a running job's checkpoints go; sent to the slots. */
export interface CheckpointLocation {
  /** Absolute path of the job directory. */
  readonly directory: string
  readonly epoch: number
}

export interface SnapshotSinkOptions extends CheckpointLocation, SnapshotFileOwner {
  readonly fileSystem: FileSystem
}

/** Files of fewer bytes are read whole. */
const piecesBytesMin = 2 * 1024 * 1024

type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** Errors of the sink: MR_CHECKPOINT_FAILED with the disk's error as cause. */
export function openSnapshotSink(options: SnapshotSinkOptions): SnapshotSink {
  const { directory, fileSystem } = options
  const store = async (path: string, shared: boolean, chunks: Chunks): Promise<StoredFile> => {
    try {
      return { path, shared, ...(await writeSynced(fileSystem, resolveStored(directory, path), chunks)) }
    } catch (error) {
      throw writeFailed(path, error)
    }
  }
  return {
    writeExclusive: (name, chunks) => store(exclusivePath(options, name), false, chunks),
    writeShared: (name, chunks) => store(sharedPath(options, name), true, chunks),
    async linkShared(localPath, uniqueId, checksum) {
      const path = sharedPath(options, uniqueId)
      try {
        const target = resolveStored(directory, path)
        return { path, shared: true, ...(await linkOrCopy(fileSystem, localPath, target, checksum)) }
      } catch (error) {
        throw writeFailed(path, error)
      }
    },
    reuse(file) {
      if (!file.shared) throw new MillraceError('MR_INTERNAL', `only shared files can be used again: ${file.path}`)
      return file
    },
  }
}

export function openSnapshotSource(directory: string, fileSystem: FileSystem): SnapshotSource {
  return {
    async read(file) {
      failPoint('during-restore')
      const path = resolveStored(directory, file.path)
      const bytes = await readOrCorrupt(path, () => fileSystem.readFile(path))
      compare(path, file, { bytes: bytes.byteLength, crc32: crc32(bytes) })
      return bytes
    },
    pieces(file, isVerified = false) {
      if (fileSystem.readChunks === undefined || file.bytes < piecesBytesMin) return undefined
      failPoint('during-restore')
      const path = resolveStored(directory, file.path)
      return isVerified ? fileSystem.readChunks(path) : verifiedAtEnd(fileSystem, path, file)
    },
    async localPath(file, checksum) {
      failPoint('during-restore')
      const path = resolveStored(directory, file.path)
      // Where that fails, the other way says why.
      const found = await checksum?.(path).catch(() => undefined)
      if (found === undefined) await verifyFile(fileSystem, path, file)
      else compare(path, file, found)
      return path
    },
  }
}

/** Reads a whole file in pieces; MR_CHECKPOINT_CORRUPT where it is missing or differs from `expected`. */
export async function verifyFile(fileSystem: FileSystem, path: string, expected: FileChecksum): Promise<void> {
  compare(path, expected, await readOrCorrupt(path, () => checksumOf(fileSystem, path)))
}

/** Gives `to` the content of `from`: a hard link where the disk can, else a synced copy. Answers length and checksum. */
export async function linkOrCopy(
  fileSystem: FileSystem,
  from: string,
  to: string,
  checksum?: (path: string) => Promise<FileChecksum>,
): Promise<FileChecksum> {
  try {
    await fileSystem.link(from, to)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' || errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOSPC') throw error
    return await writeSynced(fileSystem, to, chunksOf(fileSystem, from))
  }
  // The writer of the linked file need not have synced it.
  const handle = await fileSystem.open(to, 'append')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
  return (await checksum?.(to).catch(() => undefined)) ?? (await checksumOf(fileSystem, to))
}

async function writeSynced(fileSystem: FileSystem, path: string, chunks: Chunks): Promise<FileChecksum> {
  let bytes = 0
  let checksum = 0
  const handle = await fileSystem.open(path, 'exclusive')
  let writing = Promise.resolve()
  try {
    try {
      for await (const chunk of chunks) {
        checksum = crc32(chunk, checksum)
        bytes += chunk.byteLength
        await writing
        writing = handle.write(chunk).then(() => failPoint('during-snapshot-write'))
        // The next one is made meanwhile, unless it may be made in the memory of this one.
        if (Symbol.asyncIterator in chunks) await writing
        else writing.catch(() => undefined)
      }
      await writing
      await handle.sync()
    } finally {
      await writing.catch(() => undefined)
      await handle.close()
    }
  } catch (error) {
    await fileSystem.remove(path).catch(() => undefined)
    throw error
  }
  return { bytes, crc32: checksum }
}

async function checksumOf(fileSystem: FileSystem, path: string): Promise<FileChecksum> {
  let bytes = 0
  let checksum = 0
  for await (const chunk of chunksOf(fileSystem, path)) {
    bytes += chunk.byteLength
    checksum = crc32(chunk, checksum)
  }
  return { bytes, crc32: checksum }
}

async function* chunksOf(fileSystem: FileSystem, path: string): AsyncIterable<Uint8Array> {
  if (fileSystem.readChunks === undefined) yield await fileSystem.readFile(path)
  else yield* fileSystem.readChunks(path)
}

async function* verifiedAtEnd(fileSystem: FileSystem, path: string, expected: StoredFile): AsyncIterable<Uint8Array> {
  let bytes = 0
  let checksum = 0
  try {
    for await (const chunk of chunksOf(fileSystem, path)) {
      bytes += chunk.byteLength
      checksum = crc32(chunk, checksum)
      yield chunk
    }
  } catch (error) {
    throw missing(path, error)
  }
  compare(path, expected, { bytes, crc32: checksum })
}

async function readOrCorrupt<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw missing(file, error)
  }
}

function missing(file: string, cause: unknown): unknown {
  if (errnoOf(cause) !== 'ENOENT') return cause
  return new MillraceError('MR_CHECKPOINT_CORRUPT', `${file} is missing`, { cause, context: { file } })
}

function compare(file: string, expected: FileChecksum, found: typeof expected): void {
  if (found.bytes !== expected.bytes) {
    throw new MillraceError(
      'MR_CHECKPOINT_CORRUPT',
      `${file}: expected ${expected.bytes} bytes, found ${found.bytes}`,
      {
        context: { file },
      },
    )
  }
  if (found.crc32 !== expected.crc32) {
    throw new MillraceError(
      'MR_CHECKPOINT_CORRUPT',
      `${file} does not match its checksum: expected ${hex(expected.crc32)}, found ${hex(found.crc32)}`,
      { context: { file } },
    )
  }
}

const hex = (value: number): string => value.toString(16).padStart(8, '0')

function writeFailed(path: string, cause: unknown): MillraceError {
  if (cause instanceof MillraceError) return cause
  const message = cause instanceof Error ? cause.message : String(cause)
  return new MillraceError('MR_CHECKPOINT_FAILED', `cannot write ${path}: ${message}`, {
    cause,
    context: { file: path },
  })
}
