/**
 * The `rocksdb` backend: tables in memory over RocksDB. Throws MR_STATE_BACKEND_UNAVAILABLE without the binding.
 *
 * Of a slot's memory, half is for the tables in front. Of the other half a sixteenth of the memory and 8 MiB are held back
 * for what RocksDB charges to nobody: buffers of files that are read and written, and pages that the C heaps keep. The
 * rest is block cache, which indexes, filters and what compactions build are charged to. All databases of a slot share
 * that half.
 */
import { DiskBackend, type DiskBackendOptions, type OpenStore } from '../disk/disk-backend.ts'
import type { StateBudget } from '../state-budget.ts'
import { rocksdbBinding } from './binding.ts'
import { blockCacheBytesDefault, type RocksdbOptions, RocksdbStore } from './rocksdb-store.ts'

export interface RocksdbBackendOptions extends DiskBackendOptions {
  readonly rocksdb?: RocksdbOptions
}

const engineShareOfBudget = 0.5
const reserveShareOfBudget = 1 / 16
const reserveBytesMin = 8 * 1024 * 1024
/** Where the budget has no more to give. */
const cacheBytesMin = 4 * 1024 * 1024

/** What the databases of a slot, which are on one thread, have together. */
interface EngineMemory {
  readonly cacheBytes: number
  readonly chargedBytes: number
  backends: number
}

const byBudget: WeakMap<StateBudget, EngineMemory> = new WeakMap()

class RocksdbBackend extends DiskBackend {
  readonly #budget: StateBudget | undefined
  #isReleased = false

  constructor(openStore: OpenStore, options: RocksdbBackendOptions) {
    super('rocksdb', openStore, options)
    this.#budget = options.budget
  }

  override async close(): Promise<void> {
    await super.close()
    if (this.#isReleased) return
    this.#isReleased = true
    if (this.#budget !== undefined) leaveEngine(this.#budget)
  }
}

export function openRocksdbBackend(options: RocksdbBackendOptions): DiskBackend {
  rocksdbBinding()
  const { budget } = options
  const blockCacheBytes = budget === undefined ? blockCacheBytesDefault : joinEngine(budget)
  const settings = { blockCacheBytes, ...options.rocksdb }
  try {
    return new RocksdbBackend((directory) => new RocksdbStore(directory, settings), options)
  } catch (error) {
    if (budget !== undefined) leaveEngine(budget)
    throw error
  }
}

/** Bytes of the slot's share of the block cache. */
function joinEngine(budget: StateBudget): number {
  let memory = byBudget.get(budget)
  if (memory === undefined) byBudget.set(budget, (memory = chargeEngine(budget)))
  memory.backends++
  return memory.cacheBytes
}

function chargeEngine(budget: StateBudget): EngineMemory {
  const { limitBytes = Infinity } = budget
  if (!Number.isFinite(limitBytes)) return { cacheBytes: blockCacheBytesDefault, chargedBytes: 0, backends: 0 }
  const chargedBytes = Math.floor(limitBytes * engineShareOfBudget)
  if (!budget.tryCharge(chargedBytes)) return { cacheBytes: cacheBytesMin, chargedBytes: 0, backends: 0 }
  const cacheBytes = chargedBytes - Math.floor(limitBytes * reserveShareOfBudget) - reserveBytesMin
  return { cacheBytes: Math.max(cacheBytesMin, cacheBytes), chargedBytes, backends: 0 }
}

function leaveEngine(budget: StateBudget): void {
  const memory = byBudget.get(budget)
  if (memory === undefined || --memory.backends > 0) return
  byBudget.delete(budget)
  budget.release(memory.chargedBytes)
}
