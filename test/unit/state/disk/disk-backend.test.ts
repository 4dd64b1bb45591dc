import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { types } from '../../../../src/data/types.ts'
import { DiskBackend } from '../../../../src/state/disk/disk-backend.ts'
import type { ValueState } from '../../../../src/state/keyed-state-backend.ts'
import { makeWorkingDirectory } from '../../../../src/state/disk/working-directory.ts'
import { LeveldbStore } from '../../../../src/state/leveldb/leveldb-store.ts'
import { loadBinding } from '../../../../src/state/rocksdb/binding.ts'
import { MemorySnapshotStore } from '../../../support/memory-snapshot-store.ts'

/** A store on a disk that is full: nothing can be written. */
class FullStore extends LeveldbStore {
  override async ingest(): Promise<void> {
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  }
}

/** Keys `from` … `to` - 1 have one more. */
function fill(backend: DiskBackend, state: ValueState<number>, from: number, to: number): void {
  for (let key = from; key < to; key++) {
    backend.setCurrentKey(key)
    state.update((state.value() ?? 0) + 1)
  }
}

function entriesIn(bits: Int32Array): number {
  let count = 0
  for (let entry = 0; entry < bits.length * 32; entry++) count += (bits[entry >>> 5]! >>> (entry & 31)) & 1
  return count
}

