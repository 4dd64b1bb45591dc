/**
 * How long does a barrier hold the records up, how many bytes does an incremental checkpoint add, and how fast is state
 * restored? `managed`, counters by int keys; every checkpoint after 1 % of the keys changed. Bars: the synchronous part
 * at most 5 ms at 10 million keys, new bytes at most 3 % of a full snapshot per checkpoint on average over ten.
 *
 *   node bench/state/snapshots.ts [--json] [--keys 10000000] [--backend managed]
 */
import { parseArgs } from 'node:util'
import { prng } from '../../src/common/prng.ts'
import { types } from '../../src/data/types.ts'
import { createKeyedStateBackend, type KeyedBackendKind } from '../../src/state/create-keyed-state-backend.ts'
import type { KeyedStateBackend, KeyedStateHandle } from '../../src/state/keyed-state-backend.ts'
import { MemorySnapshotStore } from '../../test/support/memory-snapshot-store.ts'

export interface SnapshotFigures {
  readonly backend: string
  readonly keys: number
  readonly fullBytes: number
  /** Synchronous part of the first, full snapshot. */
  readonly fullStallMs: number
  readonly fullSeconds: number
  /** Longest synchronous part of the ten checkpoints after it. */
  readonly deltaStallMsMax: number
  readonly deltaStallMsMedian: number
  /** New bytes of a checkpoint as a fraction of the full one, on average. */
  readonly deltaBytesFraction: number
  readonly restoreSeconds: number
  readonly checksum: number
}

const checkpoints = 10
const changedFraction = 0.01

function open(kind: KeyedBackendKind): KeyedStateBackend {
  return createKeyedStateBackend(kind, { keyGroupRange: { first: 0, last: 127 }, maxParallelism: 128 })
}

export async function snapshotFigures(kind: KeyedBackendKind, keys: number): Promise<SnapshotFigures> {
  const backend = open(kind)
  const state = backend.value<number>({ kind: 'value', name: 'n', type: types.float64() })
  for (let key = 0; key < keys; key++) {
    backend.setCurrentKey(key * 3)
    state.update(1)
  }
  const store = new MemorySnapshotStore()
  const random = prng(5)
  const full = await checkpoint(backend, 1, store)
  const fullBytes = store.bytesWritten
  const stalls: number[] = []
  let handle: KeyedStateHandle = full.handle
  for (let id = 2; id < 2 + checkpoints; id++) {
    for (let i = 0; i < keys * changedFraction; i++) {
      backend.setCurrentKey(random.nextBelow(keys) * 3)
      state.update(state.value()! + 1)
    }
    const delta = await checkpoint(backend, id, store)
    stalls.push(delta.stallMs)
    handle = delta.handle
  }
  const restored = open(kind)
  const start = performance.now()
  await restored.restore([handle], store)
  const restoreSeconds = (performance.now() - start) / 1000
  const again = restored.value<number>({ kind: 'value', name: 'n', type: types.float64() })
  let checksum = 0
  restored.forEachKey('n', (key) => {
    restored.setCurrentKey(key)
    checksum += again.value()!
  })
  await backend.close()
  await restored.close()
  return {
    backend: kind,
    keys,
    fullBytes,
    fullStallMs: full.stallMs,
    fullSeconds: full.seconds,
    deltaStallMsMax: Math.max(...stalls),
    deltaStallMsMedian: stalls.toSorted((a, b) => a - b)[stalls.length >> 1]!,
    deltaBytesFraction: (store.bytesWritten - fullBytes) / fullBytes / checkpoints,
    restoreSeconds,
    checksum,
  }
}

async function checkpoint(
  backend: KeyedStateBackend,
  id: number,
  store: MemorySnapshotStore,
): Promise<{ handle: KeyedStateHandle; stallMs: number; seconds: number }> {
  const start = performance.now()
  const writing = backend.snapshot(id, store)
  const stallMs = performance.now() - start
  const handle = await writing
  backend.notifyCheckpointComplete(id)
  return { handle, stallMs, seconds: (performance.now() - start) / 1000 }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      keys: { type: 'string', default: '10000000' },
      backend: { type: 'string', default: 'managed' },
    },
  })
  const figures = await snapshotFigures(values.backend as KeyedBackendKind, Number(values.keys))
  if (values.json) console.log(JSON.stringify({ bench: 'snapshots', node: process.version, figures }))
  else console.table(figures)
}
