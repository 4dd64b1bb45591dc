/**
 * Durable files come in through this door: checkpoints and exactly-once sinks use nothing else, so that tests can put
 * a disk in its place that forgets what was not synced, tears writes, is slow or full.
 * Paths are absolute. Errors are Node's (ENOENT, ENOSPC, …), passed through unchanged.
 */
import { constants, mkdirSync, statSync } from 'node:fs'
import * as fsp from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf } from './durable-file.ts'

const readChunkBytes = 1 << 20

/** A file open for writing. */
export interface FileHandle {
  /** Appends all bytes. */
  write(bytes: Uint8Array): Promise<void>
  /** Makes what was written durable. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** Durable files: what checkpoints and exactly-once sinks do with a disk. */
export interface FileSystem {
  /** Opens for writing from the start; `exclusive` fails with EEXIST where the file exists, `append` keeps content. */
  open(path: string, mode: 'truncate' | 'exclusive' | 'append'): Promise<FileHandle>
  readFile(path: string): Promise<Uint8Array>
  /** The file from the start in pieces that stay valid until the next one; for checksums of large files. */
  readChunks?(path: string): AsyncIterable<Uint8Array>
  /** Atomic within one directory tree of one disk; durable after `syncDirectory` of the target's directory. */
  rename(from: string, to: string): Promise<void>
  link(existing: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  truncate(path: string, bytes: number): Promise<void>
  makeDirectory(path: string): Promise<void>
  /** Names, sorted; an absent directory is an ENOENT error. */
  list(path: string): Promise<string[]>
  /** Undefined where nothing is there. */
  stat(
    path: string,
  ): Promise<{ readonly bytes: number; readonly isDirectory: boolean; readonly mtimeMs: number } | undefined>
  /** Removes a file or a whole directory; nothing happens where nothing is. */
  remove(path: string): Promise<void>
  /** Makes creations, renames and removals of entries in a directory durable. */
  syncDirectory(path: string): Promise<void>
}

export const nodeFileSystem: FileSystem = {
  async open(path, mode) {
    const flags =
      constants.O_WRONLY |
      constants.O_CREAT |
      (mode === 'truncate' ? constants.O_TRUNC : mode === 'exclusive' ? constants.O_EXCL : constants.O_APPEND)
    const handle = await fsp.open(path, flags, 0o644)
    return {
      async write(bytes) {
        let written = 0
        while (written < bytes.byteLength) {
          written += (await handle.write(bytes, written, bytes.byteLength - written)).bytesWritten
        }
      },
      sync: () => handle.datasync(),
      close: () => handle.close(),
    }
  },
  readFile: (path) => fsp.readFile(path),
  async *readChunks(path) {
    const handle = await fsp.open(path, constants.O_RDONLY)
    const { size } = await handle.stat()
    const chunkBytes = Math.min(readChunkBytes, size + 1)
    const buffers = [Buffer.allocUnsafeSlow(chunkBytes), Buffer.allocUnsafeSlow(chunkBytes)] as const
    const read = (turn: number): Promise<{ bytesRead: number }> => handle.read(buffers[turn & 1]!, 0, chunkBytes)
    let next = read(0)
    try {
      for (let turn = 0; ; turn++) {
        const { bytesRead } = await next
        if (bytesRead === 0) return
        // Read on while the caller is busy with this chunk.
        next = read(turn + 1)
        yield buffers[turn & 1]!.subarray(0, bytesRead)
      }
    } finally {
      await next.catch(() => undefined)
      await handle.close()
    }
  },
  rename: (from, to) => fsp.rename(from, to),
  link: (existing, to) => fsp.link(existing, to),
  unlink: (path) => fsp.unlink(path),
  truncate: (path, bytes) => fsp.truncate(path, bytes),
  makeDirectory,
  list: async (path) => (await fsp.readdir(path)).toSorted(),
  async stat(path) {
    try {
      const found = await fsp.stat(path)
      return { bytes: found.size, isDirectory: found.isDirectory(), mtimeMs: found.mtimeMs }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  },
  remove: (path) => fsp.rm(path, { recursive: true, force: true }),
  async syncDirectory(path) {
    const handle = await fsp.open(path, constants.O_RDONLY)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
}

/**
 * Makes a directory and those above it. Node's recursive mkdir never comes back where the system refuses a directory as
 * missing although the one above is there (below /proc), and says ENOENT where a disk is read-only.
 */
async function makeDirectory(path: string): Promise<void> {
  try {
    await fsp.mkdir(path)
  } catch (error) {
    if (isOneThere(path)) return
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    await makeDirectory(dirname(path))
    await fsp.mkdir(path).catch((cause: unknown) => {
      if (!isOneThere(path)) throw cause
    })
  }
}

/** As `FileSystem.makeDirectory`. */
export function makeDirectorySync(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    if (isOneThere(path)) return
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    makeDirectorySync(dirname(path))
    try {
      mkdirSync(path)
    } catch (cause) {
      if (!isOneThere(path)) throw cause
    }
  }
}

function isOneThere(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