describe('a backend on disk', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-disk-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  const options = (): ConstructorParameters<typeof DiskBackend>[2] => ({
    keyGroupRange: { first: 0, last: 127 },
    maxParallelism: 128,
    localDirectory: join(directory, 'local'),
  })

  it('says what the disk said when it cannot be written, and keeps what it has in memory', async () => {
    const backend = new DiskBackend('leveldb', (path) => new FullStore(path, {}), options())
    const state = backend.value<number>({ kind: 'value', name: 'v', type: types.int32() })
    backend.setCurrentKey(1)
    state.update(5)
    const failed = { code: 'MR_STATE_DISK_FAILED', message: expect.stringContaining('no space left') as string }
    await expect(backend.snapshot(1, new MemorySnapshotStore())).rejects.toMatchObject(failed)
    await expect(backend.snapshot(2, new MemorySnapshotStore())).rejects.toMatchObject(failed)
    expect(() => backend.settle()).toThrow(expect.objectContaining(failed))
    expect(state.value()).toBe(5)
    await backend.close()
  })

  it('removes its working files at close, and those of processes that are no more', async () => {
    const local = join(directory, 'local')
    mkdirSync(join(local, 'millrace-state-rocksdb-4194305-abc'), { recursive: true })
    mkdirSync(join(local, `millrace-state-rocksdb-${process.ppid}-abc`))
    mkdirSync(join(local, 'something else'))
    const made = makeWorkingDirectory(local, 'rocksdb')
    expect(existsSync(made)).toBe(true)
    expect(readdirSync(local)).not.toContain('millrace-state-rocksdb-4194305-abc')
    expect(readdirSync(local)).toHaveLength(3)
    const backend = new DiskBackend('leveldb', (path) => new LeveldbStore(path, {}), options())
    expect(readdirSync(local)).toHaveLength(4)
    await backend.close()
    await backend.close()
    expect(readdirSync(local)).toHaveLength(3)
  })

  it('borrows as much again where nobody waits for the disk, refuses more, and goes on once the disk has caught up', async () => {
    const limitBytes = 10 * 2 ** 20
    const backend = new DiskBackend('leveldb', (path) => new LeveldbStore(path, {}), {
      ...options(),
      frontBytesMax: limitBytes,
    })
    const state = backend.value<number>({ kind: 'value', name: 'v', type: types.int32() })
    let key = 0
    const fillSynchronously = (): void => {
      for (; key < 5_000_000; key++) {
        backend.setCurrentKey(key)
        state.update(key)
      }
    }
    expect(fillSynchronously).toThrow(expect.objectContaining({ code: 'MR_STATE_OVER_BUDGET' }))
    expect(backend.memory.usedBytes).toBeGreaterThan(limitBytes)
    expect(backend.memory.usedBytes).toBeLessThan(2.5 * limitBytes)
    while (backend.settle() !== undefined) await backend.settle()
    expect(backend.memory.usedBytes).toBeLessThanOrEqual(limitBytes)
    backend.setCurrentKey(1)
    expect(state.value()).toBe(1)
    backend.setCurrentKey(key + 1)
    state.update(7)
    expect(state.value()).toBe(7)
    await backend.close()
  })

  it('holds the event loop while it writes, and no longer', async () => {
    let held = 0
    const holdEventLoop = (): { release(): void } => {
      held++
      return { release: () => void held-- }
    }
    const backend = new DiskBackend('leveldb', (path) => new LeveldbStore(path, {}), { ...options(), holdEventLoop })
    const state = backend.value<number>({ kind: 'value', name: 'v', type: types.int32() })
    backend.setCurrentKey(1)
    state.update(5)
    expect(held).toBe(0)
    const writing = backend.snapshot(1, new MemorySnapshotStore())
    expect(held).toBe(1)
    await writing
    await backend.queue.idle()
    expect(held).toBe(0)
    await backend.close()
  })

  it('walks over every key once, though the table forgets deletions meanwhile', async () => {
    const backend = new DiskBackend('leveldb', (path) => new LeveldbStore(path, {}), options())
    const state = backend.value<number>({ kind: 'value', name: 'v', type: types.int32() })
    fill(backend, state, 0, 1000)
    const seen: unknown[] = []
    backend.forEachKey('v', (key) => {
      seen.push(key)
      backend.setCurrentKey(key)
      state.clear()
    })
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, key) => key))
    expect(backend.entryCount()).toBe(0)
    await backend.close()
  })

  it('forgets deletions once they are on disk, and answers as before', async () => {
    const store = new MemorySnapshotStore()
    const backend = new DiskBackend('leveldb', (path) => new LeveldbStore(path, {}), options())
    const state = backend.value<number>({ kind: 'value', name: 'v', type: types.int32() })
    let bytesMax = 0
    for (let round = 0; round < 20; round++) {
      const first = round * 500
      fill(backend, state, first, first + 500)
      const kept = await backend.snapshot(2 * round + 1, store)
      backend.notifyCheckpointComplete(2 * round + 1)
      expect(kept.files.length).toBeGreaterThan(0)
      for (let key = first; key < first + 499; key++) {
        backend.setCurrentKey(key)
        state.clear()
      }
      await backend.snapshot(2 * round + 2, store)
      backend.notifyCheckpointComplete(2 * round + 2)
      await backend.queue.idle()
      bytesMax = Math.max(bytesMax, backend.memory.usedBytes)
    }
    expect(bytesMax).toBeLessThan(100_000)
    expect(backend.entryCount()).toBe(20)
    const found: unknown[] = []
    backend.forEachKey('v', (key) => found.push(key))
    expect(found).toEqual(Array.from({ length: 20 }, (_, round) => round * 500 + 499))
    backend.setCurrentKey(3)
    expect(state.value()).toBe(undefined)
    await backend.close()
  })

  it('leaves state in its place at a barrier, and writes what has changed since the one before', async () => {
    const store = new MemorySnapshotStore()
    const backend = new DiskBackend('leveldb', (path) => new LeveldbStore(path, {}), options())
    const state = backend.value<number>({ kind: 'value', name: 'v', type: types.int32() })
    const list = backend.list<number>({ kind: 'list', name: 'l', type: types.int32() })
    fill(backend, state, 0, 10_000)
    await backend.snapshot(1, store)
    backend.notifyCheckpointComplete(1)
    await backend.queue.idle()
    const [table] = backend.tables()
    const bytes = backend.memory.usedBytes
    fill(backend, state, 0, 100)
    backend.setCurrentKey(1)
    list.add(1)
    const generation = backend.freezeInPlace()
    expect(generation.parts.map(({ pending }) => entriesIn(pending))).toEqual([100, 1])
    // Changed again before it is written: the generation keeps what was.
    fill(backend, state, 50, 200)
    backend.setCurrentKey(1)
    list.add(2)
    await backend.queue.idle()
    expect(table!.clean).toBe(undefined)
    expect(table!.active.count).toBe(10_000)
    expect(backend.memory.usedBytes).toBeLessThan(bytes * 1.1)
    expect([...list.get()]).toEqual([1, 2])
    const handle = await backend.snapshot(2, store)
    await backend.close()
    const other = new DiskBackend('leveldb', (path) => new LeveldbStore(path, {}), options())
    await other.restore([handle], store)
    other.setCurrentKey(1)
    expect([...other.list<number>({ kind: 'list', name: 'l', type: types.int32() }).get()]).toEqual([1, 2])
    expect(other.entryCount()).toBe(10_001)
    await other.close()
  })

  it('does not read what is replaced unseen, and counts right all the same', async () => {
    const store = new MemorySnapshotStore()
    const type = { kind: 'value', name: 'v', type: types.int32() } as const
    const before = new DiskBackend('leveldb', (path) => new LeveldbStore(path, {}), options())
    fill(before, before.value<number>(type), 0, 100)
    const handle = await before.snapshot(1, store)
    await before.close()
    let reads = 0
    class Counted extends LeveldbStore {
      override multiGet(...args: Parameters<LeveldbStore['multiGet']>): void {
        reads++
        super.multiGet(...args)
      }
    }
    const backend = new DiskBackend('leveldb', (path) => new Counted(path, {}), options())
    await backend.restore([handle], store)
    const state = backend.value<number>(type)
    for (let key = 50; key < 150; key++) {
      backend.setCurrentKey(key)
      state.update(7)
      expect(state.value()).toBe(7)
    }
    expect(reads).toBe(0)
    expect(backend.entryCount()).toBe(150)
    backend.setCurrentKey(49)
    expect(state.value()).toBe(1)
    await backend.close()
  })

  it('of another engine cannot read its checkpoint, but its savepoint', async () => {
    const store = new MemorySnapshotStore()
    const backend = new DiskBackend('leveldb', (path) => new LeveldbStore(path, {}), options())
    const state = backend.value<number>({ kind: 'value', name: 'v', type: types.int32() })
    backend.setCurrentKey(1)
    state.update(5)
    const checkpoint = await backend.snapshot(1, store)
    const savepoint = await backend.snapshot(2, store, { isSavepoint: true })
    await backend.close()
    const other = new DiskBackend(
      'rocksdb',
      (path) => Object.assign(new LeveldbStore(path, {}), { format: 'other' }),
      options(),
    )
    await expect(other.restore([checkpoint], store)).rejects.toMatchObject({ code: 'MR_CHECKPOINT_INCOMPATIBLE' })
    await other.restore([savepoint], store)
    other.setCurrentKey(1)
    expect(other.value<number>({ kind: 'value', name: 'v', type: types.int32() }).value()).toBe(5)
    await other.close()
  })
})

it('the rocksdb backend says what to install where its binding is missing', () => {
  expect(() => loadBinding('/nowhere/millrace_rocksdb.node')).toThrow(
    expect.objectContaining({
      code: 'MR_STATE_BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/librocksdb-dev.*state\.backend\.type/) as string,
    }),
  )
})
