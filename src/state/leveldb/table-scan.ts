/**
 * A walk over the live entries of a range, merged from tables: those of level 0 overlap, those of each other level
 * follow one another. The newest entry of a key counts; a deletion hides the older ones.
 */
import type { StoreScan } from '../disk/disk-store.ts'
import type { KeyRange } from '../disk/entry-key-layout.ts'
import { BlockCursor, type TableFile } from './table-file.ts'
import type { OpenVersion } from './open-version.ts'
import { internalKeySuffixBytes } from './version-file.ts'

export class TableScan implements StoreScan {
  bytes: Buffer = Buffer.allocUnsafeSlow(4096)
  readonly keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  readonly #version: OpenVersion
  readonly #upper: Uint8Array
  #runs: RunCursor[]
  #isClosed = false

  /** The version must have been acquired; `close` releases it. */
  constructor(version: OpenVersion, range: KeyRange) {
    this.#version = version
    this.#upper = range.upper
    this.#runs = version.runsOf(range).map((tables) => new RunCursor(tables, range.lower))
    this.#runs = this.#runs.filter((run) => run.isValid)
  }

  next(): boolean {
    for (;;) {
      const run = this.#newest()
      if (run === undefined || run.compareTo(this.#upper) >= 0) return false
      const isValue = run.isValue
      if (isValue) this.#take(run)
      this.#skip(run)
      if (isValue) return true
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#runs = []
    this.#version.release()
  }

  /** The run that stands at the smallest key, of several the newest. */
  #newest(): RunCursor | undefined {
    let best: RunCursor | undefined
    for (const run of this.#runs) if (best === undefined || run.isBefore(best)) best = run
    return best
  }

  #take(run: RunCursor): void {
    const { cursor } = run
    const valueBytes = cursor.valueEnd - cursor.valueStart
    this.keyEnd = run.userKeyBytes
    this.valueStart = this.keyEnd
    this.valueEnd = this.valueStart + valueBytes
    if (this.valueEnd > this.bytes.length) this.bytes = Buffer.allocUnsafeSlow(this.valueEnd * 2)
    cursor.key.copy(this.bytes, 0, 0, this.keyEnd)
    cursor.block.copy(this.bytes, this.valueStart, cursor.valueStart, cursor.valueEnd)
  }

  /** Steps all runs past the key at which `run` stands. */
  #skip(run: RunCursor): void {
    const key = Buffer.from(run.cursor.key.subarray(0, run.userKeyBytes))
    let hasEnded = false
    for (const other of this.#runs) {
      while (other.isValid && other.compareTo(key) === 0) other.next()
      if (!other.isValid) hasEnded = true
    }
    if (hasEnded) this.#runs = this.#runs.filter((other) => other.isValid)
  }
}

/** Tables of disjoint, rising key ranges, read as one. */
class RunCursor {
  cursor!: BlockCursor
  isValid = false
  readonly #tables: readonly TableFile[]
  #table = 0
  #block = 0

  constructor(tables: readonly TableFile[], lower: Uint8Array) {
    this.#tables = tables
    if (tables.length > 0) this.#block = tables[0]!.blockFor(lower)
    this.isValid = this.#openBlock()
    while (this.isValid && this.compareTo(lower) < 0) this.next()
  }

  get userKeyBytes(): number {
    return this.cursor.keyBytes - internalKeySuffixBytes
  }

  /** The type is the lowest byte of the little-endian suffix. */
  get isValue(): boolean {
    return this.cursor.key[this.userKeyBytes] === 1
  }

  compareTo(key: Uint8Array): number {
    return this.cursor.key.compare(key, 0, key.length, 0, this.userKeyBytes)
  }

  isBefore(other: RunCursor): boolean {
    const { cursor } = this
    const order = cursor.key.compare(other.cursor.key, 0, other.userKeyBytes, 0, this.userKeyBytes)
    return order !== 0 ? order < 0 : this.#sequence() > other.#sequence()
  }

  next(): void {
    if (this.cursor.next()) return
    this.#block++
    this.isValid = this.#openBlock()
  }

  #openBlock(): boolean {
    for (; this.#table < this.#tables.length; this.#table++, this.#block = 0) {
      const table = this.#tables[this.#table]!
      for (; this.#block < table.blockCount; this.#block++) {
        this.cursor = new BlockCursor(table.readBlock(this.#block))
        if (this.cursor.next()) return true
      }
    }
    return false
  }

  #sequence(): number {
    return this.cursor.key.readUIntLE(this.userKeyBytes + 1, 6) + this.cursor.key[this.userKeyBytes + 7]! * 2 ** 48
  }
}
