/** Paths as Flink's users write them: `file:///data/x` is a local path, other schemes are not ours to open. Cold. */
import { fileURLToPath } from 'node:url'
import { MillraceError } from './errors.ts'

/** A scheme has two letters at least (one is a Windows drive), and something absolute behind it. */
const schemePattern = /^([a-z][a-z0-9+.-]+):\//i

/**
 * The local path that `text` means. `file:/x` and `file:///x` are `/x`; what has no scheme stays as it is.
 * MR_CONFIG_INVALID_VALUE, naming `what`, for another scheme or another host.
 */
export function localPath(text: string, what: string): string {
  const scheme = schemePattern.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) return text
  const refused = (why: string): MillraceError =>
    new MillraceError('MR_CONFIG_INVALID_VALUE', `${what} must be a local path or a file: URL, got '${text}': ${why}`)
  if (scheme !== 'file') throw refused(`there is no file system for the scheme ${scheme}:`)
  try {
    // Both may stand in a path, and `?` in a pattern.
    return fileURLToPath(text.replaceAll('?', '%3F').replaceAll('#', '%23'))
  } catch (error) {
    throw refused((error as Error).message)
  }
}
