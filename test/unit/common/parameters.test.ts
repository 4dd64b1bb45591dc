import { expect, it } from 'vitest'
import { Parameters, parametersOf, parseParameters } from '../../../src/common/parameters.ts'

const parse = (...args: string[]) => new Parameters(parseParameters(args))

it('reads values, equals signs, flags, repeated keys and what belongs to no key', () => {
  const parameters = parse('first', '--input', 'a.txt', '--out=x=y', '--verbose', '--input', 'b', '-n', '-5', '--last')
  expect(parameters.get('input')).toBe('b')
  expect(parameters.getAll('input')).toEqual(['a.txt', 'b'])
  expect(parameters.get('out')).toBe('x=y')
  expect(parameters.getInt('n')).toBe(-5)
  expect(parameters.getBoolean('verbose')).toBe(true)
  expect(parameters.has('last')).toBe(true)
  expect(parameters.has('toString')).toBe(false)
  expect(parameters.get('missing', 'fallback')).toBe('fallback')
  expect(parameters.positional).toEqual(['first'])
})

it('names a missing parameter and a malformed number', () => {
  expect(() => parse('--other', '1').required('input')).toThrow(
    expect.objectContaining({ code: 'MR_PARAMETER_MISSING', message: 'parameter --input is required; given: --other' }),
  )
  expect(() => parse('--n', '1e3').getInt('n')).toThrow(expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE' }))
  expect(() => parse('--n', 'x').getNumber('n')).toThrow("parameter --n must be a number, got 'x'")
})

it('travels as plain data', () => {
  const data = structuredClone(parse('--a', '1', '--b').toPlain())
  expect(new Parameters(data).getInt('a')).toBe(1)
  expect(parametersOf({ a: 1, flag: true, off: false, list: ['x', 'y'] })).toEqual({
    named: { a: ['1'], flag: [], list: ['x', 'y'] },
    positional: [],
  })
})
