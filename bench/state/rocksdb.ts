/**
 * Question: what do the tables in front of RocksDB (and LevelDB) gain over a get+put loop in C++ on the same library?
 * Read-modify-write of 8-byte counters by batches of 2,048 in one slot, in a state of 10 M keys:
 *   uniform  every key alike      zipf  exponent 0.99      hot  100 k keys that fit the memory, touched before
 * 1 M operations each, on other keys in every turn.
 * Memory of each: 128 MiB block cache and 128 MiB of tables (the loop: two memtables). A checksum is how far the sum of
 * all counters after their increments is from the one that a plain array gives: 0.
 * `by processor time` leaves out what neighbours on the machine take; the bars are on it for that reason, and ratios by
 * the clock stand beside them. The harness's own seconds of `hot` hold what makes the keys hot, too; these do not.
 *
 * Run: node bench/state/rocksdb.ts [--json] (about ten minutes and 2 GB of disk); skips what is not installed.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { types } from '../../src/data/types.ts'
import type { DiskBackend } from '../../src/state/disk/disk-backend.ts'
import { openLeveldbBackend } from '../../src/state/leveldb/leveldb-backend.ts'
import { rocksdbUnavailable } from '../../src/state/rocksdb/binding.ts'
import { openRocksdbBackend } from '../../src/state/rocksdb/rocksdb-backend.ts'
import type { ValueState } from '../../src/state/keyed-state-backend.ts'
import { type Bench, type BenchCase, type BenchSize, type Limit, main, type Ratio } from '../harness.ts'
import { NativeLoop } from './native-loop.ts'

interface Size {
  readonly keys: number
  readonly operations: number
  readonly hotKeys: number
  readonly cacheBytes: number
  readonly tableBytes: number
}

const MiB = 1024 * 1024
const sizes: Readonly<Record<BenchSize, Size>> = {
  small: { keys: 20_000, operations: 10_240, hotKeys: 500, cacheBytes: 8 * MiB, tableBytes: 256 * 1024 },
  full: { keys: 10_000_000, operations: 1_024_000, hotKeys: 100_000, cacheBytes: 128 * MiB, tableBytes: 128 * MiB },
}
const batchKeys = 2048
const turnsMax = 4
const distributions = ['uniform', 'zipf', 'hot'] as const
type Distribution = (typeof distributions)[number]
/** In multiples of the loop. */
const bars: Readonly<Record<Distribution, number>> = { uniform: 1.2, zipf: 3, hot: 30 }

export const bench: Bench = {
  name: 'rocksdb',
  question: 'read-modify-write of counters: tables in front of a disk engine against a C++ get+put loop',
  runs: 2,
  async prepare(sizeName) {
    const size = sizes[sizeName]
    const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
    const idsByTurn = Array.from({ length: turnsMax }, (_, turn) => idsOfTurn(turn, size))
    const fileOf = (each: Distribution, turn: number): string => join(directory, `${each}-${turn}`)
    const hotOnce = Uint32Array.from({ length: size.hotKeys }, (_, key) => key)
    writeFileSync(fileOf('hot', -1), hotOnce)
    idsByTurn.forEach((ids, turn) => ids.forEach((list, each) => writeFileSync(fileOf(each, turn), list)))
    const noted: Noted = { processor: new Map(), clock: new Map() }
    const note = (name: string, cpuSeconds: number, clockSeconds: number): void => {
      noted.processor.set(name, [...(noted.processor.get(name) ?? []), cpuSeconds])
      noted.clock.set(name, [...(noted.clock.get(name) ?? []), clockSeconds])
    }

    const hasRocksdb = rocksdbUnavailable() === undefined
    const loop = hasRocksdb ? await NativeLoop.start(directory, size.keys, size.cacheBytes, size.tableBytes) : undefined
    const subjects: Subject[] = []
    for (const kind of hasRocksdb ? (['rocksdb', 'leveldb'] as const) : (['leveldb'] as const)) {
      subjects.push(await Subject.open(kind, size))
    }
    const expected = expectedSums(idsByTurn, hotOnce, size.keys)
    const cases: BenchCase[] = []
    for (const each of distributions) {
      if (loop !== undefined) {
        const name = `C++ loop, ${each}`
        let turn = 0
        cases.push({
          name,
          group: each,
          run: async () => {
            if (each === 'hot') await loop.run(fileOf('hot', -1))
            const start = performance.now()
            const { sum, cpuSeconds } = await loop.run(fileOf(each, turn))
            note(name, cpuSeconds, (performance.now() - start) / 1000)
            return sum - expected(each, turn++)
          },
        })
      }
      for (const subject of subjects) {
        const name = `${subject.kind}, ${each}`
        let turn = 0
        const run = async (): Promise<number> => {
          if (each === 'hot') await subject.warm(hotOnce)
          const sum = await subject.run(idsByTurn[turn]!.get(each)!, (cpu, clock) => note(name, cpu, clock))
          return sum - expected(each, turn++)
        }
        cases.push({ name, group: each, run })
      }
    }
    const quotient: Quotient = (by, of, against) => lowest(noted[by].get(against)!) / lowest(noted[by].get(of)!)
    return {
      items: size.operations,
      unit: 'operations',
      cases,
      ratios: hasRocksdb ? distributions.flatMap(ratiosOf) : [],
      extra: () => ({
        ...figures(noted, quotient, hasRocksdb),
        residentMB: Math.round(process.memoryUsage.rss() / 1e6),
      }),
      limits: () => (sizeName === 'full' && hasRocksdb ? limitsOf(quotient) : []),
      async dispose() {
        await loop?.stop()
        for (const subject of subjects) await subject.backend.close()
        rmSync(directory, { recursive: true, force: true })
      },
    }
  },
}

