/** Snapshots in memory: where harnesses keep what operators write. */
import { crc32 } from 'node:zlib'
import { readFile } from 'node:fs/promises'
import { MillraceError } from '../common/errors.ts'
import type { SnapshotSink, SnapshotSource, StoredFile } from '../state/snapshot-store.ts'

/** Over all stores, so that files of several can be read together. */
let fileCount = 0

type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

export class MemorySnapshots implements SnapshotSink, SnapshotSource {
  readonly #files = new Map<string, Uint8Array>()

  writeExclusive(name: string, chunks: Chunks): Promise<StoredFile> {
    return this.#write(name, chunks, false)
  }

  writeShared(name: string, chunks: Chunks): Promise<StoredFile> {
    return this.#write(name, chunks, true)
  }

  async linkShared(localPath: string, uniqueId: string): Promise<StoredFile> {
    return this.#write(uniqueId, [await readFile(localPath)], true)
  }

  reuse(file: StoredFile): StoredFile {
    return file
  }

  async read(file: StoredFile): Promise<Uint8Array> {
    const bytes = this.#files.get(file.path)
    if (bytes === undefined || bytes.length !== file.bytes || crc32(bytes) !== file.crc32) {
      throw new MillraceError('MR_CHECKPOINT_CORRUPT', `${file.path} is missing or damaged`)
    }
    return bytes
  }

  async localPath(file: StoredFile): Promise<string> {
    throw new MillraceError('MR_CHECKPOINT_NOT_FOUND', `${file.path} is kept in memory and has no path on disk`)
  }

  /** Reads from whichever of several stores has the file. */
  static union(stores: readonly MemorySnapshots[]): SnapshotSource {
    const storeOf = (file: StoredFile): MemorySnapshots =>
      stores.find((store) => store.#files.has(file.path)) ?? new MemorySnapshots()
    return { read: (file) => storeOf(file).read(file), localPath: (file) => storeOf(file).localPath(file) }
  }

  async #write(name: string, chunks: Chunks, shared: boolean): Promise<StoredFile> {
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(chunk.slice())
    const bytes = Buffer.concat(parts)
    const path = `${name}.${fileCount++}`
    this.#files.set(path, bytes)
    return { path, bytes: bytes.length, crc32: crc32(bytes), shared }
  }
}
