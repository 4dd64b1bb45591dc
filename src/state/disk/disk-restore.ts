/**
 * Restores a backend on disk from checkpoints made of the engine's files. The handle that covers most of the backend's
 * key groups becomes the store itself, by links; what it holds of others' key groups is cut off. The rest is copied in
 * from further handles, opened beside it for a moment.
 */
import { copyFile, link, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ByteReader } from '../../data/bytes.ts'
import { cellCodec } from '../cell-codec.ts'
import type { KeyedStateHandle, KeyGroupRange } from '../keyed-state-backend.ts'
import type { SnapshotSource, StoredFile } from '../snapshot-store.ts'
import type { DiskBackend } from './disk-backend.ts'
import { decodeNamespace, type DiskMeta, diskMetaOf } from './disk-handle.ts'
import type { DiskStore } from './disk-store.ts'
import { rangeOfKeyGroups, readEntryAddress } from './entry-key-layout.ts'
import { turn } from './spill-queue.ts'

interface Part {
  readonly handle: KeyedStateHandle
  readonly meta: DiskMeta
  /** Key groups that it has and the backend owns. */
  readonly range: KeyGroupRange
}

const entriesPerTurn = 4096

export class DiskRestore {
  readonly #backend: DiskBackend
  readonly #source: SnapshotSource

  constructor(backend: DiskBackend, source: SnapshotSource) {
    this.#backend = backend
    this.#source = source
  }

  async run(handles: readonly KeyedStateHandle[]): Promise<void> {
    const parts = handles.map((handle) => this.#partOf(handle)).toSorted((a, b) => size(b.range) - size(a.range))
    const [base, ...others] = parts
    if (base === undefined) return
    await this.#adopt(base)
    for (const [i, part] of others.entries()) await this.#mergeIn(part, join(this.#backend.directory, `merge-${i}`))
  }

  #partOf(handle: KeyedStateHandle): Part {
    const backend = this.#backend
    const range = {
      first: Math.max(handle.keyGroupRange.first, backend.keyGroupRange.first),
      last: Math.min(handle.keyGroupRange.last, backend.keyGroupRange.last),
    }
    return { handle, meta: diskMetaOf(handle, backend.store.format, backend.maxParallelism), range }
  }

  async #adopt(base: Part): Promise<void> {
    const backend = this.#backend
    await this.#place(base, join(backend.directory, 'db'))
    await backend.store.open()
    if (size(base.handle.keyGroupRange) > size(base.range)) await backend.store.keepOnly(asKeys(base.range))
    const { states } = base.meta
    const ids = new Set(states.map((state) => state.id))
    backend.reserveStateIds(ids, new Set(states.map((state) => state.spec.name)))
    for (const state of states) backend.restoredDiskCell(state.spec, state.id)
    this.#addNamespaces(base)
  }

  async #mergeIn(part: Part, directory: string): Promise<void> {
    await this.#place(part, directory)
    const other = this.#backend.openStore(directory)
    try {
      await other.open()
      if (this.#adoptIds(part)) {
        await this.#backend.store.copyFrom(other, asKeys(part.range))
        this.#addNamespaces(part)
      } else await this.#copyEntries(part, other)
    } finally {
      await other.close()
      await rm(directory, { recursive: true, force: true })
    }
  }

  /** True where every state of the part has, or can be given, the same number here as there. */
  #adoptIds(part: Part): boolean {
    const backend = this.#backend
    const present = new Map([...backend.diskCells()].map((cell) => [cell.spec.name, cell.id]))
    const taken = new Set(present.values())
    const isSame = part.meta.states.every(({ id, spec }) =>
      present.has(spec.name) ? present.get(spec.name) === id : !taken.has(id),
    )
    if (!isSame) return false
    backend.reserveStateIds(
      new Set(part.meta.states.map((state) => state.id)),
      new Set(part.meta.states.map((state) => state.spec.name)),
    )
    for (const { id, spec } of part.meta.states) backend.restoredDiskCell(spec, id)
    return true
  }

  /** Where numbers of states differ: entry by entry through the tables. */
  async #copyEntries(part: Part, from: DiskStore): Promise<void> {
    const backend = this.#backend
    const byId = new Map(
      part.meta.states.map(({ id, spec }) => [id, { cell: backend.restoredCell(spec), codec: cellCodec(spec) }]),
    )
    const scan = from.scan(asKeys(part.range))
    const reader = new ByteReader()
    let entries = 0
    try {
      while (scan.next()) {
        if (++entries % entriesPerTurn === 0) {
          await turn()
          await backend.settle()
        }
        reader.reset(scan.bytes)
        const { stateId, namespace, key, keyGroup } = readEntryAddress(reader, scan.keyStart, scan.keyEnd)
        const state = byId.get(stateId)
        if (state === undefined) continue
        reader.seek(scan.valueStart, scan.valueEnd)
        state.cell.put(namespace, key, keyGroup, state.codec.decode(reader))
      }
    } finally {
      scan.close()
    }
  }

  #addNamespaces(part: Part): void {
    const isWhole = size(part.handle.keyGroupRange) === size(part.range)
    const byName = new Map([...this.#backend.diskCells()].map((cell) => [cell.spec.name, cell]))
    for (const { spec, namespaces } of part.meta.states) {
      for (const [namespace, count] of namespaces) {
        byName.get(spec.name)!.addStored(decodeNamespace(namespace), isWhole ? count : -1)
      }
    }
  }

  /** Links the files of a handle into a directory under the engine's names; they are verified side by side. */
  async #place(part: Part, directory: string): Promise<void> {
    await mkdir(directory, { recursive: true })
    const place = async (file: StoredFile, name: string): Promise<void> => {
      const target = join(directory, name)
      const from = await this.#source.localPath(file, this.#backend.store.checksum)
      // The engine appends to what is no immutable table: that must be a file of its own.
      if (file.shared) await link(from, target).catch(() => copyFile(from, target))
      else await copyFile(from, target)
    }
    const placed = await Promise.allSettled(part.meta.names.map((name, i) => place(part.handle.files[i]!, name)))
    for (const each of placed) if (each.status === 'rejected') throw each.reason
  }
}

const asKeys = (range: KeyGroupRange): ReturnType<typeof rangeOfKeyGroups> => rangeOfKeyGroups(range.first, range.last)

const size = (range: KeyGroupRange): number => range.last - range.first + 1
