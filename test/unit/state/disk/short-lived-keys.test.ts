/**
 * Keys that come and go between two barriers, as those of sessions: the table forgets them where nobody else can know
 * them, and snapshots and look-ups are what they would be if it did not.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { prng } from '../../../../src/common/prng.ts'
import { types } from '../../../../src/data/types.ts'
import type { DiskBackend } from '../../../../src/state/disk/disk-backend.ts'
import { openLeveldbBackend } from '../../../../src/state/leveldb/leveldb-backend.ts'
import { rocksdbUnavailable } from '../../../../src/state/rocksdb/binding.ts'
import { openRocksdbBackend } from '../../../../src/state/rocksdb/rocksdb-backend.ts'
import { MemorySnapshotStore } from '../../../support/memory-snapshot-store.ts'

const kinds = rocksdbUnavailable() === undefined ? (['leveldb', 'rocksdb'] as const) : (['leveldb'] as const)
const seeds = Number(process.env['MILLRACE_SEEDS'] ?? 12)

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe.each(kinds)('keys that come and go, in %s', (kind) => {
  let directory: string
  let opened: DiskBackend[]

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-keys-'))
    opened = []
  })
  afterEach(async () => {
    for (const backend of opened) await backend.close()
    rmSync(directory, { recursive: true, force: true })
  })

  function open(frontBytesMax?: number): DiskBackend {
    const options = {
      keyGroupRange: { first: 0, last: 127 },
      maxParallelism: 128,
      localDirectory: join(directory, String(opened.length)),
      ...(frontBytesMax !== undefined && { frontBytesMax }),
    }
    const backend = kind === 'leveldb' ? openLeveldbBackend(options) : openRocksdbBackend(options)
    opened.push(backend)
    return backend
  }

  it('are forgotten between barriers, so that the table stays as large as what lives', async () => {
    const backend = open()
    const state = backend.value<number>({ kind: 'value', name: 'v', type: types.float64() })
    const set = (key: number, value: number | undefined): void => {
      backend.setCurrentKey(key)
      if (value === undefined) state.clear()
      else state.update(value)
    }
    for (let key = 0; key < 1000; key++) set(key, key)
    const snapshots = new MemorySnapshotStore()
    await backend.snapshot(1, snapshots)
    const bytesBefore = backend.usedBytes()
    for (let key = 1000; key < 200_000; key++) {
      set(key, key)
      if (key >= 1500) set(key - 500, undefined)
    }
    expect(backend.usedBytes()).toBeLessThan(bytesBefore + 1_000_000)
    const handle = await backend.snapshot(2, snapshots)
    const again = open()
    await again.restore([handle], snapshots)
    expect(again.entryCount()).toBe(1500)
  })

  it.each(Array.from({ length: seeds }, (_, seed) => seed))('are as a map would have them (seed %i)', async (seed) => {
    const random = prng(seed)
    const snapshots = new MemorySnapshotStore()
    let model = new Map<number, number>()
    let backend = open(seed % 3 === 0 ? 2 ** 20 : undefined)
    const descriptor = { kind: 'value', name: 'v', type: types.float64() } as const
    let state = backend.value<number>(descriptor)
    let newest = 0
    const step = (): void => {
      // Mostly the newest keys, now and then any: those are on disk, or forgotten.
      const key = random.nextBelow(8) === 0 ? random.nextBelow(newest + 1) : newest - random.nextBelow(200)
      if (random.nextBelow(3) > 0) newest++
      if (key < 0) return
      backend.setCurrentKey(key)
      expect(state.value()).toBe(model.get(key))
      if (random.nextBelow(2) === 0) {
        state.clear()
        model.delete(key)
      } else {
        state.update(newest)
        model.set(key, newest)
      }
    }
    for (let id = 1; id <= 6; id++) {
      for (let i = random.nextBelow(6000); i > 0; i--) step()
      const asOfBarrier = new Map(model)
      let isDone = false
      const writing = backend.snapshot(id, snapshots).finally(() => (isDone = true))
      while (!isDone) {
        for (let i = random.nextBelow(100); i > 0; i--) step()
        await turn()
      }
      const handle = await writing
      backend.notifyCheckpointComplete(id)
      const again = open()
      await again.restore([handle], snapshots)
      const restored = again.value<number>(descriptor)
      const found = new Map<number, number>()
      again.forEachKey('v', (key) => {
        again.setCurrentKey(key)
        found.set(key as number, restored.value()!)
      })
      expect(found).toEqual(asOfBarrier)
      if (random.nextBelow(4) > 0) continue
      // On with what was restored.
      backend = again
      state = restored
      model = asOfBarrier
    }
  })
})
