/**
 * A LevelDB database (classic-level, prebuilt) as a DiskStore. Reads are its synchronous gets. Generations are written
 * as batches and flushed, so that its tables hold everything; walks read the tables themselves. It cannot be waited for
 * on this thread, and its compactions rewrite more: snapshots are hardly incremental.
 */
import { randomUUID } from 'node:crypto'
import { linkSync, unlinkSync, writeFileSync, readdirSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClassicLevel } from 'classic-level'
import type { DiskStore, StoreScan, StoreTable } from '../disk/disk-store.ts'
import type { KeyRange } from '../disk/entry-key-layout.ts'
import { PackedEntriesReader } from '../disk/packed-entries-layout.ts'
import { OpenVersion, tableName, withLiveFiles } from './open-version.ts'
import { TableScan } from './table-scan.ts'

export interface LeveldbOptions {
  /** Of each database. Default 32 MiB. */
  readonly blockCacheBytes?: number
}

const blockCacheBytesDefault = 32 * 1024 * 1024
const writeBufferBytes = 16 * 1024 * 1024
const tableBytesMax = 8 * 1024 * 1024
const operationsPerBatch = 4096
/** Beyond all keys: an empty range whose compaction flushes the memtable and does nothing else. */
const beyondAll = Buffer.from([0xff, 0xff, 0xff, 0xfe])
const wayBeyondAll = Buffer.from([0xff, 0xff, 0xff, 0xff])

type Operation = { type: 'put'; key: Buffer; value: Buffer } | { type: 'del'; key: Buffer }

export class LeveldbStore implements DiskStore {
  readonly format = 'leveldb'
  values: Uint8Array = Buffer.allocUnsafeSlow(64 * 1024)
  valueLengths: Int32Array = new Int32Array(1024)
  readonly #directory: string
  readonly #options: LeveldbOptions
  /** Numbers of files repeat after a restore; this makes them unique. */
  readonly #incarnation = randomUUID()
  #database: ClassicLevel<Buffer, Buffer> | undefined
  #isOpen = false
  #opening: Promise<void> | undefined
  /** As of the last ingest. */
  #version: OpenVersion | undefined

  constructor(directory: string, options: LeveldbOptions) {
    this.#directory = directory
    this.#options = options
  }

  open(): Promise<void> | undefined {
    if (this.#isOpen) return undefined
    return (this.#opening ??= this.#open())
  }

  multiGet(keys: Uint8Array, keyOffsets: Uint32Array, count: number): void {
    const database = this.#database!
    if (count > this.valueLengths.length) this.valueLengths = new Int32Array(count * 2)
    let at = 0
    for (let i = 0; i < count; i++) {
      const value = database.getSync(keys.subarray(keyOffsets[i]!, keyOffsets[i + 1]!) as Buffer)
      this.valueLengths[i] = value === undefined ? -1 : value.length
      if (value === undefined) continue
      if (at + value.length > this.values.length) this.values = grown(this.values, at + value.length)
      this.values.set(value, at)
      at += value.length
    }
  }

  async ingest(buffers: readonly Uint8Array[]): Promise<void> {
    await this.open()
    await this.#applyRanges(buffers)
    for (const bytes of buffers) {
      const reader = new PackedEntriesReader(bytes)
      let operations: Operation[] = []
      while (reader.next()) {
        if (reader.isRange) continue
        operations.push(operationOf(bytes, reader))
        if (operations.length < operationsPerBatch) continue
        await this.#database!.batch(operations)
        operations = []
      }
      if (operations.length > 0) await this.#database!.batch(operations)
    }
    await this.#flush()
  }

  scan(range: KeyRange): StoreScan {
    this.#version ??= OpenVersion.open(this.#directory)
    return new TableScan(this.#version.acquire(), range)
  }

  async snapshot(directory: string): Promise<readonly StoreTable[]> {
    return withLiveFiles(this.#directory, ({ tables, manifestName, manifest, manifestBytes }) => {
      for (const name of readdirSync(directory)) unlinkSync(join(directory, name))
      for (const { number } of tables) {
        linkSync(join(this.#directory, tableName(number)), join(directory, tableName(number)))
      }
      writeFileSync(join(directory, manifestName), manifest.subarray(0, manifestBytes))
      writeFileSync(join(directory, 'CURRENT'), `${manifestName}\n`)
      return [
        ...tables.map(({ number }) => ({ name: tableName(number), uniqueId: `${this.#incarnation}-${number}` })),
        { name: manifestName, uniqueId: undefined },
        { name: 'CURRENT', uniqueId: undefined },
      ]
    })
  }

  async keepOnly(range: KeyRange): Promise<void> {
    const database = this.#database!
    await database.clear({ lt: range.lower as Buffer })
    await database.clear({ gte: range.upper as Buffer })
    await this.#flush()
  }

  async copyFrom(other: DiskStore, range: KeyRange): Promise<void> {
    const scan = other.scan(range)
    try {
      let operations: Operation[] = []
      while (scan.next()) {
        const key = Buffer.from(scan.bytes.subarray(scan.keyStart, scan.keyEnd))
        const value = Buffer.from(scan.bytes.subarray(scan.valueStart, scan.valueEnd))
        operations.push({ type: 'put', key, value })
        if (operations.length < operationsPerBatch) continue
        await this.#database!.batch(operations)
        operations = []
      }
      if (operations.length > 0) await this.#database!.batch(operations)
    } finally {
      scan.close()
    }
    await this.#flush()
  }

  memoryBytes(): number {
    return 0
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => {})
    this.#forgetVersion()
    await this.#database?.close()
  }

  async #open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true })
    // 14 ms that every process and every worker of it would take to start, with whatever backend.
    const { ClassicLevel } = await import('classic-level')
    this.#database = new ClassicLevel<Buffer, Buffer>(this.#directory, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      compression: false,
      cacheSize: this.#options.blockCacheBytes ?? blockCacheBytesDefault,
      writeBufferSize: writeBufferBytes,
      maxFileSize: tableBytesMax,
    })
    await this.#database.open()
    // What a log of an earlier life held is in the tables afterwards.
    await this.#flush()
    this.#isOpen = true
  }

  async #applyRanges(buffers: readonly Uint8Array[]): Promise<void> {
    for (const bytes of buffers) {
      const reader = new PackedEntriesReader(bytes)
      while (reader.next()) {
        if (!reader.isRange) continue
        const gte = bytes.subarray(reader.keyStart, reader.keyEnd) as Buffer
        const lt = bytes.subarray(reader.valueStart, reader.valueEnd) as Buffer
        await this.#database!.clear({ gte, lt })
      }
    }
  }

  async #flush(): Promise<void> {
    await this.#database!.compactRange(beyondAll, wayBeyondAll)
    this.#forgetVersion()
  }

  #forgetVersion(): void {
    this.#version?.release()
    this.#version = undefined
  }
}

function operationOf(bytes: Uint8Array, reader: PackedEntriesReader): Operation {
  const key = bytes.subarray(reader.keyStart, reader.keyEnd) as Buffer
  if (reader.isDelete) return { type: 'del', key }
  return { type: 'put', key, value: bytes.subarray(reader.valueStart, reader.valueEnd) as Buffer }
}

function grown(bytes: Uint8Array, needed: number): Uint8Array {
  const larger = Buffer.allocUnsafeSlow(needed * 2)
  larger.set(bytes)
  return larger
}
