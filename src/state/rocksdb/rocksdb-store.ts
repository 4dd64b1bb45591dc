/** A RocksDB database as a DiskStore. It is only ever written by ingesting table files; its own memtable stays empty. */
import { mkdirSync } from 'node:fs'
import { diskFailure } from '../disk/disk-failure.ts'
import type { DiskStore, StoreScan, StoreTable } from '../disk/disk-store.ts'
import { type KeyRange, rangeOfKeyGroups } from '../disk/entry-key-layout.ts'
import { live } from '../disk/front-index.ts'
import { PackedEntriesReader } from '../disk/packed-entries-layout.ts'
import type { RowsToPack } from '../disk/rows-to-pack.ts'
import { KeyClass } from '../key-class.ts'
import { type DatabaseHandle, type IteratorHandle, type RocksdbBinding, rocksdbBinding } from './binding.ts'

export interface RocksdbOptions {
  /**
   * What the calling thread adds to the cache that all databases of the process share; indexes and filters are charged
   * to it. Default what the backend's budget gives, 64 MiB where that is unlimited.
   */
  readonly blockCacheBytes?: number
  /** Default none: state that is small and often rewritten gains little. */
  readonly compression?: 'none' | 'lz4' | 'zstd'
  /** Table files are mapped: reads that miss the block cache cost no copy. Default false. */
  readonly mmapReads?: boolean
}

export const blockCacheBytesDefault: number = 64 * 1024 * 1024
const writeBufferBytes = 1024 * 1024
const valueBytesInitial = 64 * 1024
const scanChunkBytes = 64 * 1024
/** Tables that nothing has merged: from here on, each more delays the next by so much. */
const runsMax = 16
const delayPerRunMs = 100
const delayMsMax = 2000
/** One native call stays short: a worker that is ended meanwhile ends late. */
const waitMs = 5

export class RocksdbStore implements DiskStore {
  readonly format = 'rocksdb'
  values: Uint8Array = Buffer.allocUnsafeSlow(valueBytesInitial)
  valueLengths: Int32Array = new Int32Array(1024)
  readonly checksum: RocksdbBinding['checksum']
  readonly #binding: RocksdbBinding
  readonly #directory: string
  readonly #options: RocksdbOptions
  #database: DatabaseHandle | undefined
  #isClosed = false

  constructor(directory: string, options: RocksdbOptions) {
    this.#binding = rocksdbBinding()
    this.checksum = this.#binding.checksum
    this.#directory = directory
    this.#options = options
  }

  open(): undefined {
    if (this.#database !== undefined || this.#isClosed) return
    try {
      mkdirSync(this.#directory, { recursive: true })
      this.#database = this.#binding.open(
        this.#directory,
        this.#options.blockCacheBytes ?? blockCacheBytesDefault,
        writeBufferBytes,
        this.#options.compression ?? 'none',
        this.#options.mmapReads ?? false,
      )
    } catch (error) {
      throw diskFailure(error, `opening the state in ${this.#directory}`)
    }
  }

  multiGet(keys: Uint8Array, keyOffsets: Uint32Array, count: number): void {
    if (count > this.valueLengths.length) this.valueLengths = new Int32Array(count * 2)
    try {
      for (;;) {
        const needed = this.#binding.multiGet(this.#open(), keys, keyOffsets, count, this.values, this.valueLengths)
        if (needed <= this.values.length) return
        this.values = Buffer.allocUnsafeSlow(needed * 2)
      }
    } catch (error) {
      throw diskFailure(error, 'reading state from disk')
    }
  }

  packRows(rows: RowsToPack): Promise<void> {
    const { table, pending, hasBeneath } = rows.part
    return this.#binding.packRows(
      this.#open(),
      rows.cells,
      rows.keyGroups,
      rows.states,
      pending,
      rows.firstWord,
      rows.endWord,
      table.prefix,
      KeyClass.Int32,
      table.cell.codec.fixedBytes,
      live,
      hasBeneath,
      rows.used,
      ...rows.writers.map((writer) => writer.buffer),
    )
  }

