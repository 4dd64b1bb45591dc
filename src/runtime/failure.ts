/** Attribution of what user code throws: operator, subtask, the record at hand, and the user's own stack. Cold. */
import { type ErrorContext, MillraceError, codeOf } from '../common/errors.ts'
import { printValue } from '../common/print-value.ts'

/**
 * Wraps what an operator threw. A MillraceError keeps its code and gets the context that it lacks; anything else is the
 * user's and becomes MR_USER_FUNCTION_FAILED with the original as cause. `record` is undefined outside records.
 */
export function attributeFailure(error: unknown, where: ErrorContext, record?: unknown): MillraceError {
  const printed = record === undefined ? undefined : printValue(record)
  const context: ErrorContext = printed === undefined ? where : { ...where, record: printed }
  const place = `operator '${where.operator}', subtask ${where.subtask}${printed === undefined ? '' : `, record ${printed}`}`
  const code = codeOf(error)
  if (code !== undefined) {
    const coded = error as MillraceError
    if (coded.context?.operator !== undefined && coded instanceof MillraceError) return coded
    const attributed = new MillraceError(code, `${coded.message} (${place})`, {
      cause: coded.cause,
      context: { ...context, ...coded.context },
    })
    if (coded.stack !== undefined) attributed.stack = coded.stack
    return attributed
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return new MillraceError('MR_USER_FUNCTION_FAILED', `${place}: ${message}`, { cause: error, context })
}
