import { expect, test } from 'vitest'
import { errorCodes } from '../../../src/common/error-codes.ts'
import { MillraceError, asMillraceError, codeOf, fromPlain, toPlain } from '../../../src/common/errors.ts'

test('an error keeps code, context, stack and cause over a structured clone', () => {
  const cause = new TypeError('x is not a function')
  const error = new MillraceError('MR_USER_FUNCTION_FAILED', 'Map failed', {
    cause,
    context: { operator: 'Map', subtask: 3, record: '{"a":1}' },
  })
  const copy = fromPlain(structuredClone(toPlain(error)))
  expect(codeOf(copy)).toBe('MR_USER_FUNCTION_FAILED')
  expect(copy).toMatchObject({ message: 'Map failed', context: error.context, stack: error.stack })
  expect(copy.cause).toMatchObject({ name: 'TypeError', message: 'x is not a function', stack: cause.stack })
})

test('a foreign error is wrapped once, with its own code where that is one of ours', () => {
  const wrapped = asMillraceError(new Error('boom'), 'MR_SINK_FAILED')
  expect(wrapped.code).toBe('MR_SINK_FAILED')
  expect(asMillraceError(wrapped, 'MR_INTERNAL')).toBe(wrapped)
  expect(asMillraceError(Object.assign(new Error('copy'), { code: 'MR_STATE_NO_KEY' })).code).toBe('MR_STATE_NO_KEY')
})

test('a cycle of causes ends', () => {
  const error = new Error('a') as Error & { cause: unknown }
  error.cause = error
  let depth = 0
  for (let plain = toPlain(error); plain.cause !== undefined; plain = plain.cause) depth++
  expect(depth).toBe(8)
})

test('every code names its area, says what happened and what to do', () => {
  for (const [code, entry] of Object.entries(errorCodes)) {
    expect(code).toMatch(/^MR_[A-Z]+(_[A-Z]+)*$/)
    expect(entry.summary, code).toMatch(/\.$/)
    expect(entry.advice, code).toMatch(/\.$/)
    expect(entry.exitCode, code).toBeGreaterThan(0)
  }
})
