/**
 * What the backends on disk need of an engine: a sorted store of byte keys that only ever grows by whole generations.
 * Reads are synchronous, everything that writes is not. One writer at a time, in the order of the calls (SpillQueue).
 */
import type { FileChecksum } from '../snapshot-store.ts'
import type { KeyRange } from './entry-key-layout.ts'
import type { RowsToPack } from './rows-to-pack.ts'

export interface StoreTable {
  /** As the engine's own version file names it. */
  readonly name: string
  /** Of an immutable table: names its content for ever. Undefined: small and written anew with every snapshot. */
  readonly uniqueId: string | undefined
}

export interface DiskStore {
  /** The format of its files; snapshots can be restored by stores of the same format only. */
  readonly format: string
  /** Idempotent. Undefined where it is open. */
  open(): Promise<void> | undefined
  /** Looks up `count` keys; answers stand in `values` and `valueLengths` until the next call. */
  multiGet(keys: Uint8Array, keyOffsets: Uint32Array, count: number): void
  /** One after another, in the order of the keys. */
  readonly values: Uint8Array
  /** -1: absent. */
  readonly valueLengths: Int32Array
  /**
   * Packs the rows on another thread, if it can; opens. The columns must stay, but their entries may change. Throws, and
   * does not reject, where it cannot begin.
   */
  packRows?(rows: RowsToPack): Promise<void>
  /** Takes in packed entries (packed-entries-layout), above all that is there. Resolves once readers see them. Throws as `packRows`. */
  ingest(buffers: readonly Uint8Array[]): Promise<unknown>
  /** Milliseconds by which the next ingest should wait: the engine has much to merge, and reads suffer. 0: none. */
  backlogMs?(): number
  /**
   * Waits on this thread until what `ingest` and `snapshot` began has been done; throws where it failed. Absent where
   * the engine cannot.
   */
  waitForBegun?(): void
  /** Walks a range as it is now. */
  scan(range: KeyRange): StoreScan
  /** Fills an empty directory with links of all that the store consists of. No ingest is under way meanwhile. */
  snapshot(directory: string): Promise<readonly StoreTable[]>
  /** Drops everything outside the key groups. */
  keepOnly(range: KeyRange): Promise<void>
  /** Copies a range out of another store of the same kind. */
  copyFrom(other: DiskStore, range: KeyRange): Promise<void>
  /** Bytes of memory outside the caches: indexes and filters. */
  memoryBytes(): number
  /** Length and CRC-32 of a file, where the engine's library is faster at it than Node. */
  readonly checksum?: (path: string) => Promise<FileChecksum>
  /** Idempotent; waits for what is under way. */
  close(): Promise<void>
}

export interface StoreScan {
  /** Entries of the step stand in `bytes`. */
  readonly bytes: Uint8Array
  readonly keyStart: number
  readonly keyEnd: number
  readonly valueStart: number
  readonly valueEnd: number
  next(): boolean
  close(): void
}
