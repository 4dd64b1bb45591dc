/**
 * Backends on disk under pressure, against a Map: a memory far too small or large enough, the disk at work between any two steps,
 * batches fetched ahead, namespaces dropped, checkpoints, savepoints, and lives that end and go on from a handle.
 */
import { describe, expect, it } from 'vitest'
import { type Prng, prng } from '../../src/common/prng.ts'
import { types } from '../../src/data/types.ts'
import type { DiskBackend } from '../../src/state/disk/disk-backend.ts'
import type { AccumulatorState, KeyedStateHandle, ValueState } from '../../src/state/keyed-state-backend.ts'
import { openLeveldbBackend } from '../../src/state/leveldb/leveldb-backend.ts'
import { rocksdbUnavailable } from '../../src/state/rocksdb/binding.ts'
import { openRocksdbBackend } from '../../src/state/rocksdb/rocksdb-backend.ts'
import { MemorySnapshotStore } from '../support/memory-snapshot-store.ts'

const seed = Number(process.env['MILLRACE_SEED'] ?? 1)
const rounds = process.env['MILLRACE_FULL'] === '1' ? 2000 : 80
const keyCount = 3000
const namespaces = [0, 1000, 2000, 3000]
const batchKeys = 128
const maxParallelism = 128
const everything = { first: 0, last: maxParallelism - 1 }

type Key = number | string

/** Everything that a backend holds, by `namespace key`. */
class Model {
  readonly counts: Map<Key, number>
  readonly windows: Map<string, { n: number; text: string }>

  constructor(counts: Iterable<[Key, number]> = [], windows: Iterable<[string, { n: number; text: string }]> = []) {
    this.counts = new Map(counts)
    this.windows = new Map(windows)
  }
}

class Life {
  readonly backend: DiskBackend
  readonly counts: ValueState<number>
  readonly windows: AccumulatorState<{ n: number; text: string }>
  readonly clearShare: number

  constructor(backend: DiskBackend, clearShare: number) {
    this.backend = backend
    this.clearShare = clearShare
    this.counts = backend.value<number>({ kind: 'value', name: 'counts', type: types.float64() })
    this.windows = backend.accumulators<{ n: number; text: string }>('windows')
  }

  batch(random: Prng, model: Model): void {
    const { backend } = this
    const keys = Array.from({ length: batchKeys }, () => randomKey(random))
    backend.setCurrentNamespace(0)
    if (random.nextFloat() < 0.7) backend.prefetch(keys, keys.length)
    for (const key of keys) {
      backend.setCurrentKey(key)
      backend.setCurrentNamespace(0)
      const present = this.counts.value()
      if (present !== model.counts.get(key)) expect([key, present]).toEqual([key, model.counts.get(key)])
      if (random.nextFloat() < this.clearShare) {
        this.counts.clear()
        model.counts.delete(key)
      } else {
        this.counts.update((present ?? 0) + 1)
        model.counts.set(key, (present ?? 0) + 1)
      }
      this.#window(key, random, model)
    }
  }

  drop(namespace: number, model: Model): void {
    this.windows.dropNamespace(namespace)
    for (const id of model.windows.keys()) if (id.startsWith(`${namespace} `)) model.windows.delete(id)
  }

