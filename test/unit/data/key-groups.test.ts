import { describe, expect, it } from 'vitest'
import { codeOf } from '../../../src/common/errors.ts'
import {
  hashKey,
  keyGroupOf,
  keyGroupRangeOf,
  maxParallelismFor,
  subtaskOfKeyGroup,
} from '../../../src/data/key-groups.ts'

describe('hashKey', () => {
  it('gives equal keys equal hashes', () => {
    expect(hashKey(-0)).toBe(hashKey(0))
    expect(hashKey(NaN)).toBe(hashKey(Number.NaN))
    expect(hashKey(new Date(5))).toBe(hashKey(new Date(5)))
    expect(hashKey({ a: 1, b: ['x', null] })).toBe(hashKey({ b: ['x', null], a: 1 }))
    expect(hashKey(['a', ['b']])).toBe(hashKey(['a', ['b']]))
    expect(hashKey(new Uint8Array([1, 2]))).toBe(hashKey(Buffer.from([1, 2])))
    expect(hashKey(2n ** 100n)).toBe(hashKey(1n << 100n))
  })

  it('never changes, since key groups are stored in snapshots', () => {
    const keys = [0, 1, -1, 1.5, 2 ** 40, '', 'a', 'word', '漢字', true, false, 5n, -(2n ** 70n), [1, 'a'], { k: 1 }]
    expect(keys.map(hashKey)).toMatchInlineSnapshot(`
      [
        0,
        1364076727,
        -2114883783,
        935236321,
        291070324,
        0,
        1867108634,
        -1996542359,
        -1132726043,
        -555704587,
        742440545,
        -104946764,
        -1356034751,
        -1468920898,
        1968738970,
      ]
    `)
  })

  it('tells different keys apart', () => {
    const keys = [
      1,
      1n,
      '1',
      true,
      [1],
      { a: 1 },
      { a: 1n },
      { b: 1 },
      ['1'],
      -1n,
      0n,
      [],
      {},
      'ab',
      'ba',
      [1, 2],
      [2, 1],
    ]
    expect(new Set(keys.map(hashKey)).size).toBe(keys.length)
  })

  it('spreads whole numbers, words and dates evenly over key groups', () => {
    const kinds = [
      (i: number) => i,
      (i: number) => `word-${i}`,
      (i: number) => new Date(i * 3_600_000),
      (i: number) => i / 7,
    ]
    for (const kind of kinds) {
      const counts = new Int32Array(128)
      for (let i = 0; i < 128_000; i++) counts[keyGroupOf(kind(i), 128)]!++
      expect(Math.max(...counts)).toBeLessThan(1150)
      expect(Math.min(...counts)).toBeGreaterThan(850)
    }
  })

  it.each([[null], [undefined]])('refuses %s as a key', (key) => {
    expect(() => hashKey(key)).toThrow(expect.objectContaining({ code: 'MR_STATE_NO_KEY' }))
  })

  it('refuses keys without a value of their own', () => {
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    for (const key of [() => 1, Symbol('s'), new Map(), new (class Point {})(), cyclic]) {
      try {
        hashKey(key)
        expect.unreachable()
      } catch (error) {
        expect(codeOf(error)).toBe('MR_DATA_NOT_SERIALIZABLE')
      }
    }
  })
})

describe('key groups', () => {
  it('are owned by exactly the subtask whose range holds them', () => {
    for (const [parallelism, maxParallelism] of [
      [1, 1],
      [1, 128],
      [2, 128],
      [3, 128],
      [7, 100],
      [128, 128],
      [5, 32768],
    ] as const) {
      let next = 0
      for (let subtask = 0; subtask < parallelism; subtask++) {
        const { first, last } = keyGroupRangeOf(subtask, parallelism, maxParallelism)
        expect(first).toBe(next)
        for (let group = first; group <= last; group++) {
          expect(subtaskOfKeyGroup(group, parallelism, maxParallelism)).toBe(subtask)
        }
        next = last + 1
      }
      expect(next).toBe(maxParallelism)
    }
  })

  it('count by the 1.5 rule where no maximum is given', () => {
    expect([1, 85, 86, 128, 200, 30_000].map(maxParallelismFor)).toEqual([128, 128, 256, 256, 512, 32768])
  })
})
