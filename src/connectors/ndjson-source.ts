/** Newline-delimited JSON from files, read in parallel by byte ranges. */
import type { TypeInformation } from '../data/types.ts'
import { type FilePaths, fileSource, type FileSourceOptions } from './files/file-source.ts'
import type { FileSplit } from './files/file-split.ts'
import type { MonitorSplit } from './files/monitored-files-reader.ts'
import { MalformedHandler, malformedPolicy, type MalformedPolicy } from './formats/malformed.ts'
import { NdjsonFormat } from './formats/ndjson-format.ts'
import type { Source } from './source.ts'

/** How files of JSON lines are read. */
export interface NdjsonOptions<T> extends FileSourceOptions {
  /**
   * What each line holds. Numbers of type int64 and decimal are read exactly, from JSON numbers or strings; timestamps
   * from milliseconds or ISO text; bytes from base64. Default: whatever JSON.parse gives.
   */
  readonly type?: TypeInformation<T>
  /** What happens to a line that is no such JSON. Default 'fail'. */
  readonly onError?: MalformedPolicy
}

/** A longer line is refused. */
const lineBytesMax = 256 << 20
const pieceBytes = 32 << 10

/**
 * The values of a file, of all files below a folder, or of what a glob matches; files that end in `.gz` are unpacked.
 * Errors: as `fileLines`, and MR_FORMAT_MALFORMED with file, line and offset.
 * @example env.source(ndjson('events/', { type: types.row({ id: types.text(), value: types.float64() }) }))
 */
export function ndjson<T = unknown>(
  path: FilePaths,
  options: NdjsonOptions<T> = {},
): Source<T, FileSplit | MonitorSplit> {
  const policy = malformedPolicy(options.onError)
  return fileSource<T>({
    kind: 'ndjson',
    path,
    options,
    type: options.type,
    window: { encoding: 'utf8', decodes: 'lines', pieceBytes, lineBytesMax },
    isDivisible: true,
    createFormat: (context) =>
      new NdjsonFormat(options.type?.dataType, new MalformedHandler(policy, 'valid NDJSON', context)),
  })
}
