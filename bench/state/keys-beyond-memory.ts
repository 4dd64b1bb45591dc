/**
 * Question: does a state of 100 million 8-byte counters in rocksdb stay within the managed memory of its slot, and how
 * fast is it read, modified and written there by batches of 2,048? Resident memory may exceed the budget (tables in front
 * with what is on its way to disk, the block cache with the engine's own metadata, what the engine takes beside it) by what
 * Node takes before the backend is opened. What memory consists of is told for the highest moment of each phase; `files
 * mapped` is mostly Node's own code. `runs` are tables that no compaction has merged yet: each read looks into all of them.
 *
 * Run: node bench/state/keys-beyond-memory.ts [--json] [--keys 100000000] [--seconds 20] [--budget 384] (MiB; minutes, and
 * 10 GB of disk).
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { prng } from '../../src/common/prng.ts'
import { types } from '../../src/data/types.ts'
import { MemoryBudget } from '../../src/memory/memory-budget.ts'
import { openRocksdbBackend } from '../../src/state/rocksdb/rocksdb-backend.ts'
import type { RocksdbStore } from '../../src/state/rocksdb/rocksdb-store.ts'

const MiB = 1024 * 1024
const batchKeys = 2048

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    keys: { type: 'string', default: '100000000' },
    seconds: { type: 'string', default: '20' },
    budget: { type: 'string', default: '384' },
  },
})
const keys = Number(values.keys)
const seconds = Number(values.seconds)
const budget = new MemoryBudget('managed memory of the slot', Number(values.budget) * MiB)
const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
const nodeBytes = process.memoryUsage.rss()
const backend = openRocksdbBackend({
  keyGroupRange: { first: 0, last: 127 },
  maxParallelism: 128,
  localDirectory: directory,
  budget,
})
const counter = backend.value<number>({ kind: 'value', name: 'counter', type: types.float64() })

let peakBytes = 0
let atPeak: Record<string, number> = {}
/** A new peak is broken down where it is so much above the last one that was. */
const brokenDownBytes = 2e6

function breakdown(): Record<string, number> {
  const store = backend.store as RocksdbStore
  const { heapTotal, external, arrayBuffers } = process.memoryUsage()
  const { activeBytes, frozenBytes, transitBytes, cleanBytes } = backend.memory
  const status = readFileSync('/proc/self/status', 'utf8')
  const megabytes = {
    'tables: active': activeBytes,
    'tables: on their way': frozenBytes,
    'tables: encoded': transitBytes,
    'tables: clean': cleanBytes,
    'V8 heap': heapTotal,
    external: external,
    'array buffers': arrayBuffers,
    'block cache': store.property('rocksdb.block-cache-usage'),
    'of it pinned': store.property('rocksdb.block-cache-pinned-usage'),
    'table readers': store.property('rocksdb.estimate-table-readers-mem'),
    'C heaps: in use': store.property('heap.allocated'),
    'C heaps: free': store.property('heap.free'),
    'C heaps: mapped': store.property('heap.mapped'),
    'files mapped': Number(/RssFile:\s+(\d+)/.exec(status)?.[1]) * 1024,
    runs: store.property('rocksdb.num-files-at-level0') * 1e6,
    compactions: store.property('rocksdb.num-running-compactions') * 1e6,
  }
  return Object.fromEntries(Object.entries(megabytes).map(([name, bytes]) => [name, Math.round(bytes / 1e5) / 10]))
}

let brokenDownAt = 0
async function turn(): Promise<void> {
  const rss = process.memoryUsage.rss()
  if (rss > peakBytes) {
    peakBytes = rss
    if (rss > brokenDownAt + brokenDownBytes) {
      brokenDownAt = rss
      atPeak = breakdown()
    }
  }
  await (backend.settle() ?? new Promise((resolve) => setImmediate(resolve)))
}

function note(phase: string): void {
  figures[`${phase} runs`] = (backend.store as RocksdbStore).property('rocksdb.num-files-at-level0')
  figures[`${phase} resident MB, peak`] = peakBytes / 1e6
  figures['of the budget'] = Math.max(figures['of the budget'] ?? 0, (peakBytes - nodeBytes) / budget.limitBytes)
  if (!values.json) {
    console.log(`${phase}: at its peak, MB`)
    console.table(atPeak)
  }
  peakBytes = 0
  brokenDownAt = 0
}

const figures: Record<string, number> = { keys, budgetMB: Math.round(budget.limitBytes / 1e6) }
try {
  let start = performance.now()
  for (let key = 0; key < keys; key++) {
    backend.setCurrentKey(key)
    counter.update(0)
    if (key % batchKeys === 0) await turn()
  }
  backend.freezeAll()
  await backend.queue.idle()
  figures['fill M/s'] = keys / (performance.now() - start) / 1e3
  note('fill')
  const random = prng(7)
  /** Ranks to the power of five, scattered: a tenth of the keys takes two thirds of the operations. */
  const skewed = (): number =>
    (Math.imul(Math.floor(keys * (random.nextBelow(2 ** 30) / 2 ** 30) ** 5), 0x9e3779b1) >>> 0) % keys
  for (const [name, next] of [
    ['uniform', () => random.nextBelow(keys)],
    ['skewed', skewed],
  ] as const) {
    const batch = new Uint32Array(batchKeys)
    let operations = 0
    const processorBefore = process.threadCpuUsage()
    start = performance.now()
    while (performance.now() - start < seconds * 1000) {
      for (let i = 0; i < batchKeys; i++) batch[i] = next()
      backend.prefetch(batch, batchKeys)
      for (let i = 0; i < batchKeys; i++) {
        backend.setCurrentKey(batch[i])
        counter.update(counter.value()! + 1)
      }
      operations += batchKeys
      await turn()
    }
    const { user, system } = process.threadCpuUsage(processorBefore)
    figures[`${name} M/s`] = operations / (performance.now() - start) / 1e3
    figures[`${name} processor µs`] = (user + system) / operations
    note(name)
  }
  figures['resident MB, Node alone'] = nodeBytes / 1e6
} finally {
  await backend.close()
  rmSync(directory, { recursive: true, force: true })
}
const rounded = Object.fromEntries(
  Object.entries(figures).map(([name, value]) => [name, Math.round(value * 1000) / 1000]),
)
if (values.json) console.log(JSON.stringify({ bench: 'keys-beyond-memory', node: process.version, figures: rounded }))
else console.table(rounded)