  ingest(buffers: readonly Uint8Array[]): Promise<unknown> {
    return this.#binding.ingest(this.#open(), ...buffers)
  }

  /** Begun reads look into every table of level 0: compaction has to keep up with those that come. */
  backlogMs(): number {
    const excess = this.property('rocksdb.num-files-at-level0') - runsMax
    if (excess <= 0 || this.property('rocksdb.num-running-compactions') <= 0) return 0
    return Math.min(excess * delayPerRunMs, delayMsMax)
  }

  waitForBegun(): void {
    while (!this.#binding.waitForBegun(this.#open(), waitMs));
  }

  scan(range: KeyRange): StoreScan {
    return new RocksdbScan(this.#binding, this.#binding.iteratorOpen(this.#open(), range.lower, range.upper))
  }

  async snapshot(directory: string): Promise<readonly StoreTable[]> {
    const database = this.#open()
    const sequence = this.#binding.latestSequence(database)
    const { tables, manifest } = await this.#binding.snapshot(database, directory, sequence)
    const current = ['CURRENT', manifest].map((name) => ({ name, uniqueId: undefined }))
    return [...tables.map(({ name, uniqueId }) => ({ name, uniqueId })), ...current]
  }

  async keepOnly(range: KeyRange): Promise<void> {
    const all = rangeOfKeyGroups(0, 0xfffe)
    await this.#binding.deleteRange(this.#open(), all.lower, range.lower)
    await this.#binding.deleteRange(this.#open(), range.upper, all.upper)
  }

  async copyFrom(other: DiskStore, range: KeyRange): Promise<void> {
    await this.#binding.copyRange((other as RocksdbStore).#open(), this.#open(), range.lower, range.upper)
  }

  /** Everything into one sorted run, as time would: so that a bench begins with a state that has settled. */
  async compact(): Promise<void> {
    await this.#binding.compact(this.#open())
  }

  memoryBytes(): number {
    const database = this.#database
    return database === undefined ? 0 : this.#binding.property(database, 'rocksdb.estimate-table-readers-mem')
  }

  /** A whole-number property of RocksDB by its name, -1 where there is none. */
  property(name: string): number {
    return this.#binding.property(this.#open(), name)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#database !== undefined) await this.#binding.close(this.#database)
  }

  #open(): DatabaseHandle {
    this.open()
    if (this.#database === undefined) throw new Error(`the store in ${this.#directory} is closed`)
    return this.#database
  }
}

class RocksdbScan implements StoreScan {
  bytes: Buffer = Buffer.allocUnsafeSlow(scanChunkBytes)
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  readonly #binding: RocksdbBinding
  readonly #iterator: IteratorHandle
  #reader = new PackedEntriesReader(this.bytes, 0)
  #isAtEnd = false

  constructor(binding: RocksdbBinding, iterator: IteratorHandle) {
    this.#binding = binding
    this.#iterator = iterator
  }

  next(): boolean {
    const reader = this.#reader
    if (!reader.next()) return this.#fill() && this.next()
    this.keyStart = reader.keyStart
    this.keyEnd = reader.keyEnd
    this.valueStart = reader.valueStart
    this.valueEnd = reader.valueEnd
    return true
  }

  close(): void {
    this.#isAtEnd = true
    this.#binding.iteratorClose(this.#iterator)
  }

  #fill(): boolean {
    if (this.#isAtEnd) return false
    let used = this.#binding.iteratorNext(this.#iterator, this.bytes)
    if (used < 0) {
      this.bytes = Buffer.allocUnsafeSlow(-used * 2)
      used = this.#binding.iteratorNext(this.#iterator, this.bytes)
    }
    this.#reader = new PackedEntriesReader(this.bytes, used)
    return used > 0
  }
}
