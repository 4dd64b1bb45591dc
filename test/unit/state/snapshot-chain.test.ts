import { describe, expect, test } from 'vitest'
import { SnapshotChain } from '../../../src/state/snapshot-chain.ts'
import type { StoredFile } from '../../../src/state/snapshot-store.ts'

const file = (path: string, bytes: number): StoredFile => ({ path, bytes, crc32: 0, shared: true })

function chainOf(...bytes: number[]): SnapshotChain {
  const chain = new SnapshotChain()
  const files = bytes.map((each, i) => file(`${i}`, each))
  chain.record(1, files)
  chain.complete(1)
  return chain
}

describe('a chain of snapshots', () => {
  test('begins with a full one', () => {
    expect(new SnapshotChain().basis(0)).toBeUndefined()
  })

  test('takes one more delta until they are as large as the base', () => {
    expect(chainOf(100, 60, 40).basis(0)).toHaveLength(3)
    expect(chainOf(100, 60, 41).basis(0)).toBeUndefined()
  })

  test('that only grows takes more deltas: a new base would hold the same bytes once more', () => {
    expect(chainOf(100, 100, 100, 100).basis(400)).toHaveLength(4)
    expect(chainOf(100, 100, 100, 100).basis(200)).toHaveLength(4)
    expect(chainOf(100, 100, 100, 100).basis(199)).toBeUndefined()
  })

  test('gets a new base after 200 deltas', () => {
    const deltas = Array.from({ length: 200 }, () => 1)
    expect(chainOf(1000, ...deltas).basis(1200)).toBeUndefined()
    expect(chainOf(1000, ...deltas.slice(1)).basis(1200)).toHaveLength(200)
  })

  test('refers to completed checkpoints only', () => {
    const chain = chainOf(100)
    chain.record(2, [file('0', 100), file('2', 1)])
    expect(chain.basis(0)).toHaveLength(1)
    chain.abort(2)
    expect(chain.complete(2)).toBe(false)
    expect(chain.basis(0)).toHaveLength(1)
  })
})
