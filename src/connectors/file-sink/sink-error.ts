/** Node's errors of writing files, as coded errors that name the path. */
import { type ErrorContext, MillraceError } from '../../common/errors.ts'

export function sinkError(path: string, error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  const context: ErrorContext = { file: path }
  const message = `cannot write ${path}: ${(error as Error).message}`
  return new MillraceError('MR_SINK_FAILED', message, { cause: error, context })
}
