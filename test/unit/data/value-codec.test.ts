import { describe, expect, it } from 'vitest'
import { codeOf } from '../../../src/common/errors.ts'
import { ByteReader, ByteWriter } from '../../../src/data/bytes.ts'
import { type DataType, types } from '../../../src/data/types.ts'
import { codecFor, keyCodecFor } from '../../../src/data/value-codec.ts'

function roundTrip(value: unknown, type?: DataType): unknown {
  const codec = codecFor(type)
  const out = new ByteWriter(1)
  codec.encode(value, out)
  codec.encode(value, out)
  const input = new ByteReader(out.take())
  const first = codec.decode(input)
  expect(codec.decode(input)).toStrictEqual(first)
  expect(input.remaining).toBe(0)
  return first
}

function failureOf(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  throw new Error('expected a failure')
}

describe('the generic codec', () => {
  const wide = '\ud800 lone, ä latin, 漢字, 😀 \udc00'
  const holes = [1, , undefined, , 3] // eslint-disable-line no-sparse-arrays
  const values: unknown[] = [
    null,
    undefined,
    true,
    false,
    0,
    -0,
    1,
    -1,
    2 ** 31 - 1,
    -(2 ** 31),
    2 ** 31,
    1.5,
    NaN,
    Infinity,
    -Infinity,
    5e-324,
    0n,
    -1n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    2n ** 63n,
    -(2n ** 200n),
    '',
    'plain',
    wide,
    wide.repeat(50),
    'x'.repeat(100_000),
    'é'.repeat(1000),
    new Date(1234567890123),
    new Uint8Array([1, 2, 3]),
    Buffer.from('abc'),
    new Float64Array([1.5, -0, NaN]),
    new BigInt64Array([5n]),
    new Int16Array([1, -1]),
    [1, [2, ['3']], { four: 4 }],
    holes,
    new Map<unknown, unknown>([
      [{ a: 1 }, new Set([1, '1', null])],
      ['k', undefined],
    ]),
    {
      a: 1,
      b: { a: 2, b: null },
      c: [
        { a: 1, b: 2 },
        { a: 3, b: 4 },
      ],
      d: undefined,
    },
    { 1: 'one', '0': 'zero', 'with space': true, '"quoted"': '\u2028' },
    JSON.parse('{"__proto__": {"x": 1}, "constructor": 5}'),
    Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`key ${i}`, i])),
    Object.assign(Object.create(null), { nothing: 'above' }),
  ]
  it.each(values.map((value, i) => [i, value] as const))('reads value %i back exactly', (_, value) => {
    const back = roundTrip(value)
    expect(back).toStrictEqual(value)
    if (typeof value === 'object' && value !== null) {
      expect(Object.getPrototypeOf(back)).toBe(Object.getPrototypeOf(value))
      expect(Object.keys(back as object)).toEqual(Object.keys(value))
    }
  })

  it('tells a hole from undefined', () => {
    const back = roundTrip(holes) as unknown[]
    expect([0, 1, 2, 3, 4].map((i) => i in back)).toEqual([true, false, true, false, true])
  })

  it('names the path of what has no plain meaning', () => {
    class Point {
      x = 1
    }
    const cyclic: Record<string, unknown> = { name: 'loop' }
    cyclic['inner'] = { up: [cyclic] }
    let deep: unknown = null
    for (let i = 0; i < 1500; i++) deep = { deep }
    const cases: [unknown, RegExp][] = [
      [{ a: [1, { run: () => 1 }] }, /\$\.a\[1\]\.run is a function \(run\)/],
      [{ tag: Symbol('x') }, /\$\.tag is a symbol/],
      [new Map([['k', new Point()]]), /\$\.<value of k> is an instance of Point/],
      [cyclic, /\$\.inner\.up\[0\] is a reference to one of its own ancestors/],
      [{ 'odd key': Promise.resolve() }, /\$\["odd key"\] is an instance of Promise/],
      [deep, /nested deeper than 1000/],
    ]
    for (const [value, message] of cases) {
      const error = failureOf(() => roundTrip(value))
      expect(codeOf(error)).toBe('MR_DATA_NOT_SERIALIZABLE')
      expect((error as Error).message).toMatch(message)
    }
  })

  it('works again after a failure', () => {
    const codec = codecFor(undefined)
    const out = new ByteWriter()
    expect(() => codec.encode({ a: { b: () => 1 } }, out)).toThrow()
    out.reset()
    codec.encode({ a: { b: 1 } }, out)
    expect(codec.decode(new ByteReader(out.take()))).toEqual({ a: { b: 1 } })
  })

  it('survives more shapes than its caches hold', () => {
    const many = Array.from({ length: 1500 }, (_, i) => ({ [`f${i}`]: i, common: 'x' }))
    expect(roundTrip(many)).toEqual(many)
  })
})

