/**
 * The only importer of the native binding (native-bindings/, built by scripts/build-native.mjs). Loaded on first use, so
 * that everything else works where librocksdb is not installed.
 *
 * Errors of the functions are Errors with `code` ROCKSDB_<STATUS>: NOT_FOUND, CORRUPTION, IO_ERROR, INVALID_ARGUMENT,
 * CLOSED, BUSY, FAILED. Buffers handed to a function that returns a promise must not change until it settles.
 */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { MillraceError } from '../../common/errors.ts'
import type { FileChecksum } from '../snapshot-store.ts'

declare const databaseTag: unique symbol
declare const iteratorTag: unique symbol
/** An open database. Closed when its thread ends. */
export interface DatabaseHandle {
  readonly [databaseTag]: true
}
export interface IteratorHandle {
  readonly [iteratorTag]: true
}

/** The tables of a snapshot by the names its MANIFEST uses; `uniqueId` (hexadecimal) names the content for ever. */
export interface NativeSnapshot {
  readonly tables: readonly { readonly name: string; readonly uniqueId: string; readonly bytes: number }[]
  readonly manifest: string
  readonly sequence: number
}

export interface RocksdbBinding {
  readonly rocksdbVersion: string
  /**
   * All databases of the process share one block cache, the sum of its threads' shares: `blockCacheBytes` is this
   * thread's, and only ever grows. The write buffers are of the process.
   */
  open(
    path: string,
    blockCacheBytes: number,
    writeBufferBytes: number,
    compression: 'none' | 'lz4' | 'zstd',
    mmapReads: boolean,
  ): DatabaseHandle
  close(database: DatabaseHandle): Promise<void>
  /**
   * Waits on this thread for the ingests and snapshots that were begun; false where some still run after `timeoutMs`.
   * Throws what the first of them that failed died of.
   */
  waitForBegun(database: DatabaseHandle, timeoutMs: number): boolean
  /** Puts and deletes in order, through the database's own memtable, without a log. */
  write(database: DatabaseHandle, packedEntries: Uint8Array): void
  /**
   * Looks up `count` keys in any order. `keyOffsets[i]` … `keyOffsets[i + 1]` is key i; `valueLengths[i]` becomes its
   * value's length, -1 where it is absent; values follow one another in `values`. Returns the bytes of all values: where
   * that is more than `values` holds, ask again with more room.
   */
  multiGet(
    database: DatabaseHandle,
    keys: Uint8Array,
    keyOffsets: Uint32Array,
    count: number,
    values: Uint8Array,
    valueLengths: Int32Array,
  ): number
  /** Keys in [lower, upper), as the database is now. */
  iteratorOpen(database: DatabaseHandle, lower: Uint8Array, upper: Uint8Array): IteratorHandle
  /** Bytes of packed entries written to `out`; 0 at the end; -n where the next entry alone needs n bytes. */
  iteratorNext(iterator: IteratorHandle, out: Uint8Array): number
  iteratorClose(iterator: IteratorHandle): void
  /** Sorts the entries, writes a table file, takes it in. Of a key that occurs twice the last counts. */
  ingest(database: DatabaseHandle, ...packedEntries: readonly Uint8Array[]): Promise<number>
  /**
   * Packs entries of a table in memory whose keys are int32 and whose values are one number, those with a bit in
   * `pending[firstWord, endWord)`: `cells` holds key and value of each. The columns may change meanwhile, but must stay.
   * `out` are filled in order, `used` becomes [bytes, entries] of each. Entries without `liveBit` are packed as deletions
   * where `writesDeletions`.
   */
  packRows(
    database: DatabaseHandle,
    cells: Float64Array,
    keyGroups: Uint16Array,
    states: Uint8Array,
    pending: Int32Array,
    firstWord: number,
    endWord: number,
    prefix: Uint8Array,
    keyClass: number,
    valueBytes: number,
    liveBit: number,
    writesDeletions: boolean,
    used: Uint32Array,
    ...out: readonly Uint8Array[]
  ): Promise<void>
  /** Copies the live entries of [lower, upper) by table files; resolves with their number. */
  copyRange(from: DatabaseHandle, to: DatabaseHandle, lower: Uint8Array, upper: Uint8Array): Promise<number>
  /** Drops table files within [lower, upper), deletes the rest of the range and flushes. */
  deleteRange(database: DatabaseHandle, lower: Uint8Array, upper: Uint8Array): Promise<void>
  /** Links all tables into an existing empty directory. ROCKSDB_BUSY where anything is newer than `sequenceMax`. */
  snapshot(database: DatabaseHandle, directory: string, sequenceMax: number): Promise<NativeSnapshot>
  /** Of a whole file, on a thread of the pool; several times as fast as zlib's. */
  checksum(path: string): Promise<FileChecksum>
  latestSequence(database: DatabaseHandle): number
  /** A whole-number property of RocksDB, -1 where there is none of that name. */
  property(database: DatabaseHandle, name: string): number
  /** Everything into one sorted run; waits for it. */
  compact(database: DatabaseHandle): Promise<void>
}

/** The same from src/state/rocksdb and dist/state/rocksdb. */
const bindingPath = fileURLToPath(new URL('../../../native-bindings/build/millrace_rocksdb.node', import.meta.url))

let loaded: RocksdbBinding | undefined

/** Throws MR_STATE_BACKEND_UNAVAILABLE, saying what to install, where the binding is not there or cannot be loaded. */
export function rocksdbBinding(): RocksdbBinding {
  return (loaded ??= loadBinding(bindingPath))
}

export function loadBinding(path: string): RocksdbBinding {
  try {
    return createRequire(import.meta.url)(path) as RocksdbBinding
  } catch (error) {
    throw new MillraceError(
      'MR_STATE_BACKEND_UNAVAILABLE',
      `the state backend rocksdb needs its native binding (${path}), which cannot be loaded: ` +
        `${(error as Error).message}. Install a C++ compiler and RocksDB (Debian: apt-get install g++ pkg-config ` +
        `librocksdb-dev) and run \`npm rebuild millrace\` (in a checkout: node scripts/build-native.mjs), or choose ` +
        `another state.backend.type: managed, heap or leveldb`,
      { cause: error },
    )
  }
}

/** Why the backend cannot be used here, undefined where it can. */
export function rocksdbUnavailable(): string | undefined {
  try {
    rocksdbBinding()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
