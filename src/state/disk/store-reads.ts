/**
 * Reads from the store into clean tables, one key at a time or, far cheaper, a whole batch of keys at once. What the
 * store does not have is remembered too. Where clean tables have outgrown their share the largest is given up: what is
 * hot comes back soon.
 */
import { ByteReader, ByteWriter } from '../../data/bytes.ts'
import type { DiskStore } from './disk-store.ts'
import type { DiskTable } from './disk-table.ts'
import { writeEntryKey } from './entry-key-layout.ts'
import type { FrontMemory } from './front-memory.ts'
import type { FrontTable } from './front-table.ts'

/** Keys of one native call: it stays under 10 ms even where every key costs a read of the disk cache. */
const keysPerCall = 1024
const sampleKeys = 64
/** Rough memory of a clean entry. */
const entryBytes = 64
/** Clean tables smaller than this are not worth giving up. */
const evictedBytesMin = 32 * 1024

export class StoreReads {
  readonly #store: DiskStore
  readonly #memory: FrontMemory
  readonly #tables: () => Iterable<DiskTable>
  readonly #keys = new ByteWriter(64 * 1024)
  readonly #offsets = new Uint32Array(keysPerCall + 1)
  readonly #pendingKeys: unknown[] = []
  readonly #pendingGroups = new Uint16Array(keysPerCall)
  readonly #reader = new ByteReader()

  constructor(store: DiskStore, memory: FrontMemory, tables: () => Iterable<DiskTable>) {
    this.#store = store
    this.#memory = memory
    this.#tables = tables
  }

  /** Reads a key that no tier of the table knows. Returns its entry in the clean table, deleted where it is absent. */
  readOne(table: DiskTable, key: unknown, keyGroup: number): number {
    this.#makeRoom(table, 1)
    const clean = table.cleanTable()
    const entry = clean.count
    this.#keys.reset()
    this.#add(0, table, key, keyGroup)
    this.#readPending(table, clean, 1)
    table.account()
    return entry
  }

  /** Reads those of the keys that no tier knows. Afterwards each is known in memory, until room is needed. */
  prefetch(table: DiskTable, keys: ArrayLike<unknown>, count: number, groupOf: (key: unknown) => number): void {
    if (isHot(table, keys, count)) return
    this.#makeRoom(table, count)
    const clean = table.cleanTable()
    let pending = 0
    this.#keys.reset()
    for (let i = 0; i < count; i++) {
      const key = keys[i]
      if (key === null || key === undefined || isKnown(table, clean, key)) continue
      this.#add(pending++, table, key, groupOf(key))
      if (pending === keysPerCall) {
        this.#readPending(table, clean, pending)
        pending = 0
        this.#keys.reset()
      }
    }
    this.#readPending(table, clean, pending)
    table.account()
  }

  /** Gives up what only saves reads where there is too much of all together. What is whole stays: nothing has to be read. */
  keepWithinLimit(): void {
    const memory = this.#memory
    while (memory.usedBytes - memory.otherBytes > memory.limitBytes && memory.cleanBytes > evictedBytesMin) {
      if (!this.#giveUpLargest((table) => !table.isComplete)) return
    }
  }

  #add(at: number, table: DiskTable, key: unknown, keyGroup: number): void {
    this.#offsets[at] = this.#keys.position
    writeEntryKey(keyGroup, table.prefix, key, this.#keys)
    this.#offsets[at + 1] = this.#keys.position
    this.#pendingKeys[at] = key
    this.#pendingGroups[at] = keyGroup
  }

  #readPending(table: DiskTable, clean: FrontTable, count: number): void {
    if (count === 0) return
    const store = this.#store
    store.multiGet(this.#keys.buffer, this.#offsets, count)
    const reader = this.#reader
    reader.reset(store.values)
    const lengths = store.valueLengths
    const { codec } = table.cell
    let at = 0
    for (let i = 0; i < count; i++) {
      const key = this.#pendingKeys[i]
      // A key may stand twice in a batch. A single read keeps its place: the caller knows it.
      if (count > 1 && clean.find(key) >= 0) {
        at += Math.max(0, lengths[i]!)
        continue
      }
      if (lengths[i]! < 0) {
        clean.addDeleted(key, this.#pendingGroups[i]!)
        continue
      }
      reader.seek(at, at + lengths[i]!)
      at += lengths[i]!
      clean.add(key, this.#pendingGroups[i]!, codec.decode(reader))
    }
  }

  #makeRoom(table: DiskTable, entries: number): void {
    const memory = this.#memory
    while (memory.cleanBytes > evictedBytesMin) {
      const growthBytes = table.clean?.growthBytes(entries) ?? entries * entryBytes
      if (growthBytes <= memory.cleanBytesLeft() || !this.#giveUpLargest(() => true)) return
    }
  }

  #giveUpLargest(may: (table: DiskTable) => boolean): boolean {
    let largest: DiskTable | undefined
    for (const table of this.#tables()) {
      if (table.clean !== undefined && table.clean.bytes > (largest?.clean?.bytes ?? 0) && may(table)) largest = table
    }
    if (largest === undefined) return false
    largest.keepClean(undefined)
    largest.account()
    return true
  }
}

/** A sample of the keys is at hand: asking for every key would cost more than the few that are missing. */
function isHot(table: DiskTable, keys: ArrayLike<unknown>, count: number): boolean {
  const step = Math.max(1, Math.floor(count / sampleKeys))
  for (let i = 0; i < count; i += step) {
    const key = keys[i]
    if (key !== null && key !== undefined && table.active.find(key) < 0) return false
  }
  return true
}

function isKnown(table: DiskTable, clean: FrontTable, key: unknown): boolean {
  if (table.active.find(key) >= 0) return true
  for (const part of table.parts) if (part.front.find(key) >= 0) return true
  return clean.find(key) >= 0
}
