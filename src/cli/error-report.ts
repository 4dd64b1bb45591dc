/** Failures as the command line shows them: code, message, where, the cause with the user's own stack, advice. */
import { styleText } from 'node:util'
import { errorCodes } from '../common/error-codes.ts'
import { codeOf, type ErrorContext } from '../common/errors.ts'

export interface ErrorReport {
  readonly code: string
  readonly message: string
  readonly advice: string
  readonly retryable: boolean
  readonly context: ErrorContext
  readonly causes: readonly { readonly message: string; readonly stack: readonly string[] }[]
  readonly exitCode: number
}

const causesMax = 4
const stackLinesMax = 8

export function errorReport(error: unknown): ErrorReport {
  const code = codeOf(error) ?? 'MR_INTERNAL'
  const { advice, retryable, exitCode } = errorCodes[code]
  const { message = String(error), context = {} } = (error ?? {}) as { message?: string; context?: ErrorContext }
  return { code, message, advice, retryable, context, causes: causesOf(error), exitCode }
}

function causesOf(error: unknown): ErrorReport['causes'] {
  const causes: { message: string; stack: readonly string[] }[] = []
  // An error without code is its own cause: its stack is all there is to go by.
  let cause = codeOf(error) === undefined ? error : (error as { cause?: unknown }).cause
  while (cause !== undefined && cause !== null && causes.length < causesMax) {
    const { name = 'Error', message = String(cause), stack, cause: next } = cause as Partial<Error>
    causes.push({ message: `${codeOf(cause) ?? name}: ${message}`, stack: userFrames(stack) })
    cause = next
  }
  return causes
}

/** Frames of the user's files; where there are none, every frame. */
function userFrames(stack: string | undefined): string[] {
  const frames = (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const own = new URL('..', import.meta.url).href
  const users = frames.filter((line) => !line.includes('node:') && !line.includes(own) && !line.includes('<anonymous>'))
  return (users.length > 0 ? users : frames).slice(0, stackLinesMax).map((line) => line.trim())
}

export function printError(report: ErrorReport, write: (text: string) => void): void {
  const lines = [`${styleText('red', 'error')} ${styleText('bold', report.code)}: ${report.message}`]
  const where = Object.entries(report.context).map(([name, value]) => `${name} ${String(value)}`)
  if (where.length > 0) lines.push(`  where: ${where.join(', ')}`)
  for (const cause of report.causes) {
    lines.push(`  cause: ${cause.message}`, ...cause.stack.map((frame) => `    ${frame}`))
  }
  lines.push(`  advice: ${report.advice}`)
  write(`${lines.join('\n')}\n`)
}
