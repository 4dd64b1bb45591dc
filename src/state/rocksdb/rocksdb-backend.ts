/** The `rocksdb` backend: tables in memory over RocksDB. Throws MR_STATE_BACKEND_UNAVAILABLE without the binding. */
import { DiskBackend, type DiskBackendOptions } from '../disk/disk-backend.ts'
import { rocksdbBinding } from './binding.ts'
import { type RocksdbOptions, RocksdbStore } from './rocksdb-store.ts'

export interface RocksdbBackendOptions extends DiskBackendOptions {
  readonly rocksdb?: RocksdbOptions
}

export function openRocksdbBackend(options: RocksdbBackendOptions): DiskBackend {
  rocksdbBinding()
  return new DiskBackend('rocksdb', (directory) => new RocksdbStore(directory, options.rocksdb ?? {}), options)
}
