/**
 * Snapshots of a backend on disk. A checkpoint consists of links to the engine's files: those that the last completed
 * checkpoint has too are only referred to. A savepoint is written out in the format that all backends read.
 */
import { createReadStream, mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../common/errors.ts'
import type { KeyedStateHandle, SnapshotOptions } from '../keyed-state-backend.ts'
import { encodeFileHeader, snapshotFormatVersion } from '../snapshot-layout.ts'
import type { SnapshotSink, StoredFile } from '../snapshot-store.ts'
import type { DiskBackend } from './disk-backend.ts'
import { type DiskMeta, diskFormatVersion, encodeNamespace, type StoredState } from './disk-handle.ts'
import type { StoreTable } from './disk-store.ts'
import type { Generation } from './generation.ts'
import { LinkJob } from './link-job.ts'
import { SavepointJob } from './savepoint-job.ts'

type FilesById = ReadonlyMap<string, StoredFile>

export class DiskSnapshots {
  readonly #backend: DiskBackend
  /** Immutable files of the last completed checkpoint, by unique id. */
  #confirmed: FilesById = new Map()
  readonly #unconfirmed: Map<number, FilesById> = new Map()
  #isUnderWay = false
  #count = 0

  constructor(backend: DiskBackend) {
    this.#backend = backend
  }

  /** Freezes before it returns; a few microseconds per namespace that has changed. */
  async take(checkpointId: number, sink: SnapshotSink, options: SnapshotOptions): Promise<KeyedStateHandle> {
    if (this.#isUnderWay) {
      throw new MillraceError('MR_CHECKPOINT_FAILED', 'a snapshot of this backend is still under way')
    }
    this.#isUnderWay = true
    const parts = this.#backend.freezeParts()
    try {
      const generation = this.#backend.freezeInPlace()
      const handle = await (options.isSavepoint === true
        ? this.#writeSavepoint(sink)
        : this.#linkCheckpoint(checkpointId, generation, sink))
      return { ...handle, files: [...handle.files, ...(await parts.write(sink))] }
    } finally {
      parts.close()
      this.#isUnderWay = false
    }
  }

  complete(checkpointId: number): void {
    const files = this.#unconfirmed.get(checkpointId)
    if (files === undefined) return
    this.#confirmed = files
    for (const id of this.#unconfirmed.keys()) if (id <= checkpointId) this.#unconfirmed.delete(id)
  }

  abort(checkpointId: number): void {
    this.#unconfirmed.delete(checkpointId)
  }

  async #linkCheckpoint(checkpointId: number, generation: Generation, sink: SnapshotSink): Promise<KeyedStateHandle> {
    const backend = this.#backend
    const cells = backend.diskCells().map((cell) => ({ id: cell.id, spec: cell.spec, cell }))
    const directory = join(backend.directory, `snapshot-${++this.#count}`)
    // At once: what is frozen from now on must stand behind the links.
    mkdirSync(directory)
    const job = new LinkJob(backend.store, directory)
    backend.queue.add(job)
    try {
      const tables = await job.linked
      const files: StoredFile[] = []
      const known = new Map<string, StoredFile>()
      for (const table of tables) {
        const file = await this.#store(table, directory, sink)
        files.push(file)
        if (table.uniqueId !== undefined) known.set(table.uniqueId, file)
      }
      this.#unconfirmed.set(checkpointId, known)
      const states = cells.map(({ id, spec, cell }): StoredState => {
        const namespaces = [...generation.counts]
          .filter(([table, count]) => table.cell === cell && count !== 0)
          .map(([table, count]) => [encodeNamespace(table.namespace), count] as const)
        return { id, spec, namespaces }
      })
      return this.#handle(files, tables, states)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }

  async #store(table: StoreTable, directory: string, sink: SnapshotSink): Promise<StoredFile> {
    const path = join(directory, table.name)
    if (table.uniqueId === undefined) return await sink.writeExclusive(table.name, createReadStream(path))
    const confirmed = this.#confirmed.get(table.uniqueId)
    if (confirmed !== undefined) return sink.reuse(confirmed)
    return await sink.linkShared(path, table.uniqueId, this.#backend.store.checksum)
  }

  #handle(files: StoredFile[], tables: readonly StoreTable[], states: readonly StoredState[]): KeyedStateHandle {
    const backend = this.#backend
    const meta: DiskMeta = {
      layout: 'tables',
      format: backend.store.format,
      maxParallelism: backend.maxParallelism,
      names: tables.map((table) => table.name),
      states,
    }
    return {
      backend: backend.kind,
      formatVersion: diskFormatVersion,
      keyGroupRange: backend.keyGroupRange,
      files,
      meta,
    }
  }

  async #writeSavepoint(sink: SnapshotSink): Promise<KeyedStateHandle> {
    const backend = this.#backend
    const cells = [...backend.diskCells()]
    const header = encodeFileHeader({
      maxParallelism: backend.maxParallelism,
      states: cells.map((cell) => cell.spec),
    })
    const job = new SavepointJob(backend.store, backend.keyGroupRange, cells)
    backend.queue.add(job)
    await job.opened
    const { first, last } = backend.keyGroupRange
    const file = await sink.writeExclusive(`keyed-state-${first}-${last}`, job.chunks(header))
    return {
      backend: backend.kind,
      formatVersion: snapshotFormatVersion,
      keyGroupRange: backend.keyGroupRange,
      files: [file],
      meta: { layout: 'blocks' },
    }
  }
}
