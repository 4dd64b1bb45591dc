/** Text lines from files, read in parallel by byte ranges. */
import { MillraceError } from '../common/errors.ts'
import { types } from '../data/types.ts'
import { type FilePaths, fileSource, type FileSourceOptions } from './files/file-source.ts'
import type { FileSplit } from './files/file-split.ts'
import type { MonitorSplit } from './files/monitored-files-reader.ts'
import type { TextEncoding } from './files/text-window.ts'
import { LineFormat } from './formats/line-format.ts'
import type { Source } from './source.ts'

/** How lines are read out of files. */
export interface FileLinesOptions extends FileSourceOptions {
  /** 'utf8' (default; a byte order mark is left out, bad sequences become U+FFFD) or 'latin1'. */
  readonly encoding?: TextEncoding
  /** A longer line is refused with MR_FORMAT_MALFORMED. Default 256 MiB. */
  readonly lineBytesMax?: number
}

const lineBytesMaxDefault = 256 << 20
/** Small pieces: a string cut from a piece keeps the whole piece alive. */
const pieceBytes = 8 << 10

/**
 * The lines of a file, of all files below a folder, or of the files that a glob (or any of several) matches; without
 * their line ends (LF or CRLF). Files that end in `.gz` are unpacked. Order holds within a file only as far as one
 * subtask reads it. Errors: MR_SOURCE_NOT_FOUND, MR_SOURCE_UNREADABLE, MR_SOURCE_CORRUPT (gzip), MR_FORMAT_MALFORMED
 * (a line that is too long).
 * @example env.source(fileLines('logs/*.log.gz'))
 */
export function fileLines(path: FilePaths, options: FileLinesOptions = {}): Source<string, FileSplit | MonitorSplit> {
  const encoding = options.encoding ?? 'utf8'
  if (encoding !== 'utf8' && encoding !== 'latin1') {
    throw new MillraceError('MR_CONFIG_INVALID_VALUE', `encoding must be utf8 or latin1, got ${String(encoding)}`)
  }
  return fileSource({
    kind: 'fileLines',
    path,
    options,
    type: types.text(),
    window: { encoding, decodes: 'lines', pieceBytes, lineBytesMax: options.lineBytesMax ?? lineBytesMaxDefault },
    isDivisible: true,
    createFormat: () => new LineFormat(),
  })
}
