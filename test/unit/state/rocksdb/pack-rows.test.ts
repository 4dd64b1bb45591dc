/**
 * Rows that another thread packs from a table's memory while the slot goes on: snapshots hold what there was at their
 * barrier, whatever changes meanwhile. Skipped, with the reason printed, where the binding is not built.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Prng, prng } from '../../../../src/common/prng.ts'
import { types } from '../../../../src/data/types.ts'
import { DiskBackend } from '../../../../src/state/disk/disk-backend.ts'
import type { RowsToPack } from '../../../../src/state/disk/rows-to-pack.ts'
import type { ValueState } from '../../../../src/state/keyed-state-backend.ts'
import { rocksdbUnavailable } from '../../../../src/state/rocksdb/binding.ts'
import { RocksdbStore } from '../../../../src/state/rocksdb/rocksdb-store.ts'
import { MemorySnapshotStore } from '../../../support/memory-snapshot-store.ts'

const reason = rocksdbUnavailable()
if (reason !== undefined) console.error(`skipped: ${reason}`)

const keyCount = 40_000
const changesPerRound = 25_000
const changesPerTurn = 500

type Model = Map<number, number>

/** Its thread has read every word of `pending` at once, and looks at the rows some turns of the slot later. */
class LateStore extends RocksdbStore {
  packed = 0
  turnsLate = 0
  override async packRows(rows: RowsToPack): Promise<void> {
    this.packed++
    if (this.turnsLate === 0) return await super.packRows(rows)
    const pending = rows.part.pending.slice()
    for (let i = 0; i < this.turnsLate; i++) await turn()
    const part = Object.create(rows.part, { pending: { value: pending } }) as RowsToPack['part']
    await super.packRows(Object.create(rows, { part: { value: part } }) as RowsToPack)
  }
}

function change(backend: DiskBackend, state: ValueState<number>, model: Model, random: Prng, count: number): void {
  for (let i = 0; i < count; i++) {
    // Most keys come later: tables grow.
    const key = random.nextBelow(1 + random.nextBelow(keyCount))
    backend.setCurrentKey(key)
    if (random.nextBelow(8) === 0) {
      state.clear()
      model.delete(key)
    } else {
      const value = (state.value() ?? 0) + random.nextBelow(1000)
      state.update(value)
      model.set(key, value)
    }
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe.skipIf(reason !== undefined)('packed rows', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-rows-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  it.each(['packRows', 'ingest'] as const)(
    'are not given up where %s cannot begin while the slot waits',
    async (step) => {
      class RefusingStore extends RocksdbStore {}
      RefusingStore.prototype[step] = () => {
        throw new Error('refused')
      }
      const backend = new DiskBackend('rocksdb', (path) => new RefusingStore(path, {}), {
        keyGroupRange: { first: 0, last: 127 },
        maxParallelism: 128,
        localDirectory: directory,
      })
      const state = backend.value<number>({ kind: 'value', name: 'v', type: types.int32() })
      change(backend, state, new Map(), prng(1), changesPerRound)
      const writing = backend.snapshot(1, new MemorySnapshotStore())
      expect(() => backend.queue.drainNow()).toThrow('refused')
      await expect(writing).rejects.toThrow('refused')
      await backend.close()
    },
  )

  it.each([
    { type: 'float64', memory: 'unlimited', frontBytesMax: undefined, turnsLate: 0, seed: 1 },
    { type: 'int32', memory: 'unlimited', frontBytesMax: undefined, turnsLate: 0, seed: 2 },
    { type: 'int32', memory: 'small', frontBytesMax: 2 ** 21, turnsLate: 0, seed: 3 },
    { type: 'float64', memory: 'unlimited', frontBytesMax: undefined, turnsLate: 5, seed: 4 },
    { type: 'int32', memory: 'unlimited', frontBytesMax: undefined, turnsLate: 20, seed: 5 },
  ] as const)(
    'of $type values, in $memory memory, $turnsLate turns late, are as they were at the barrier (seed $seed)',
    async ({ type, frontBytesMax, turnsLate, seed }) => {
      const random = prng(seed)
      const snapshots = new MemorySnapshotStore()
      const stores: LateStore[] = []
      const openStore = (path: string): LateStore => {
        const store = new LateStore(path, {})
        store.turnsLate = turnsLate
        stores.push(store)
        return store
      }
      const open = (name: string): DiskBackend =>
        new DiskBackend('rocksdb', openStore, {
          keyGroupRange: { first: 0, last: 127 },
          maxParallelism: 128,
          localDirectory: join(directory, name),
          ...(frontBytesMax !== undefined && { frontBytesMax }),
        })
      const backend = open('working')
      const descriptor = { kind: 'value', name: 'v', type: type === 'int32' ? types.int32() : types.float64() } as const
      const state = backend.value<number>(descriptor)
      const model: Model = new Map()
      for (let id = 1; id <= 3; id++) {
        change(backend, state, model, random, changesPerRound)
        const asOfBarrier = new Map(model)
        let isDone = false
        const writing = backend.snapshot(id, snapshots).finally(() => (isDone = true))
        while (!isDone) {
          change(backend, state, model, random, changesPerTurn)
          await turn()
        }
        const handle = await writing
        if (id % 2 === 0) backend.notifyCheckpointComplete(id)
        const again = open(`restored-${id}`)
        await again.restore([handle], snapshots)
        const found: Model = new Map()
        const restored = again.value<number>(descriptor)
        again.forEachKey('v', (key) => {
          again.setCurrentKey(key)
          found.set(key as number, restored.value()!)
        })
        expect(found.size).toBe(asOfBarrier.size)
        for (const [key, value] of asOfBarrier)
          if (found.get(key) !== value) expect([key, found.get(key)]).toEqual([key, value])
        await again.close()
      }
      expect(stores[0]!.packed).toBeGreaterThanOrEqual(3)
      await backend.close()
    },
  )
})
