/** Keyed backends by the name that `state.backend.type` gives them. Those on disk spill what exceeds the budget. */
import { HeapBackend } from './heap/heap-backend.ts'
import { ManagedBackend } from './managed/managed-backend.ts'
import type { KeyedBackendOptions } from './keyed-backend-base.ts'
import type { KeyedStateBackend } from './keyed-state-backend.ts'
import { openLeveldbBackend } from './leveldb/leveldb-backend.ts'
import { openRocksdbBackend } from './rocksdb/rocksdb-backend.ts'

export type KeyedBackendKind = KeyedStateBackend['kind']

/** Throws MR_STATE_BACKEND_UNAVAILABLE for `rocksdb` where its binding is not built. */
export function createKeyedStateBackend(kind: KeyedBackendKind, options: KeyedBackendOptions): KeyedStateBackend {
  switch (kind) {
    case 'heap':
      return new HeapBackend(options)
    case 'managed':
      return new ManagedBackend(options)
    case 'rocksdb':
      return openRocksdbBackend(options)
    case 'leveldb':
      return openLeveldbBackend(options)
  }
}
