/**
 * Question: does a state of 100 million 8-byte counters in rocksdb stay within its memory budget, and how fast is it
 * read, modified and written there by batches of 2,048? Resident memory may exceed the budget (tables in front and block
 * cache, which the engine's own metadata is charged to) by what Node takes by itself, and half as much again for what is
 * on its way to disk.
 *
 * Run: node bench/state/keys-beyond-memory.ts [--json] [--keys 100000000] [--seconds 20] (minutes, and 10 GB of disk).
 */
import { mkdtempSync, rmSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { prng } from '../../src/common/prng.ts'
import { types } from '../../src/data/types.ts'
import { openRocksdbBackend } from '../../src/state/rocksdb/rocksdb-backend.ts'

const MiB = 1024 * 1024
const batchKeys = 2048

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    keys: { type: 'string', default: '100000000' },
    seconds: { type: 'string', default: '20' },front:{type:'string',default:'128'},cache:{type:'string',default:'256'},every:{type:'string',default:'5'},idle:{type:'boolean',default:false},
  },
})
const keys = Number(values.keys)
const seconds = Number(values.seconds)
const frontBytes = Number(values.front) * MiB
const cacheBytes = Number(values.cache) * MiB
const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
const nodeBytes = process.memoryUsage.rss()
const backend = openRocksdbBackend({
  keyGroupRange: { first: 0, last: 127 },
  maxParallelism: 128,
  localDirectory: directory,
  frontBytesMax: frontBytes,
  rocksdb: { blockCacheBytes: cacheBytes },
})
const counter = backend.value<number>({ kind: 'value', name: 'counter', type: types.float64() })


const props = ['num-files-at-level0','num-running-compactions','block-cache-usage','block-cache-pinned-usage','estimate-table-readers-mem','cur-size-all-mem-tables','estimate-pending-compaction-bytes']
let last = 0
let stage = 'fill'
let ops = 0
const t0 = performance.now()
function look(force=false): void {
  const now = performance.now()
  if (!force && now - last < Number(values.every)*1000) return
  const smaps = readFileSync('/proc/self/smaps_rollup','utf8')
  const kb = (n: string): number => Math.round(Number(new RegExp('^'+n+': *([0-9]+)','m').exec(smaps)![1])/1e3)
  const mu = process.memoryUsage()
  const m = backend.memory
  const p = props.map((n) => { try { const v=(backend.store as any).property('rocksdb.'+n); return n+'='+(v>1e5?Math.round(v/1e6)+'M':v)} catch(e) { return '' } })
  let files=0
  for (let l=0;l<7;l++) { try { files += (backend.store as any).property('rocksdb.num-files-at-level'+l) } catch {} }
  console.error(stage, ((now-t0)/1000).toFixed(1), 'ops', (ops/1e6).toFixed(2), 'M rate', (ops-lastOps)/(now-last)/1e3, 'rss', kb('Rss'), 'anon', kb('Anonymous'), 'ab', Math.round(mu.arrayBuffers/1e6), 'ext',Math.round(mu.external/1e6),'heap', Math.round(mu.heapTotal/1e6), 'front a/f/c', [m.activeBytes,m.frozenBytes,m.cleanBytes].map(x=>Math.round(x/1e6)).join('/'), p.join(' '),'files',files)
  last=now; lastOps=ops
}
let lastOps=0
let peakBytes = 0
async function turn(): Promise<void> {
 look();
  peakBytes = Math.max(peakBytes, process.memoryUsage.rss())
  await (backend.settle() ?? new Promise((resolve) => setImmediate(resolve)))
}

const figures: Record<string, number> = { keys, budgetMB: Math.round((frontBytes + cacheBytes) / 1e6) }
try {
  let start = performance.now()
  for (let key = 0; key < keys; key++) {
    backend.setCurrentKey(key)
    counter.update(0);ops++
    if (key % batchKeys === 0) await turn()
  }
  backend.freezeAll()
  await backend.queue.idle();look(true)
 if(values.idle) for(;;){ await new Promise(r=>setTimeout(r,1000)); look(); if ((backend.store as any).property('rocksdb.num-running-compactions')===0) break }
  figures['fill M/s'] = keys / (performance.now() - start) / 1e3
figures['fill peak']=peakBytes/1e6;  const random = prng(7)
  /** Ranks to the power of five, scattered: a tenth of the keys takes two thirds of the operations. */
  const skewed = (): number =>
    (Math.imul(Math.floor(keys * (random.nextBelow(2 ** 30) / 2 ** 30) ** 5), 0x9e3779b1) >>> 0) % keys
  for (const [name, next] of [
    ['uniform', () => random.nextBelow(keys)],
    ['skewed', skewed],
  ] as const) {
    stage=name;peakBytes=0;const batch = new Uint32Array(batchKeys)
    let operations = 0
    const c0=process.threadCpuUsage();start = performance.now()
    while (performance.now() - start < seconds * 1000) {
      for (let i = 0; i < batchKeys; i++) batch[i] = next()
      backend.prefetch(batch, batchKeys)
      for (let i = 0; i < batchKeys; i++) {
        backend.setCurrentKey(batch[i])
        counter.update(counter.value()! + 1)
      }
      operations += batchKeys;ops+=batchKeys
      await turn()
    }
    const c1=process.threadCpuUsage(c0);figures[`${name} us`]=(c1.user+c1.system)/operations;look(true);figures[`${name} peak`]=peakBytes/1e6;figures[`${name} M/s`] = operations / (performance.now() - start) / 1e3
  }
  figures['resident MB, peak'] = peakBytes / 1e6
  figures['resident MB, Node alone'] = nodeBytes / 1e6
  figures['of the budget'] = (peakBytes - nodeBytes) / (frontBytes + cacheBytes)
} finally {
  await backend.close()
  rmSync(directory, { recursive: true, force: true })
}
const rounded = Object.fromEntries(
  Object.entries(figures).map(([name, value]) => [name, Math.round(value * 1000) / 1000]),
)
if (values.json) console.log(JSON.stringify({ bench: 'keys-beyond-memory', node: process.version, figures: rounded }))
else console.table(rounded)