/** A backend that holds all counters, at zero. */
class Subject {
  readonly kind: 'rocksdb' | 'leveldb'
  readonly backend: DiskBackend
  readonly #counter: ValueState<number>

  constructor(kind: 'rocksdb' | 'leveldb', backend: DiskBackend) {
    this.kind = kind
    this.backend = backend
    this.#counter = backend.value<number>({ kind: 'value', name: 'counter', type: types.float64() })
  }

  static async open(kind: 'rocksdb' | 'leveldb', size: Size): Promise<Subject> {
    const options = {
      keyGroupRange: { first: 0, last: 127 },
      maxParallelism: 128,
      frontBytesMax: size.tableBytes,
      rocksdb: { blockCacheBytes: size.cacheBytes },
      leveldb: { blockCacheBytes: size.cacheBytes },
    }
    const subject = new Subject(kind, kind === 'rocksdb' ? openRocksdbBackend(options) : openLeveldbBackend(options))
    await subject.#fill(size.keys)
    return subject
  }

  async run(ids: Uint32Array, note: (cpuSeconds: number, clockSeconds: number) => void): Promise<number> {
    const { backend } = this
    const before = process.threadCpuUsage()
    const start = performance.now()
    let sum = 0
    for (let first = 0; first < ids.length; first += batchKeys) {
      sum += this.#batch(ids.subarray(first, first + batchKeys))
      await (backend.settle() ?? new Promise((resolve) => setImmediate(resolve)))
    }
    const used = process.threadCpuUsage(before)
    note((used.user + used.system) / 1e6, (performance.now() - start) / 1000)
    return sum
  }

  /** Touches the keys, and lets what earlier work has left for the disk be done. */
  async warm(ids: Uint32Array): Promise<void> {
    await this.backend.queue.idle()
    await this.run(ids, () => {})
    await this.backend.queue.idle()
  }

  #batch(keys: Uint32Array): number {
    const { backend } = this
    const counter = this.#counter
    backend.prefetch(keys, keys.length)
    let sum = 0
    for (let i = 0; i < keys.length; i++) {
      backend.setCurrentKey(keys[i])
      const value = counter.value()! + 1
      counter.update(value)
      sum += value
    }
    return sum
  }

  async #fill(keys: number): Promise<void> {
    for (let key = 0; key < keys; key++) {
      this.backend.setCurrentKey(key)
      this.#counter.update(0)
      if (key % batchKeys === 0) await (this.backend.settle() ?? new Promise((resolve) => setImmediate(resolve)))
    }
    this.backend.freezeAll()
    await this.backend.queue.idle()
  }
}

