import { expect, it } from 'vitest'
import { printValue } from '../../../src/common/print-value.ts'

it('prints what JSON has no words for, and cuts cycles off', () => {
  const cyclic: Record<string, unknown> = { n: 1 }
  cyclic['self'] = cyclic
  cyclic['list'] = [cyclic, { twice: 2 }, { twice: 2 }]
  expect(printValue(cyclic)).toBe('{"n":1,"self":"[cycle]","list":["[cycle]",{"twice":2},{"twice":2}]}')
  const shared = { a: 1 }
  expect(printValue([shared, shared])).toBe('[{"a":1},{"a":1}]')
  expect(printValue({ big: 7n, map: new Map([[1, { b: new Set([2]) }]]) })).toBe('{"big":"7n","map":[[1,{"b":[2]}]]}')
  expect([printValue(5n), printValue('x'), printValue(undefined), printValue(boom)]).toEqual([
    '5n',
    '"x"',
    'undefined',
    '[function boom]',
  ])
  expect(printValue('x'.repeat(100), 10)).toBe('"xxxxxxxx…')
  expect(printValue({ toJSON: boom })).toBe('[object Object]')
})

function boom(): never {
  throw new Error('boom')
}
