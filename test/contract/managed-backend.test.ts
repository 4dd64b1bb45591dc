import { expect, it } from 'vitest'
import { types } from '../../src/data/types.ts'
import { createKeyedStateBackend } from '../../src/state/create-keyed-state-backend.ts'
import { ManagedBackend } from '../../src/state/managed/managed-backend.ts'
import { MemorySnapshotStore } from '../support/memory-snapshot-store.ts'
import { keyedStateBackendContract } from './keyed-state-backend.ts'

keyedStateBackendContract('managed', (options) => createKeyedStateBackend('managed', options))
keyedStateBackendContract(
  'managed (of partitions of 4 entries, written one by one)',
  (options) => new ManagedBackend({ ...options, partitionEntriesMax: 4, snapshotChunkBytes: 1 }),
)
keyedStateBackendContract(
  'managed (of small partitions that are soon taken whole)',
  (options) => new ManagedBackend({ ...options, partitionEntriesMax: 4, wholeEntriesMin: 1, snapshotChunkBytes: 1 }),
)

it('takes keys in the order of another table as fast as in any other', { timeout: 20_000 }, async () => {
  const range = { keyGroupRange: { first: 0, last: 127 }, maxParallelism: 128 }
  const first = new ManagedBackend(range)
  const source = first.value<number>({ kind: 'value', name: 'n', type: types.float64() })
  for (let key = 0; key < 300_000; key++) {
    first.setCurrentKey(key)
    source.update(key)
  }
  // Where keys pile up, this takes minutes.
  const second = new ManagedBackend(range)
  const copy = second.value<number>({ kind: 'value', name: 'n', type: types.float64() })
  first.forEachKey('n', (key) => {
    second.setCurrentKey(key)
    copy.update(key as number)
  })
  expect(second.entryCount()).toBe(300_000)
  const store = new MemorySnapshotStore()
  const third = new ManagedBackend(range)
  await third.restore([await second.snapshot(1, store)], store)
  expect(third.entryCount()).toBe(300_000)
})
