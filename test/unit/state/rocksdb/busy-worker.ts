/** Uses a database without pause until it is terminated: reads, iterators, ingests and snapshots at the same time. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { rocksdbBinding } from '../../../../src/state/rocksdb/binding.ts'
import { PackedEntriesWriter } from '../../../../src/state/disk/packed-entries-layout.ts'

const { path, scratch, round } = workerData as { path: string; scratch: string; round: number }
const binding = rocksdbBinding()
const database = binding.open(path, 8 << 20, 4 << 20, 'none', false)
const key = Buffer.alloc(8)
const entries = (): Uint8Array => {
  const writer = new PackedEntriesWriter()
  for (let i = 0; i < 20_000; i++) {
    key.writeDoubleBE(Math.random())
    writer.put(key, 0, 8, key, 0, 8)
  }
  return writer.written()
}

async function ingests(): Promise<never> {
  for (;;) await binding.ingest(database, entries())
}
async function snapshots(): Promise<never> {
  for (let i = 0; ; i++) {
    const target = join(scratch, `snapshot-${round}-${i}`)
    mkdirSync(target)
    await binding.snapshot(database, target, Number.MAX_SAFE_INTEGER)
  }
}
function reads(): void {
  const keys = Buffer.alloc(8 * 256)
  const offsets = Uint32Array.from({ length: 257 }, (_, i) => i * 8)
  binding.multiGet(database, keys, offsets, 256, Buffer.alloc(4096), new Int32Array(256))
  const iterator = binding.iteratorOpen(database, Buffer.alloc(1), Buffer.alloc(8, 255))
  binding.iteratorNext(iterator, Buffer.alloc(65_536))
  setImmediate(reads)
}
void ingests()
void snapshots()
reads()
parentPort!.postMessage('busy')
