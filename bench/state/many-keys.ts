/**
 * Do the backends hold 20 million keys (a JavaScript Map ends at 2^24 entries), and at what cost? Keys are inserted, then
 * read, modified and written at random; the longest single operation shows what growing costs.
 *
 *   node --max-old-space-size=8000 bench/state/many-keys.ts [--json] [--keys 20000000] [--backend managed|heap]
 */
import { parseArgs } from 'node:util'
import { prng } from '../../src/common/prng.ts'
import { types } from '../../src/data/types.ts'
import { createKeyedStateBackend, type KeyedBackendKind } from '../../src/state/create-keyed-state-backend.ts'

export interface ManyKeysFigures {
  readonly backend: string
  readonly keys: number
  readonly insertsPerSecondMillions: number
  readonly updatesPerSecondMillions: number
  readonly longestInsertMs: number
  readonly bytesPerKey: number
  readonly residentBytesPerKey: number
  readonly checksum: number
}

const updatesMax = 4_000_000

export async function manyKeysFigures(kind: KeyedBackendKind, keys: number): Promise<ManyKeysFigures> {
  const residentBefore = process.memoryUsage.rss()
  const backend = createKeyedStateBackend(kind, { keyGroupRange: { first: 0, last: 127 }, maxParallelism: 128 })
  const state = backend.value<number>({ kind: 'value', name: 'n', type: types.float64() })
  let longestInsertMs = 0
  const start = performance.now()
  let before = start
  for (let key = 0; key < keys; key++) {
    backend.setCurrentKey(key)
    state.update(1)
    const now = performance.now()
    if (now - before > longestInsertMs) longestInsertMs = now - before
    before = now
  }
  const insertSeconds = (performance.now() - start) / 1000
  const random = prng(3)
  const updates = Math.min(keys, updatesMax)
  const updateStart = performance.now()
  for (let i = 0; i < updates; i++) {
    backend.setCurrentKey(random.nextBelow(keys))
    state.update(state.value()! + 1)
  }
  const updateSeconds = (performance.now() - updateStart) / 1000
  const bytesPerKey = backend.usedBytes() / keys
  const residentBytesPerKey = (process.memoryUsage.rss() - residentBefore) / keys
  const checksum = backend.entryCount()
  await backend.close()
  return {
    backend: kind,
    keys,
    insertsPerSecondMillions: keys / insertSeconds / 1e6,
    updatesPerSecondMillions: updates / updateSeconds / 1e6,
    longestInsertMs,
    bytesPerKey,
    residentBytesPerKey,
    checksum,
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      keys: { type: 'string', default: '20000000' },
      backend: { type: 'string', default: 'managed' },
    },
  })
  const figures = await manyKeysFigures(values.backend as KeyedBackendKind, Number(values.keys))
  if (values.json) console.log(JSON.stringify({ bench: 'many-keys', node: process.version, figures }))
  else console.table(figures)
}
