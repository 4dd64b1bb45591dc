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

const kinds = [
  { kind: 'int32 keys', keyOf: (n: number) => n, type: types.int32(), valueOf: (n: number) => n & 0xff },
  { kind: 'int32 keys, all', keyOf: (n: number) => n, type: types.int32(), valueOf: (n: number) => n & 7, changed: 1 },
  { kind: 'texts', keyOf: (n: number) => `key ${n}`, type: types.float64(), valueOf: (n: number) => n / 2 },
  { kind: 'int32 keys of objects', keyOf: (n: number) => n, type: undefined, valueOf: (n: number) => ({ n }) },
]

it.for(kinds)(
  'gives memory back where few of many entries are left: $kind',
  async ({ keyOf, type, valueOf, changed = 3 }) => {
    const range = { keyGroupRange: { first: 0, last: 127 }, maxParallelism: 128 }
    const backend = new ManagedBackend(range)
    const state = backend.value<unknown>({ kind: 'value', name: 'n', type: type as never })
    const expected = new Map<unknown, unknown>()
    const store = new MemorySnapshotStore()
    const set = (n: number): void => {
      backend.setCurrentKey(keyOf(n))
      state.update(valueOf(n))
      expected.set(keyOf(n), valueOf(n))
    }
    const clear = (n: number): void => {
      backend.setCurrentKey(keyOf(n))
      state.clear()
      expected.delete(keyOf(n))
    }
    for (let n = 0; n < 60_000; n++) set(n)
    await backend.snapshot(1, store)
    backend.notifyCheckpointComplete(1)
    const bytesOfMany = backend.usedBytes()
    // Most entries change: from the second snapshot on the partition is taken whole.
    for (let n = 0; n < 60_000; n++) set(n)
    await backend.snapshot(2, store)
    backend.notifyCheckpointComplete(2)
    for (let n = 0; n < 60_000; n += changed) set(n)
    // The table shrinks while the third snapshot is being written.
    const expectedThen = new Map(expected)
    const writing = backend.snapshot(3, store)
    for (let n = 0; n < 58_000; n++) clear(n)
    for (let n = 100_000; n < 101_000; n++) set(n)
    expect(backend.usedBytes()).toBeLessThan(bytesOfMany / 3)
    const third = await writing
    backend.notifyCheckpointComplete(3)
    for (let n = 101_000; n < 130_000; n++) set(n)
    const fourth = await backend.snapshot(4, store)
    for (const [handle, entries] of [
      [third, expectedThen],
      [fourth, expected],
    ] as const) {
      const restored = new ManagedBackend(range)
      const again = restored.value<unknown>({ kind: 'value', name: 'n', type: type as never })
      await restored.restore([handle], store)
      const found = new Map<unknown, unknown>()
      restored.forEachKey('n', (key) => {
        restored.setCurrentKey(key)
        found.set(key, again.value())
      })
      expect(found).toEqual(entries)
    }
  },
)

it('notes changes of keys whose words look like any stamp', async () => {
  const range = { keyGroupRange: { first: 0, last: 127 }, maxParallelism: 128 }
  const keys = [-(2n ** 63n), 2n ** 63n - 1n, -0, -Number.MAX_VALUE, NaN, -0.5, 0]
  const backend = new ManagedBackend(range)
  const state = backend.value<number>({ kind: 'value', name: 'n', type: types.float64() })
  const store = new MemorySnapshotStore()

  for (let round = 1; round <= 4; round++) {
    for (const key of keys) {
      backend.setCurrentKey(key)
      state.update(round)
      state.update(round * 10)
    }
    if (round === 1) continue
    const handle = structuredClone(await backend.snapshot(round, store))
    backend.notifyCheckpointComplete(round)
    const again = new ManagedBackend(range)
    await again.restore([handle], store)
    const found = again.value<number>({ kind: 'value', name: 'n', type: types.float64() })
    for (const key of keys) {
      again.setCurrentKey(key)
      expect(found.value(), String(key)).toBe(round * 10)
    }
  }
})
