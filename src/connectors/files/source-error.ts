/** Node's errors of reading files, as coded errors that name the file. */
import { MillraceError } from '../../common/errors.ts'

export function sourceError(path: string, error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  const { code, message } = error as NodeJS.ErrnoException
  const context = { file: path }
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new MillraceError('MR_SOURCE_NOT_FOUND', `no file or folder at ${path}`, { cause: error, context })
  }
  return new MillraceError('MR_SOURCE_UNREADABLE', `cannot read ${path}: ${message}`, { cause: error, context })
}
