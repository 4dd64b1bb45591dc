/** The `leveldb` backend: the same tables in memory as `rocksdb`, over LevelDB. Needs no native build. */
import { DiskBackend, type DiskBackendOptions } from '../disk/disk-backend.ts'
import { type LeveldbOptions, LeveldbStore } from './leveldb-store.ts'

export interface LeveldbBackendOptions extends DiskBackendOptions {
  readonly leveldb?: LeveldbOptions
}

export function openLeveldbBackend(options: LeveldbBackendOptions): DiskBackend {
  return new DiskBackend('leveldb', (directory) => new LeveldbStore(directory, options.leveldb ?? {}), options)
}
