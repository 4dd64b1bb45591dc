/** Errors of disk engines, as errors of Millrace. */
import { codeOf, MillraceError } from '../../common/errors.ts'

/** An engine's error as MR_STATE_DISK_FAILED; coded errors are passed through. */
export function diskFailure(error: unknown, doing: string): unknown {
  if (codeOf(error) !== undefined) return error
  const message = error instanceof Error ? error.message : String(error)
  return new MillraceError('MR_STATE_DISK_FAILED', `${doing} failed: ${message}`, { cause: error })
}