describe('typed codecs', () => {
  const row = types.row({ id: types.int32(), name: types.text(), tags: types.list(types.nullable(types.text())) })
  const good: [string, DataType, unknown, number][] = [
    ['float64', types.float64().dataType, -0, 8],
    ['int32', types.int32().dataType, -5, 4],
    ['int64', types.int64().dataType, -(2n ** 63n), 8],
    ['bool', types.bool().dataType, true, 1],
    ['timestamp', types.timestamp().dataType, 1700000000000, 8],
    ['text', types.text().dataType, 'häßlich 漢', -1],
    ['bytes', types.bytes().dataType, new Uint8Array([0, 255]), -1],
    ['decimal(18)', types.decimal(18, 2).dataType, -(10n ** 18n - 1n), 8],
    ['decimal(38)', types.decimal(38, 10).dataType, -(10n ** 38n - 1n), 16],
    ['decimal(38), positive', types.decimal(38, 10).dataType, 10n ** 37n, 16],
    ['list', types.list(types.float64()).dataType, [1, NaN], -1],
    ['list of int32', types.list(types.int32()).dataType, [0, 2 ** 31 - 1, -(2 ** 31), 7], -1],
    ['empty list of int32', types.list(types.int32()).dataType, [], -1],
    ['row', row.dataType, { id: 1, name: 'a', tags: ['x', null] }, -1],
    ['nullable', types.nullable(types.int64()).dataType, null, -1],
    ['fixed row', types.row({ a: types.int32(), b: types.float64() }).dataType, { a: 1, b: 2.5 }, 12],
    [
      'row with odd names',
      types.row({ 'a"b': types.int32(), ['__proto__']: types.int32() }).dataType,
      JSON.parse('{"a\\"b":1,"__proto__":2}'),
      8,
    ],
  ]
  it.each(good)('reads %s back exactly', (_, type, value, fixedBytes) => {
    expect(roundTrip(value, type)).toStrictEqual(value)
    expect(codecFor(type).fixedBytes).toBe(fixedBytes)
  })

  const bad: [string, DataType, unknown][] = [
    ['text for float64', types.float64().dataType, '1'],
    ['a fraction for int32', types.int32().dataType, 1.5],
    ['a number for int64', types.int64().dataType, 1],
    ['65 bits for int64', types.int64().dataType, 2n ** 63n],
    ['null for text', types.text().dataType, null],
    ['undefined for nullable text', types.nullable(types.text()).dataType, undefined],
    ['19 digits for decimal(18)', types.decimal(18, 0).dataType, 10n ** 18n],
    ['an object for a list', types.list(types.bool()).dataType, {}],
    ['an object for a list of int32', types.list(types.int32()).dataType, {}],
    ['33 bits in a list of int32', types.list(types.int32()).dataType, [1, 2 ** 31]],
    ['text in a list of int32', types.list(types.int32()).dataType, ['1']],
    ['undefined in a list of int32', types.list(types.int32()).dataType, [1, undefined]],
    ['a missing field', row.dataType, { id: 1, tags: [] }],
  ]
  it.each(bad)('refuses %s', (_, type, value) => {
    expect(codeOf(failureOf(() => roundTrip(value, type)))).toBe('MR_DATA_TYPE_MISMATCH')
  })
})

describe('key codecs', () => {
  const bytesOf = (key: unknown): string => {
    const out = new ByteWriter()
    keyCodecFor(undefined).encode(key, out)
    return Buffer.from(out.take()).toString('hex')
  }
  it('give equal keys equal bytes', () => {
    expect(bytesOf({ b: 1, a: { d: 2, c: 3 } })).toBe(bytesOf({ a: { c: 3, d: 2 }, b: 1 }))
    expect(bytesOf(-0)).toBe(bytesOf(0))
    expect(bytesOf('1')).not.toBe(bytesOf(1))
    expect(bytesOf(1n)).not.toBe(bytesOf(1))
  })
})

describe('reading', () => {
  it('refuses bytes that end too early or hold an unknown tag', () => {
    const out = new ByteWriter()
    codecFor(undefined).encode({ a: 'some text', b: [1, 2.5, 3n] }, out)
    const whole = out.take()
    for (let cut = 0; cut < whole.length; cut++) {
      expect(codeOf(failureOf(() => codecFor(undefined).decode(new ByteReader(whole.subarray(0, cut)))))).toBe(
        'MR_DATA_CORRUPT',
      )
    }
    expect(codeOf(failureOf(() => codecFor(undefined).decode(new ByteReader(new Uint8Array([31])))))).toBe(
      'MR_DATA_CORRUPT',
    )
  })
})