  #window(key: Key, random: Prng, model: Model): void {
    const namespace = namespaces[random.nextBelow(namespaces.length)]!
    this.backend.setCurrentNamespace(namespace)
    const id = `${namespace} ${typeof key} ${key}`
    const accumulator = this.windows.get()
    const expected = model.windows.get(id)
    if (accumulator?.n !== expected?.n || accumulator?.text !== expected?.text) expect(accumulator).toEqual(expected)
    if (accumulator === undefined) {
      this.windows.set({ n: 1, text: 'a' })
      model.windows.set(id, { n: 1, text: 'a' })
    } else {
      accumulator.n++
      accumulator.text += 'b'
      this.windows.set(accumulator)
      model.windows.set(id, { ...accumulator })
    }
  }

  expectSame(model: Model): void {
    const { backend } = this
    const counts = new Map<unknown, number>()
    const keys: unknown[] = []
    backend.forEachKey('counts', (key) => keys.push(key))
    for (const key of keys) {
      backend.setCurrentKey(key)
      backend.setCurrentNamespace(0)
      counts.set(key, this.counts.value()!)
    }
    expect(keys.length).toBe(counts.size)
    expect(counts.size).toBe(model.counts.size)
    for (const [key, count] of model.counts)
      if (counts.get(key) !== count) expect([key, counts.get(key)]).toEqual([key, count])
    let entries = 0
    for (const namespace of this.windows.namespaces()) {
      this.windows.forEachKey(namespace, (key, value) => {
        entries++
        expect(value).toEqual(model.windows.get(`${namespace} ${typeof key} ${key}`))
      })
    }
    expect(entries).toBe(model.windows.size)
    expect(backend.entryCount()).toBe(model.counts.size + model.windows.size)
  }
}

function disk(name: string, open: (frontBytesMax: number) => DiskBackend): void {
  it(`${name} agrees with a Map (seed ${seed})`, { timeout: 600_000 }, async () => {
    const random = prng(seed)
    const store = new MemorySnapshotStore()
    const newLife = (): Life => {
      const bytesMax = random.nextFloat() < 0.5 ? 64 * 1024 * (1 + random.nextBelow(12)) : 64 * 1024 * 1024
      return new Life(open(bytesMax), random.nextFloat() < 0.5 ? 0.15 : 0.75)
    }
    let life = newLife()
    let model = new Model()
    let last: { readonly handle: KeyedStateHandle; readonly model: Model } | undefined
    let writing: Promise<unknown> = Promise.resolve()
    try {
      for (let round = 1; round <= rounds; round++) {
        life.batch(random, model)
        const dice = random.nextFloat()
        if (dice < 0.5) await (life.backend.settle() ?? new Promise((resolve) => setImmediate(resolve)))
        if (dice > 0.97) life.drop(namespaces[random.nextBelow(namespaces.length)]!, model)
        if (round % 11 === 0) {
          await writing
          const asOf = new Model(
            model.counts,
            [...model.windows].map(([id, value]) => [id, { ...value }]),
          )
          const isSavepoint = random.nextFloat() < 0.3
          const { backend } = life
          writing = backend.snapshot(round, store, { isSavepoint }).then((handle) => {
            if (random.nextFloat() < 0.7) backend.notifyCheckpointComplete(round)
            else backend.notifyCheckpointAborted(round)
            last = { handle: structuredClone(handle), model: asOf }
          })
        }
        if (round % 40 === 0) {
          await writing
          life.expectSame(model)
          await life.backend.close()
          life = newLife()
          await life.backend.restore([last!.handle], store)
          model = new Model(
            last!.model.counts,
            [...last!.model.windows].map(([id, value]) => [id, { ...value }]),
          )
          if (random.nextFloat() < 0.5) life.expectSame(model)
        }
      }
      await writing
      life.expectSame(model)
    } finally {
      await life.backend.close()
    }
  })
}

function randomKey(random: Prng): Key {
  const number = random.nextBelow(keyCount)
  return number % 4 === 0 ? `key ${number}` : number % 4 === 1 ? number / 8 : number
}

describe('backends on disk', () => {
  const options = { keyGroupRange: everything, maxParallelism }
  disk('leveldb', (frontBytesMax) => openLeveldbBackend({ ...options, frontBytesMax }))
  const reason = rocksdbUnavailable()
  if (reason === undefined) disk('rocksdb', (frontBytesMax) => openRocksdbBackend({ ...options, frontBytesMax }))
  else console.error(`skipped for rocksdb: ${reason}`)
})
