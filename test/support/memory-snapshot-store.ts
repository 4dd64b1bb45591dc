/** A store of checkpoints in memory: sink and source in one. Counts what is written; reads back exact copies. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { MillraceError } from '../../src/common/errors.ts'
import type { SnapshotSink, SnapshotSource, StoredFile } from '../../src/state/snapshot-store.ts'

const pieceBytes = 1009

export class MemorySnapshotStore implements SnapshotSink, SnapshotSource {
  readonly files: Map<string, Uint8Array> = new Map()
  /** Bytes of all files written so far (reused files are not written). */
  bytesWritten = 0
  /** The next write fails with this. */
  failNextWrite: Error | undefined
  /** Called between any two chunks of a file: what a task does while its snapshot is being written. */
  betweenChunks: () => void = () => {}
  #counter = 0
  #directory: string | undefined

  writeExclusive(name: string, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<StoredFile> {
    return this.#write(`chk/${name}`, chunks, false)
  }

  writeShared(name: string, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<StoredFile> {
    return this.#write(`shared/${name}`, chunks, true)
  }

  async linkShared(localPath: string, uniqueId: string): Promise<StoredFile> {
    return this.#write(`shared/${uniqueId}`, [readFileSync(localPath)], true)
  }

  reuse(file: StoredFile): StoredFile {
    if (!this.files.has(file.path)) throw new Error(`${file.path} is reused but not there`)
    return file
  }

  async read(file: StoredFile): Promise<Uint8Array> {
    const bytes = this.files.get(file.path)
    if (bytes === undefined || bytes.length !== file.bytes || crc32(bytes) !== file.crc32) {
      throw new MillraceError('MR_CHECKPOINT_CORRUPT', `${file.path} is missing or damaged`)
    }
    return bytes.slice()
  }

  /** In pieces that cut through everything, all in one buffer: who keeps one sees it change. */
  pieces(file: StoredFile): AsyncIterable<Uint8Array> | undefined {
    if (file.bytes < 4 * pieceBytes) return undefined
    const read = (): Promise<Uint8Array> => this.read(file)
    return (async function* () {
      const bytes = await read()
      const piece = new Uint8Array(pieceBytes)
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const next = bytes.subarray(at, at + pieceBytes)
        piece.fill(0xff).set(next)
        yield piece.subarray(0, next.length)
      }
    })()
  }

  async localPath(file: StoredFile): Promise<string> {
    this.#directory ??= makeDirectory()
    const path = join(this.#directory, file.path.replaceAll('/', '_'))
    const bytes = await this.read(file)
    // Once, and without a pause between the question and the answer: whoever has linked it must not see it change.
    if (!existsSync(path)) writeFileSync(path, bytes)
    return path
  }

  async #write(
    name: string,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    shared: boolean,
  ): Promise<StoredFile> {
    const parts: Uint8Array[] = []
    let latest: Uint8Array | undefined
    for await (const chunk of chunks) {
      // As late as may be: whoever makes chunks in memory used before must not do so too early.
      if (latest !== undefined) parts.push(latest.slice())
      latest = Symbol.asyncIterator in chunks ? chunk.slice() : chunk
      this.betweenChunks()
      if (this.failNextWrite !== undefined) {
        const failure = this.failNextWrite
        this.failNextWrite = undefined
        throw failure
      }
    }
    if (latest !== undefined) parts.push(latest)
    const bytes = new Uint8Array(Buffer.concat(parts))
    const path = `${name}-${++this.#counter}`
    this.files.set(path, bytes)
    this.bytesWritten += bytes.length
    return { path, bytes: bytes.length, crc32: crc32(bytes), shared }
  }
}

/** Removed when the process ends: benches use this store, too, outside any test. */
const directories: string[] = []

function makeDirectory(): string {
  if (directories.length === 0) process.once('exit', () => directories.forEach(remove))
  const path = mkdtempSync(join(tmpdir(), 'millrace-snapshot-'))
  directories.push(path)
  return path
}

function remove(path: string): void {
  rmSync(path, { recursive: true, force: true })
}
