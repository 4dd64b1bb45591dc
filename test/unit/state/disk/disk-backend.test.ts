import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { types } from '../../../../src/data/types.ts'
import { DiskBackend } from '../../../../src/state/disk/disk-backend.ts'
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
