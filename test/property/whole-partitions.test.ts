import fc from 'fast-check'
import { expect, it } from 'vitest'
import { types } from '../../src/data/types.ts'
import type { KeyedStateHandle, ValueState } from '../../src/state/keyed-state-backend.ts'
import { ManagedBackend } from '../../src/state/managed/managed-backend.ts'
import { MemorySnapshotStore } from '../support/memory-snapshot-store.ts'

/**
 * The managed backend takes a partition whole where most of its entries change between two snapshots. Whatever mix of
 * changes, snapshots, failures and savepoints there is, what is restored is what was there.
 */
const range = { keyGroupRange: { first: 0, last: 127 }, maxParallelism: 128 }
const numRuns = process.env['MILLRACE_FULL'] === '1' ? 3000 : 200

type Between = { readonly between: readonly number[] }
type Savepoint = { readonly type: 'savepoint' } & Between
type Snapshot = { readonly type: 'snapshot'; readonly end: 'complete' | 'late' | 'abort' | 'fail' } & Between
type Change = { readonly type: 'updateAll' } | { readonly type: 'update' | 'remove'; readonly key: number }
type Step = Change | Snapshot | Savepoint

const keys = fc.integer({ min: 0, max: 20 })
const between = fc.array(keys, { maxLength: 6 })
const ends = fc.constantFrom<'complete' | 'late' | 'abort' | 'fail'>('complete', 'complete', 'late', 'abort', 'fail')
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ type: 'updateAll' }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constantFrom<'update' | 'remove'>('update', 'update', 'remove'), key: keys }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant<'snapshot'>('snapshot'), end: ends, between }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant<'savepoint'>('savepoint'), between }) },
)

class Run {
  readonly store = new MemorySnapshotStore()
  readonly model = new Map<number, number>()
  readonly backend = new ManagedBackend({ ...range, partitionEntriesMax: 4, wholeEntriesMin: 1, snapshotChunkBytes: 1 })
  readonly state: ValueState<number> = this.backend.value({ kind: 'value', name: 'n', type: types.float64() })
  #id = 0
  #clock = 0
  #late: number[] = []

  async take(step: Step): Promise<void> {
    switch (step.type) {
      case 'updateAll':
        for (let key = 0; key <= 20; key++) this.#update(key)
        return
      case 'update':
        return this.#update(step.key)
      case 'remove':
        return this.#remove(step.key)
      case 'snapshot':
      case 'savepoint':
        return await this.#snapshot(step)
    }
  }

  #update(key: number): void {
    this.backend.setCurrentKey(key)
    this.state.update(++this.#clock)
    this.model.set(key, this.#clock)
  }

  #remove(key: number): void {
    this.backend.setCurrentKey(key)
    this.state.clear()
    this.model.delete(key)
  }

  async #snapshot(step: Snapshot | Savepoint): Promise<void> {
    const { backend, store } = this
    const isSavepoint = step.type === 'savepoint'
    const then = new Map(this.model)
    const id = ++this.#id
    const changes = [...step.between]
    store.betweenChunks = () => {
      const key = changes.pop()
      if (key === undefined) return
      if (key % 3 === 0) this.#remove(key)
      else this.#update(key)
    }
    if (step.type === 'snapshot' && step.end === 'fail') store.failNextWrite = new Error('disk')
    let handle: KeyedStateHandle
    try {
      handle = await backend.snapshot(id, store, { isSavepoint })
    } catch {
      backend.notifyCheckpointAborted(id)
      return
    } finally {
      store.betweenChunks = () => {}
      store.failNextWrite = undefined
    }
    if (isSavepoint) backend.notifyCheckpointAborted(id)
    else if (step.end === 'late') this.#late.push(id)
    else if (step.end === 'complete') {
      for (const late of this.#late.splice(0)) backend.notifyCheckpointComplete(late)
      backend.notifyCheckpointComplete(id)
    } else {
      this.#late.length = 0
      backend.notifyCheckpointAborted(id)
    }
    expect(await contentOf(structuredClone(handle), store)).toEqual(new Map([...then].toSorted(byKey)))
  }
}

const byKey = ([a]: [number, number], [b]: [number, number]): number => a - b

async function contentOf(handle: KeyedStateHandle, store: MemorySnapshotStore): Promise<Map<number, number>> {
  const backend = new ManagedBackend(range)
  await backend.restore([handle], store)
  const state = backend.value<number>({ kind: 'value', name: 'n', type: types.float64() })
  const found: [number, number][] = []
  backend.forEachKey('n', (key) => {
    backend.setCurrentKey(key)
    found.push([key as number, state.value()!])
  })
  await backend.close()
  return new Map(found.toSorted(byKey))
}

const snapshot = (end: 'complete' | 'fail'): Step => ({ type: 'snapshot', end, between: [] })
/** What the failed snapshots were to write is written by the last one. */
const failures: Step[] = [
  { type: 'updateAll' },
  snapshot('complete'),
  { type: 'update', key: 12 },
  snapshot('complete'),
  { type: 'updateAll' },
  snapshot('fail'),
  snapshot('fail'),
  snapshot('complete'),
]

it('restores what was there, whichever partitions are taken whole', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 4, maxLength: 30 }), async (list) => {
      const run = new Run()
      try {
        for (const step of list) await run.take(step)
      } finally {
        await run.backend.close()
      }
    }),
    {
      numRuns,
      examples: [[failures], [[...failures.slice(0, -1), { type: 'savepoint', between: [] }, ...failures.slice(-1)]]],
    },
  )
})
