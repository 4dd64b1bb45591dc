import { createKeyedStateBackend } from '../../src/state/create-keyed-state-backend.ts'
import { ManagedBackend } from '../../src/state/managed/managed-backend.ts'
import { keyedStateBackendContract } from './keyed-state-backend.ts'

keyedStateBackendContract('managed', (options) => createKeyedStateBackend('managed', options))
keyedStateBackendContract(
  'managed (of partitions of 4 entries)',
  (options) => new ManagedBackend({ ...options, partitionEntriesMax: 4 }),
)
