/**
 * What does a read-modify-write of a counter cost in the `managed` backend, through ValueState<number>, compared with a
 * hand-written loop over an open-addressing table in typed arrays? Both run in turn in one process over the same keys;
 * the ratio is that of the medians over many short turns. Bar: at least 0.5 at 1 million keys, under 40 bytes a key.
 *
 *   node bench/state/managed-state.ts [--json] [--keys 1000000] [--records 4000000] [--rounds 5]
 */
import { parseArgs } from 'node:util'
import { prng } from '../../src/common/prng.ts'
import { types } from '../../src/data/types.ts'
import { createKeyedStateBackend } from '../../src/state/create-keyed-state-backend.ts'
import type { KeyedStateBackend, ValueState } from '../../src/state/keyed-state-backend.ts'
import { MemorySnapshotStore } from '../../test/support/memory-snapshot-store.ts'

export interface ManagedFigures {
  readonly shape: string
  readonly keys: number
  readonly records: number
  readonly nsPerRecord: number
  readonly handWrittenNsPerRecord: number
  /** Speed of the backend as a fraction of the hand-written loop's. */
  readonly ratio: number
  readonly bytesPerKey: number
  /** Records that the hand-written loop has counted, and the backend. */
  readonly checksum: number
  readonly ownChecksum: number
}

/** The limit: keys and counters inline in typed arrays, no growth, no removal, no tracking. */
class HandWrittenCounters {
  readonly #keys: Int32Array
  readonly #counts: Float64Array
  readonly #used: Uint8Array
  readonly #mask: number

  constructor(keys: number) {
    const capacity = 2 ** Math.ceil(Math.log2(keys * 1.5))
    this.#keys = new Int32Array(capacity)
    this.#counts = new Float64Array(capacity)
    this.#used = new Uint8Array(capacity)
    this.#mask = capacity - 1
  }

  count(records: Int32Array): void {
    const keys = this.#keys
    const counts = this.#counts
    const used = this.#used
    const mask = this.#mask
    for (let i = 0; i < records.length; i++) {
      const key = records[i]!
      let h = Math.imul(key ^ (key >>> 16), 0x85ebca6b)
      h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
      let at = (h ^ (h >>> 16)) & mask
      while (used[at] === 1 && keys[at] !== key) at = (at + 1) & mask
      keys[at] = key
      used[at] = 1
      counts[at]! += 1
    }
  }

  sum(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }
}

function newBackend(): KeyedStateBackend {
  return createKeyedStateBackend('managed', { keyGroupRange: { first: 0, last: 127 }, maxParallelism: 128 })
}

function countNumbers(backend: KeyedStateBackend, state: ValueState<number>, records: Int32Array): void {
  for (let i = 0; i < records.length; i++) {
    backend.setCurrentKey(records[i])
    state.update((state.value() ?? 0) + 1)
  }
}

function countBigints(backend: KeyedStateBackend, state: ValueState<bigint>, records: BigInt64Array): void {
  for (let i = 0; i < records.length; i++) {
    backend.setCurrentKey(records[i])
    state.update((state.value() ?? 0n) + 1n)
  }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

function timed(run: () => void): number {
  const start = performance.now()
  run()
  return performance.now() - start
}

const slicesPerRound = 40

export async function managedFigures(keys: number, records: number, rounds: number): Promise<ManagedFigures[]> {
  const random = prng(7)
  const input = Int32Array.from({ length: records }, () => random.nextBelow(keys) * 7)
  const bigInput = BigInt64Array.from(input, (key) => BigInt(key) << 20n)
  const figures: ManagedFigures[] = []
  const all = Int32Array.from({ length: keys }, (_, i) => i * 7)
  for (const shape of ['float64', 'float64, changes tracked', 'int64 keys and values']) {
    const backend = newBackend()
    const hand = new HandWrittenCounters(keys)
    hand.count(all)
    const isBig = shape.startsWith('int64')
    const numbers = isBig ? undefined : backend.value<number>({ kind: 'value', name: 'n', type: types.float64() })
    const bigints = isBig ? backend.value<bigint>({ kind: 'value', name: 'n', type: types.int64() }) : undefined
    if (numbers !== undefined) countNumbers(backend, numbers, all)
    if (bigints !== undefined)
      countBigints(
        backend,
        bigints,
        BigInt64Array.from(all, (key) => BigInt(key) << 20n),
      )
    if (shape.endsWith('tracked')) await snapshotOnce(backend)
    const bytesPerKey = backend.usedBytes() / keys
    const own: number[] = []
    const limit: number[] = []
    // In short turns, so that what else the machine does meets both alike.
    const slice = Math.ceil(records / slicesPerRound)
    for (let turn = 0; turn < rounds * slicesPerRound; turn++) {
      const start = (turn % slicesPerRound) * slice
      const part = input.subarray(start, start + slice)
      limit.push((timed(() => hand.count(part)) / part.length) * 1e6)
      const bigPart = bigInput.subarray(start, start + slice)
      if (numbers !== undefined) own.push((timed(() => countNumbers(backend, numbers, part)) / part.length) * 1e6)
      if (bigints !== undefined) own.push((timed(() => countBigints(backend, bigints, bigPart)) / part.length) * 1e6)
    }
    let ownChecksum = 0
    backend.forEachKey('n', (key) => {
      backend.setCurrentKey(key)
      ownChecksum += Number((numbers ?? bigints)!.value())
    })
    const ratio = median(limit) / median(own)
    const nsPerRecord = median(own)
    const handWrittenNsPerRecord = median(limit)
    figures.push({
      shape,
      keys,
      records,
      nsPerRecord,
      handWrittenNsPerRecord,
      ratio,
      bytesPerKey,
      checksum: hand.sum(),
      ownChecksum,
    })
    await backend.close()
  }
  return figures
}

/** From its first completed checkpoint on, a backend notes which entries change. */
async function snapshotOnce(backend: KeyedStateBackend): Promise<void> {
  await backend.snapshot(1, new MemorySnapshotStore())
  backend.notifyCheckpointComplete(1)
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      keys: { type: 'string', default: '1000000' },
      records: { type: 'string', default: '4000000' },
      rounds: { type: 'string', default: '5' },
    },
  })
  const figures = await managedFigures(Number(values.keys), Number(values.records), Number(values.rounds))
  if (values.json) console.log(JSON.stringify({ bench: 'managed-state', node: process.version, figures }))
  else console.table(figures)
}