function ratiosOf(each: Distribution): Ratio[] {
  return [
    { name: `rocksdb / loop, ${each}`, of: `rocksdb, ${each}`, against: `C++ loop, ${each}` },
    { name: `leveldb / rocksdb, ${each}`, of: `leveldb, ${each}`, against: `rocksdb, ${each}` },
  ]
}

/** Seconds of every turn by case, without what `hot` needs to become so. */
interface Noted {
  readonly processor: Map<string, number[]>
  readonly clock: Map<string, number[]>
}

type Quotient = (by: keyof Noted, of: string, against: string) => number

/** As limits: how many times too slow, 1 at the bar. */
function limitsOf(quotient: Quotient): Limit[] {
  const missing = (name: string, value: number, bar: number): Limit => ({
    name: `${name}: ${value.toFixed(2)} times, bar ${bar}; bar / measured`,
    value: bar / value,
    max: 1,
    unit: '',
  })
  return distributions.flatMap((each) => [
    missing(`rocksdb / loop, ${each}`, quotient('processor', `rocksdb, ${each}`, `C++ loop, ${each}`), bars[each]),
    missing(`leveldb / rocksdb, ${each}`, quotient('processor', `leveldb, ${each}`, `rocksdb, ${each}`), 0.5),
  ])
}

function figures(noted: Noted, quotient: Quotient, hasRocksdb: boolean): Record<string, number> {
  const result: Record<string, number> = {}
  for (const [name, seconds] of noted.processor) result[`processor seconds, ${name}`] = round(lowest(seconds))
  if (!hasRocksdb) return result
  for (const each of distributions) {
    for (const [of, against] of [
      [`rocksdb, ${each}`, `C++ loop, ${each}`],
      [`leveldb, ${each}`, `rocksdb, ${each}`],
    ] as const) {
      result[`by processor time: ${of} / ${against}`] = round(quotient('processor', of, against))
      result[`by the clock: ${of} / ${against}`] = round(quotient('clock', of, against))
    }
  }
  return result
}

const lowest = (values: readonly number[]): number => Math.min(...values)
const round = (value: number): number => Math.round(value * 1000) / 1000

type Ids = ReadonlyMap<Distribution, Uint32Array>

/** Sums by distribution and turn, of counters in an array: every turn runs all distributions in order. */
function expectedSums(
  idsByTurn: readonly Ids[],
  hotOnce: Uint32Array,
  keys: number,
): (each: Distribution, turn: number) => number {
  const counters = new Uint32Array(keys)
  const add = (list: Uint32Array): number => list.reduce((sum, id) => sum + ++counters[id]!, 0)
  const sums = idsByTurn.map((ids) => {
    const turn = new Map<Distribution, number>()
    for (const [each, list] of ids) {
      if (each === 'hot') add(hotOnce)
      turn.set(each, add(list))
    }
    return turn
  })
  return (each, turn) => sums[turn]!.get(each)!
}

/** The same numbers in every run of the bench. */
function idsOfTurn(turn: number, { keys, operations, hotKeys }: Size): Ids {
  let state = 0x9e3779b9 + turn
  const random = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  const pick: Readonly<Record<Distribution, () => number>> = {
    uniform: () => Math.floor(random() * keys),
    zipf: zipf(keys, random),
    hot: () => Math.floor(random() * hotKeys),
  }
  return new Map(distributions.map((each) => [each, Uint32Array.from({ length: operations }, pick[each])]))
}

/** Gray et al., Quickly Generating Billion-Record Synthetic Databases; ranks are scattered over the keys. */
function zipf(keys: number, random: () => number): () => number {
  const theta = 0.99
  let zeta = 0
  for (let i = 1; i <= keys; i++) zeta += i ** -theta
  const alpha = 1 / (1 - theta)
  const eta = (1 - (2 / keys) ** (1 - theta)) / (1 - (1 + 2 ** -theta) / zeta)
  return () => {
    const u = random()
    const scaled = u * zeta
    const rank = scaled < 1 ? 0 : scaled < 1 + 2 ** -theta ? 1 : Math.floor(keys * (eta * u - eta + 1) ** alpha)
    return (Math.imul(rank, 0x9e3779b1) >>> 0) % keys
  }
}

if (import.meta.main) await main(bench)
