/** Turns what a user's function threw into a coded error that names operator, record, key and window. */
import { type ErrorContext, MillraceError, codeOf } from '../common/errors.ts'
import { printValue } from '../common/print-value.ts'
import type { OperatorContext } from './operator.ts'

/** What was at hand when the function threw; absent parts are left out. */
export interface AtHand {
  readonly record?: unknown
  readonly key?: unknown
  readonly window?: unknown
  /** What the function is, for example `trigger.onElement`. */
  readonly what?: string
}

/** Coded errors pass unchanged: an operator further down the chain, or state, has already said what happened. */
export function userFunctionError(error: unknown, context: OperatorContext, atHand: AtHand): unknown {
  if (codeOf(error) !== undefined) return error
  const { operatorName, subtaskIndex } = context.task
  const where: ErrorContext = { operator: operatorName, subtask: subtaskIndex }
  if ('record' in atHand) where.record = printValue(atHand.record)
  if ('key' in atHand) where.key = printValue(atHand.key)
  if ('window' in atHand) where.window = printValue(atHand.window)
  const details = (['record', 'key', 'window'] as const)
    .filter((part) => where[part] !== undefined)
    .map((part) => `${part} ${where[part]}`)
  const reason = error instanceof Error ? error.message : printValue(error)
  const message = `${atHand.what ?? 'function'} of ${operatorName}[${subtaskIndex}] threw: ${reason}`
  return new MillraceError('MR_USER_FUNCTION_FAILED', [message, ...details].join(', '), {
    cause: error,
    context: where,
  })
}
