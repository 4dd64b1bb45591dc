/**
 * Question: what does a checkpoint of 10 M counters on disk cost: how long does a barrier hold the slot up, how many
 * bytes are new where 1 % of the keys have changed, and how soon is such a state there again?
 *
 *   stall     the part of `snapshot` before it returns, at most over ten checkpoints; bar 5 ms
 *   new bytes of ten checkpoints with 1 % of the keys changed before each, per checkpoint and as a share of the full
 *             one; bar 3 % (rocksdb, from a state that has settled into one sorted run: what the fill has left to
 *             compact is the fill's; leveldb compacts more and is only reported)
 *   restore   from checkpoint to the first value read; bar 0.5 s for 10 M keys
 *   rescale   from one range to two (each half is cut off by itself) and back by merging; bar 1 s for the split
 *
 * Run: node bench/state/disk-checkpoints.ts [--json] (a few minutes and 2 GB of disk).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSnapshotSink, openSnapshotSource } from '../../src/checkpoint/snapshot-files.ts'
import { nodeFileSystem } from '../../src/common/file-system.ts'
import { keyGroupOf, type KeyGroupRange } from '../../src/data/key-groups.ts'
import { types } from '../../src/data/types.ts'
import type { DiskBackend } from '../../src/state/disk/disk-backend.ts'
import type { KeyedStateHandle, ValueState } from '../../src/state/keyed-state-backend.ts'
import { openLeveldbBackend } from '../../src/state/leveldb/leveldb-backend.ts'
import { rocksdbUnavailable } from '../../src/state/rocksdb/binding.ts'
import { RocksdbStore } from '../../src/state/rocksdb/rocksdb-store.ts'
import { openRocksdbBackend } from '../../src/state/rocksdb/rocksdb-backend.ts'
import { type Bench, type BenchSize, type Limit, main } from '../harness.ts'

type Kind = 'rocksdb' | 'leveldb'

const keyCounts: Readonly<Record<BenchSize, number>> = { small: 20_000, full: 10_000_000 }
const maxParallelism = 128
const everything: KeyGroupRange = { first: 0, last: maxParallelism - 1 }
const halves: readonly KeyGroupRange[] = [
  { first: 0, last: 63 },
  { first: 64, last: 127 },
]
const checkpoints = 10

interface Figures {
  stallMsMax: number
  newBytesShare: number
  restoreSeconds: number
  splitSeconds: number
  mergeSeconds: number
}

export const bench: Bench = {
  name: 'disk-checkpoints',
  question: 'checkpoints and restores of counters on disk: stall, new bytes, time',
  runs: 1,
  async prepare(size) {
    const kinds: Kind[] = rocksdbUnavailable() === undefined ? ['rocksdb', 'leveldb'] : ['leveldb']
    const figures = new Map<Kind, Figures>()
    return {
      items: keyCounts[size],
      unit: 'keys',
      cases: kinds.map((kind) => ({
        name: kind,
        async run(): Promise<number> {
          const trial = new Trial(kind, keyCounts[size])
          try {
            figures.set(kind, await trial.measure())
            return trial.wrongValues
          } finally {
            await trial.dispose()
          }
        },
      })),
      ratios: [],
      extra: () => Object.fromEntries([...figures].flatMap(([kind, each]) => rows(kind, each))),
      limits: () => (size === 'full' ? limitsOf(figures) : []),
    }
  },
}

const rows = (kind: Kind, figures: Figures): [string, number][] =>
  Object.entries(figures).map(([name, value]) => [`${kind} ${name}`, Math.round(value * 10_000) / 10_000])

function limitsOf(figures: ReadonlyMap<Kind, Figures>): Limit[] {
  const rocksdb = figures.get('rocksdb')
  if (rocksdb === undefined) return []
  return [
    { name: 'rocksdb stall', value: rocksdb.stallMsMax, max: 5, unit: 'ms' },
    { name: 'rocksdb new bytes per 1 % changed', value: rocksdb.newBytesShare * 100, max: 3, unit: '%' },
    { name: 'rocksdb restore', value: rocksdb.restoreSeconds, max: 0.5, unit: 's' },
    { name: 'rocksdb split in two', value: rocksdb.splitSeconds, max: 1, unit: 's' },
  ]
}

class Trial {
  readonly #kind: Kind
  readonly #keys: number
  readonly #directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  readonly #opened: DiskBackend[] = []
  #checkpointId = 0
  #newBytes = 0
  #stallMs = 0
  wrongValues = 0

  constructor(kind: Kind, keys: number) {
    this.#kind = kind
    this.#keys = keys
  }

  async measure(): Promise<Figures> {
    const backend = this.#backend(everything)
    const counter = counterOf(backend)
    await this.#set(backend, counter, 0, 1, 0)
    if (backend.store instanceof RocksdbStore) {
      await this.#checkpoint(backend)
      await backend.store.compact()
      this.#newBytes = 0
    }
    await this.#checkpoint(backend)
    const fullBytes = this.#newBytes
    this.#newBytes = 0
    let handle: KeyedStateHandle | undefined
    for (let round = 1; round <= checkpoints; round++) {
      await this.#set(backend, counter, round, 100, round)
      handle = await this.#checkpoint(backend)
    }
    await backend.close()
    const newBytesShare = this.#newBytes / checkpoints / fullBytes
    const restoreSeconds = await this.#restored([handle!], [everything])
    const parts = this.#opened.at(-1)!
    const whole = await this.#checkpoint(parts)
    await parts.close()
    const splitSeconds = await this.#restored([whole], halves)
    const handles = [await this.#checkpoint(this.#opened.at(-2)!), await this.#checkpoint(this.#opened.at(-1)!)]
    const mergeSeconds = await this.#restored(handles, [everything])
    return { stallMsMax: this.#stallMs, newBytesShare, restoreSeconds, splitSeconds, mergeSeconds }
  }

  async dispose(): Promise<void> {
    for (const backend of this.#opened) await backend.close()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #backend(keyGroupRange: KeyGroupRange): DiskBackend {
    const options = { keyGroupRange, maxParallelism, localDirectory: join(this.#directory, 'local') }
    const backend = this.#kind === 'rocksdb' ? openRocksdbBackend(options) : openLeveldbBackend(options)
    this.#opened.push(backend)
    return backend
  }

  /** Sets every `step`-th counter from `first` on. */
  async #set(
    backend: DiskBackend,
    counter: ValueState<number>,
    first: number,
    step: number,
    value: number,
  ): Promise<void> {
    for (let key = first, count = 1; key < this.#keys; key += step, count++) {
      backend.setCurrentKey(key)
      counter.update(value)
      if (count % 2048 === 0) await (backend.settle() ?? new Promise((resolve) => setImmediate(resolve)))
    }
  }

  async #checkpoint(backend: DiskBackend): Promise<KeyedStateHandle> {
    const checkpointId = ++this.#checkpointId
    const sink = openSnapshotSink({
      directory: this.#directory,
      epoch: 1,
      checkpointId,
      operatorId: 'counters',
      subtaskIndex: backend.keyGroupRange.first,
      fileSystem: nodeFileSystem,
    })
    let reusedBytes = 0
    const counting = {
      ...sink,
      reuse: (file: Parameters<typeof sink.reuse>[0]) => {
        reusedBytes += file.bytes
        return sink.reuse(file)
      },
    }
    for (const name of ['shared', `checkpoints/chk-${checkpointId}`]) {
      await nodeFileSystem.makeDirectory(join(this.#directory, name))
    }
    const before = performance.now()
    const writing = backend.snapshot(checkpointId, counting)
    this.#stallMs = Math.max(this.#stallMs, performance.now() - before)
    const handle = await writing
    backend.notifyCheckpointComplete(checkpointId)
    this.#newBytes += handle.files.reduce((sum, file) => sum + file.bytes, 0) - reusedBytes
    return structuredClone(handle)
  }

  /** Seconds until the slowest of the backends answers its first key; checks some values afterwards. */
  async #restored(handles: readonly KeyedStateHandle[], ranges: readonly KeyGroupRange[]): Promise<number> {
    let seconds = 0
    for (const range of ranges) {
      const before = performance.now()
      const backend = this.#backend(range)
      await backend.restore(handles, openSnapshotSource(this.#directory, nodeFileSystem))
      const counter = counterOf(backend)
      let isFirst = true
      for (let key = 0; key < this.#keys; key += 997) {
        const group = keyGroupOf(key, maxParallelism)
        if (group < range.first || group > range.last) continue
        backend.setCurrentKey(key)
        const value = counter.value()
        if (isFirst) seconds = Math.max(seconds, (performance.now() - before) / 1000)
        isFirst = false
        const round = key % 100
        if (value !== (round >= 1 && round <= checkpoints ? round : 0)) this.wrongValues++
      }
    }
    return seconds
  }
}

function counterOf(backend: DiskBackend): ValueState<number> {
  return backend.value<number>({ kind: 'value', name: 'counter', type: types.float64() })
}

if (import.meta.main) await main(bench)
