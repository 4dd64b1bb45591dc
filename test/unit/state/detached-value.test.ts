import { describe, expect, it } from 'vitest'
import { detached, detachedText, estimatedBytes } from '../../../src/state/detached-value.ts'

describe('detached values', () => {
  it('copies texts of any alphabet and length unchanged', () => {
    for (const text of [
      '',
      'short',
      'x'.repeat(13),
      'é'.repeat(40),
      '日本語'.repeat(10),
      '\ud800'.repeat(20),
      'y'.repeat(9000),
    ]) {
      expect(detachedText(`${text}!`.slice(0, -1))).toBe(text)
    }
  })

  it('copies the texts of arrays and plain objects in place, and leaves frozen ones alone', () => {
    const long = 'a text long enough to be a slice'
    const row = { a: long.slice(2), b: 1 }
    expect(detached(row)).toBe(row)
    expect(row.a).toBe(long.slice(2))
    expect(detached([long.slice(1), 2])).toEqual([long.slice(1), 2])
    const frozen = Object.freeze({ a: long.slice(3) })
    expect(detached(frozen)).toBe(frozen)
  })

  it('lets go of the text that a key or value was cut out of', () => {
    if (globalThis.gc === undefined) return
    const kept: string[] = []
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 50; i++) {
      const batch = Buffer.alloc(1_000_000, 97 + (i % 20)).toString('latin1')
      kept.push(detachedText(batch.substring(100, 130)))
    }
    globalThis.gc()
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000)
    expect(kept.length).toBe(50)
  })

  it('estimates more for more', () => {
    expect(estimatedBytes('x'.repeat(100))).toBeGreaterThan(estimatedBytes('x'))
    expect(estimatedBytes({ a: 'text', b: 1.5 })).toBeGreaterThan(estimatedBytes({ a: 1 }))
    expect(estimatedBytes([1.5, 2.5, 3.5])).toBeGreaterThan(estimatedBytes([1.5]))
    expect(estimatedBytes(new Uint8Array(1000))).toBeGreaterThan(1000)
  })
})
