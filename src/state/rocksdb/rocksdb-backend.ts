/** The `rocksdb` backend: tables in memory over RocksDB. Throws MR_STATE_BACKEND_UNAVAILABLE without the binding. */
import { DiskBackend, type DiskBackendOptions } from '../disk/disk-backend.ts'
import { rocksdbBinding } from './binding.ts'
import { blockCacheBytesDefault, type RocksdbOptions, RocksdbStore } from './rocksdb-store.ts'

export interface RocksdbBackendOptions extends DiskBackendOptions {
  readonly rocksdb?: RocksdbOptions
}

/** The tables in front take half of a slot's budget: with the cache, which all slots share, it is never exceeded. */
const cacheShareOfBudget = 0.25

export function openRocksdbBackend(options: RocksdbBackendOptions): DiskBackend {
  rocksdbBinding()
  const { limitBytes = 0 } = options.budget ?? {}
  const share = Number.isFinite(limitBytes) ? Math.floor(limitBytes * cacheShareOfBudget) : 0
  const settings = { blockCacheBytes: Math.max(share, blockCacheBytesDefault), ...options.rocksdb }
  return new DiskBackend('rocksdb', (directory) => new RocksdbStore(directory, settings), options)
}
