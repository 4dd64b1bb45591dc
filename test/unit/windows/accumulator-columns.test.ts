import { describe, expect, it } from 'vitest'
import { prng } from '../../../src/common/prng.ts'
import { AccumulatorColumns } from '../../../src/windows/accumulator-columns.ts'

class Total {
  sum = 1
}

describe('accumulators in columns', () => {
  it('answer a copy with the same names in the same order', () => {
    const first = { word: 'a', count: 1, seen: true, last: undefined, none: null, big: 5n }
    const columns = new AccumulatorColumns<object>(first, 4)
    columns.set(3, first)
    expect(columns.copies).toBe(true)
    expect(columns.get(3)).toStrictEqual(first)
    expect(columns.get(3)).not.toBe(columns.get(3))
    expect(Object.keys(columns.get(3))).toEqual(Object.keys(first))
  })

  it('widen a column for a value that does not fit, and keep what was there', () => {
    const values = [1, -(2 ** 31), -0, 2 ** 31, 0.5, Number.NaN, 'text', null]
    const columns = new AccumulatorColumns<{ v: unknown }>({ v: 1 }, values.length)
    for (const [at, v] of values.entries()) columns.set(at, { v })
    for (const [at, v] of values.entries()) expect(columns.get(at)).toStrictEqual({ v })
    expect(columns.copies).toBe(true)
  })

  it.each([
    ['other names', { other: 1 }],
    ['more names', { v: 1, w: 2 }],
    ['fewer names', {}],
    ['a field that is no primitive', { v: [1] }],
    ['another prototype', Object.assign(Object.create(null) as object, { v: 1 })],
    ['a class', new Total()],
  ])('keep an object with %s as it is, and what was there', (_what, unlike) => {
    const columns = new AccumulatorColumns<object>({ v: 1 }, 4)
    columns.set(0, { v: 7 })
    columns.set(1, unlike)
    expect(columns.copies).toBe(false)
    expect(columns.get(0)).toStrictEqual({ v: 7 })
    expect(columns.get(1)).toBe(unlike)
    const after = { v: 8 }
    columns.set(0, after)
    columns.grow(16)
    columns.set(15, after)
    expect([columns.get(0), columns.get(1), columns.get(15)]).toStrictEqual([after, unlike, after])
  })

  it('keep objects as they are from the beginning where the first is no plain one', () => {
    const first = new Total()
    const columns = new AccumulatorColumns<Total>(first, 4)
    columns.set(2, first)
    columns.grow(8)
    expect(columns.copies).toBe(false)
    expect(columns.get(2)).toBe(first)
  })

  it('take names that are code elsewhere', () => {
    const first = { 'a b': 1, '"': 2, constructor: 3, 7: 4 }
    const columns = new AccumulatorColumns<object>(first, 1)
    columns.set(0, first)
    expect(columns.get(0)).toStrictEqual(first)
    const odd = JSON.parse('{"__proto__": 1}') as object
    const others = new AccumulatorColumns<object>(odd, 1)
    others.set(0, odd)
    expect(others.get(0)).toBe(odd)
  })

  it.each(Array.from({ length: 20 }, (_, seed) => seed))('hold what a plain array holds (seed %i)', (seed) => {
    const { nextBelow } = prng(seed)
    const numbers = [0, -0, 1, 2 ** 31, 1.5, Number.NaN, Number.POSITIVE_INFINITY]
    const numberOf = (): number => (nextBelow(50) === 0 ? numbers[nextBelow(numbers.length)]! : nextBelow(100))
    const make = (): object => {
      if (seed % 2 === 0 && nextBelow(100) === 0) return { key: 1, list: [numberOf()] }
      return { key: numberOf(), name: nextBelow(10) > 0 ? 'x' : BigInt(nextBelow(3)) }
    }
    let length = 8
    const columns = new AccumulatorColumns<object>({ key: 1, name: 'x' }, length)
    const model: (object | undefined)[] = []
    for (let step = 0; step < 500; step++) {
      if (nextBelow(50) === 0 && length < 1024) columns.grow((length *= 2))
      const at = nextBelow(Math.min(length, 64))
      model[at] = make()
      columns.set(at, model[at])
      const read = nextBelow(Math.min(length, 64))
      if (model[read] !== undefined) expect(columns.get(read)).toStrictEqual(model[read])
    }
  })
})
