import { createKeyedStateBackend } from '../../src/state/create-keyed-state-backend.ts'
import { HeapBackend } from '../../src/state/heap/heap-backend.ts'
import { keyedStateBackendContract } from './keyed-state-backend.ts'

keyedStateBackendContract('heap', (options) => createKeyedStateBackend('heap', options))
keyedStateBackendContract(
  'heap (of Maps of 1000 entries)',
  (options) => new HeapBackend({ ...options, shardEntriesMax: 1000 }),
  {
    propertyRuns: 10,
  },
)
