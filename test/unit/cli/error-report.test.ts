import { stripVTControlCharacters } from 'node:util'
import { expect, it } from 'vitest'
import { errorReport, printError } from '../../../src/cli/error-report.ts'
import { errorJson } from '../../../src/cli/summary.ts'
import { fromPlain, MillraceError, toPlain } from '../../../src/common/errors.ts'

const failed = (): MillraceError =>
  new MillraceError('MR_USER_FUNCTION_FAILED', 'map of Map[1] threw: oh', {
    cause: new TypeError('oh'),
    context: { operator: 'Map', subtask: 1, record: '{"a":1}' },
  })

it('prints code, message, place, the cause with its stack, and advice', () => {
  let text = ''
  printError(errorReport(fromPlain(structuredClone(toPlain(failed())))), (part) => (text += part))
  const plain = stripVTControlCharacters(text)
  expect(plain).toMatch(/^error MR_USER_FUNCTION_FAILED: map of Map\[1\] threw: oh\n/)
  expect(plain).toContain('where: operator Map, subtask 1, record {"a":1}\n')
  expect(plain).toMatch(/cause: TypeError: oh\n {4}at .*error-report\.test\.ts/)
  expect(plain).toContain("advice: See the operator, the record and the user's stack in the message.")
})

it('gives the exit code of the table; an error without a code is a defect and shows its own stack', () => {
  expect(errorReport(failed()).exitCode).toBe(1)
  expect(errorReport(new MillraceError('MR_JOB_CANCELED', 'x')).exitCode).toBe(130)
  expect(errorReport(new MillraceError('MR_CLI_USAGE', 'x')).exitCode).toBe(2)
  const report = errorReport(new RangeError('lost'))
  expect(report).toMatchObject({ code: 'MR_INTERNAL', message: 'lost', exitCode: 1 })
  expect(report.causes[0]!.message).toBe('RangeError: lost')
})

it('as JSON is one line with code, message, advice and context', () => {
  const line = errorJson(errorReport(failed()))
  expect(line).toMatch(/^[^\n]+\n$/)
  expect(JSON.parse(line)).toMatchObject({
    status: 'FAILED',
    error: { code: 'MR_USER_FUNCTION_FAILED', context: { operator: 'Map', subtask: 1 }, retryable: true },
  })
})
