import { afterEach, expect, test, vi } from 'vitest'
import { types } from '../../../../src/data/types.ts'
import type { KeyedStateHandle, KeyGroupRange, ValueState } from '../../../../src/state/keyed-state-backend.ts'
import { ManagedBackend } from '../../../../src/state/managed/managed-backend.ts'
import { Partition } from '../../../../src/state/managed/partition.ts'
import { MemorySnapshotStore } from '../../../support/memory-snapshot-store.ts'

const maxParallelism = 128
const everything = { first: 0, last: maxParallelism - 1 }
const row = types.row({ n: types.float64(), half: types.int32(), odd: types.bool() })
interface Row {
  readonly n: number
  readonly half: number
  readonly odd: boolean
}

function newBackend(keyGroupRange: KeyGroupRange = everything): ManagedBackend {
  return new ManagedBackend({ keyGroupRange, maxParallelism, partitionEntriesMax: 8192, budget: undefined })
}

const rowsOf = (backend: ManagedBackend): ValueState<Row> =>
  backend.value<Row>({ kind: 'value', name: 'rows', type: row })

const rowOf = (key: number, round: number): Row => ({ n: key + round / 8, half: key >> 1, odd: (key & 1) === 1 })

function put(backend: ManagedBackend, from: number, to: number, round: number): void {
  const rows = rowsOf(backend)
  for (let key = from; key < to; key++) {
    if (!isIn(backend, key)) continue
    rows.update(rowOf(key, round))
  }
}

function isIn(backend: ManagedBackend, key: number): boolean {
  const { first, last } = backend.keyGroupRange
  if (first !== 0 || last !== maxParallelism - 1) {
    const keyGroup = groupOf(key)
    if (keyGroup < first || keyGroup > last) return false
  }
  backend.setCurrentKey(key)
  return true
}

const probe = newBackend()
function groupOf(key: number): number {
  probe.setCurrentKey(key)
  return probe.currentKeyGroup()
}

async function snapshot(backend: ManagedBackend, id: number, store: MemorySnapshotStore): Promise<KeyedStateHandle> {
  const handle = await backend.snapshot(id, store)
  backend.notifyCheckpointComplete(id)
  return JSON.parse(JSON.stringify(handle)) as KeyedStateHandle
}

function expectRows(backend: ManagedBackend, keys: number, roundOf: (key: number) => number): void {
  const rows = rowsOf(backend)
  for (let key = -1; key < keys; key++) {
    if (isIn(backend, key)) expect(rows.value(), `key ${key}`).toEqual(key < 0 ? undefined : rowOf(key, roundOf(key)))
  }
}

/** A base of a third of the keys, a delta with the second one, and one with the last, which also changes some. */
async function grown(backend: ManagedBackend, store: MemorySnapshotStore, keys: number): Promise<KeyedStateHandle> {
  put(backend, 0, keys / 3, 1)
  await snapshot(backend, 1, store)
  put(backend, keys / 3, (2 * keys) / 3, 2)
  await snapshot(backend, 2, store)
  put(backend, (2 * keys) / 3, keys, 3)
  put(backend, 0, 1000, 3)
  return await snapshot(backend, 3, store)
}

const roundIn = (keys: number) => (key: number) => (key < 1000 || key >= (2 * keys) / 3 ? 3 : key < keys / 3 ? 1 : 2)

afterEach(() => void vi.restoreAllMocks())

test('a restore makes room for all entries before it loads the first, however many files they are in', async () => {
  const keys = 60_000
  const store = new MemorySnapshotStore()
  const handle = await grown(newBackend(), store, keys)
  expect(handle.files.length).toBe(3)
  const backend = newBackend()
  const grow = vi.spyOn(Partition.prototype, 'grow')
  const replaced = vi.spyOn(backend, 'replaced')
  await backend.restore([handle], store)
  expect(grow).not.toHaveBeenCalled()
  expect(replaced).not.toHaveBeenCalled()
  expectRows(backend, keys, roundIn(keys))
  // What the spies would have seen.
  put(backend, keys, 3 * keys, 4)
  expect(replaced).toHaveBeenCalled()
})

test('a handle that does not say how many entries there are is restored all the same', async () => {
  const keys = 60_000
  const store = new MemorySnapshotStore()
  const handle = await grown(newBackend(), store, keys)
  const backend = newBackend()
  const replaced = vi.spyOn(backend, 'replaced')
  await backend.restore([{ ...handle, meta: { layout: 'blocks' } }], store)
  expect(replaced).toHaveBeenCalled()
  expectRows(backend, keys, roundIn(keys))
})

test('at another parallelism a restore makes room for its share of every handle', async () => {
  const keys = 60_000
  const store = new MemorySnapshotStore()
  const halves = [
    { first: 0, last: 63 },
    { first: 64, last: 127 },
  ]
  const handles: KeyedStateHandle[] = []
  for (const half of halves) handles.push(await grown(newBackend(half), store, keys))
  const whole = newBackend()
  const third = newBackend({ first: 40, last: 82 })
  for (const backend of [whole, third]) {
    const replaced = vi.spyOn(backend, 'replaced')
    await backend.restore(handles, store)
    expect(replaced).not.toHaveBeenCalled()
    expectRows(backend, keys, roundIn(keys))
  }
  // Room for a third of the keys, and not for all of them.
  expect(third.usedBytes() / whole.usedBytes()).toBeLessThan(0.6)
  expect(third.entryCount() / whole.entryCount()).toBeCloseTo(43 / 128, 1)
})

test('keys that come in no order, the key 0 and keys of both signs are loaded', async () => {
  const store = new MemorySnapshotStore()
  const first = newBackend()
  const keys = [0, -1, 1, 0x7fffffff, -0x80000000, ...Array.from({ length: 5000 }, (_, i) => (i - 2500) * 7919)]
  const counts = (backend: ManagedBackend): ValueState<number> =>
    backend.value<number>({ kind: 'value', name: 'counts', type: types.float64() })
  for (const key of keys) {
    first.setCurrentKey(key)
    counts(first).update(key / 3)
  }
  const handle = await snapshot(first, 1, store)
  const backend = newBackend()
  await backend.restore([handle], store)
  expect(backend.entryCount()).toBe(new Set(keys).size)
  for (const key of keys) {
    backend.setCurrentKey(key)
    expect(counts(backend).value()).toBe(key / 3)
  }
})
