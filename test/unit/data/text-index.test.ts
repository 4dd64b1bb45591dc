import { describe, expect, it } from 'vitest'
import { prng } from '../../../src/common/prng.ts'
import { hashKey } from '../../../src/data/key-groups.ts'
import { TextIndex } from '../../../src/data/text-index.ts'

describe('the text index', () => {
  it.each([0, 40_000])('finds every text as it grows, and none that was not added; %i expected', (expected) => {
    const random = prng(3)
    const index = new TextIndex(expected)
    const model = new Map<string, number>()
    for (let i = 0; i < 60_000; i++) {
      const text = `${'wörd'.slice(0, i % 5)}${Math.floor(random.nextFloat() * 20_000)}`
      expect(index.find(text)).toBe(model.get(text) ?? -1)
      if (model.has(text)) continue
      expect(index.add(text, model.size)).toBe(true)
      model.set(text, model.size)
    }
    for (const [text, number] of model) expect(index.find(text)).toBe(number)
  })

  it('has no number for long texts', () => {
    const index = new TextIndex()
    expect(index.add('x'.repeat(65), 0)).toBe(false)
    expect(index.find('x'.repeat(65))).toBe(-1)
    expect(index.add('x'.repeat(64), 0)).toBe(true)
    expect(index.find('x'.repeat(64))).toBe(0)
  })

  it('gives texts that collide no number beyond a few hundred', () => {
    // Of a table that does not grow, by the low bits of the hash.
    const index = new TextIndex(1000)
    const colliding: string[] = []
    for (let i = 0; colliding.length < 300; i++) if ((hashKey(`${i}`) & 2047) === 7) colliding.push(`${i}`)
    const added = colliding.filter((text, number) => index.add(text, number))
    expect(added).toHaveLength(256)
    colliding.forEach((text, number) => expect(index.find(text)).toBe(number < 256 ? number : -1))
  })
})
