/** What sources over files have in common: which files, how they are divided, whether new ones are looked for. */
import type { TypeInformation } from '../../data/types.ts'
import { MillraceError } from '../../common/errors.ts'
import type { OperatorContext } from '../../operators/operator.ts'
import type { Source } from '../source.ts'
import { enumerateFiles } from './enumerate-files.ts'
import { FileRecordsReader, type TextFormat } from './file-records-reader.ts'
import type { FileSplit } from './file-split.ts'
import { findFiles } from './find-files.ts'
import { MonitoredFilesReader, type MonitorSplit, monitorSplits } from './monitored-files-reader.ts'
import type { TextWindowOptions } from './text-window.ts'

/** A file, a folder (searched recursively), a glob, or several of them. */
export type FilePaths = string | readonly string[]

/**
 * Options that all file sources take. Files are read in the order of their names, one after another in each subtask; with
 * event time, a file whose times lie before those of an earlier one is late, as in Flink.
 */
export interface FileSourceOptions {
  /**
   * Bytes of one split, that is of what one subtask takes at a time. Default: at most 16 MiB, less where the input is small
   * and towards its end.
   */
  readonly splitBytes?: number
  /**
   * Looks for new files so often, for ever: the source is then unbounded. Each path is read once, so files should be
   * moved in whole. Default: only what is there at the start is read.
   */
  readonly monitorIntervalMs?: number
}

export interface FileSourceParts<T> {
  /** For example `fileLines`. */
  readonly kind: string
  readonly path: FilePaths
  readonly options: FileSourceOptions
  readonly type: TypeInformation<T> | undefined
  readonly window: TextWindowOptions
  /** False where records cannot be found from the middle of a file. */
  readonly isDivisible: boolean
  createFormat(context: OperatorContext): TextFormat<T>
  /** Adds to the splits of a bounded source what readers must know. */
  complete?(splits: readonly FileSplit[]): readonly FileSplit[]
}

const monitorSplitBytesDefault = 16 << 20

export function fileSource<T>(parts: FileSourceParts<T>): Source<T, FileSplit | MonitorSplit> {
  const { kind, path, options, type, window, isDivisible } = parts
  const { monitorIntervalMs: intervalMs } = options
  const name = `${kind}(${typeof path === 'string' ? path : path.join(', ')})`
  const reader = (context: OperatorContext): FileRecordsReader<T> =>
    new FileRecordsReader(parts.createFormat(context), window, context)
  if (intervalMs === undefined) {
    return {
      name,
      boundedness: 'bounded',
      type,
      enumerateSplits({ parallelism }) {
        const splits = enumerateFiles(path, parallelism, { splitBytes: options.splitBytes, isDivisible })
        return parts.complete?.(splits) ?? splits
      },
      createReader: reader,
    } as Source<T, FileSplit | MonitorSplit>
  }
  if (!(intervalMs > 0)) {
    throw new MillraceError('MR_CONFIG_INVALID_VALUE', `monitorIntervalMs must be > 0, got ${intervalMs}`)
  }
  const monitor = { path, intervalMs, splitBytes: options.splitBytes ?? monitorSplitBytesDefault, isDivisible }
  return {
    name,
    boundedness: 'unbounded',
    type,
    assignment: 'all',
    enumerateSplits({ parallelism }) {
      for (const one of typeof path === 'string' ? [path] : path) refuseMistyped(one)
      return monitorSplits(parallelism)
    },
    createReader: (context) => new MonitoredFilesReader(reader(context), monitor, context),
  } as Source<T, FileSplit | MonitorSplit>
}

/** A pattern may match later, a name that is no pattern is probably mistyped: MR_SOURCE_NOT_FOUND. */
function refuseMistyped(path: string): void {
  if (!/[*?[\]{}!]/.test(path)) findFiles(path)
}
