/** Records into part files of a directory: published as a whole at the end, or, with checkpoints, exactly once as they complete. */
import { resolve } from 'node:path'
import { configOptions } from '../../common/config-options.ts'
import { MillraceError } from '../../common/errors.ts'
import { type FileSystem, nodeFileSystem } from '../../common/file-system.ts'
import { localPath } from '../../common/local-path.ts'
import type { OperatorContext } from '../../operators/operator.ts'
import type { RowFormat } from '../formats/encoders.ts'
import type { Sink } from '../sink.ts'
import { type BucketAssigner, noBuckets } from './bucket-assigner.ts'
import { abandonOutput, prepareExactlyOnce, removeLeavings } from './exactly-once-output.ts'
import { ExactlyOnceWriter, type PartWriterState } from './exactly-once-writer.ts'
import { PartCommitter, type PendingPart } from './part-committer.ts'
import { PlainOutput } from './plain-output.ts'
import { PlainWriter } from './plain-writer.ts'
import { type RollingPolicy, rollingPolicy } from './rolling-policy.ts'
import { rowEncoder } from './row-encoder.ts'

const openFilesMaxDefault = 128

/** What a file sink writes, into which files, and when it begins the next one. */
export interface FileSinkOptions<T> {
  /** 'text' (default), 'ndjson', 'csv', or a function that answers a record's line without its line end. */
  readonly format?: RowFormat<T>
  /** CSV: the columns in order. Default: the keys of a writer's first record. */
  readonly columns?: readonly string[]
  /** CSV: default `,`. */
  readonly delimiter?: string
  /** CSV: whether each file begins with the column names. Default true. */
  readonly header?: boolean
  /** Subdirectories by record. Default: none. */
  readonly buckets?: BucketAssigner<T>
  /** When a part is finished and the next one begun. Without checkpoints only `bytesMax` counts; default: never. */
  readonly rolling?: RollingPolicy
  /**
   * With checkpoints: files that each subtask keeps open at most. Where it writes to more buckets at a time, the file that
   * was written least recently is closed, and opened again when its part goes on. A part that is not finished takes about
   * 3 KB of memory; `rolling.inactivityMs` says when it is. Default 128.
   */
  readonly openFilesMax?: number
  /** File names are PREFIX-SUBTASK-COUNT + SUFFIX. Default prefix: `part`. */
  readonly partPrefix?: string
  /** For example `.txt`. Default: none. */
  readonly partSuffix?: string
  /**
   * Replaces an output directory that is not empty: once the job has succeeded, with checkpoints before it starts.
   * Default: MR_SINK_EXISTS.
   */
  readonly overwrite?: boolean
  /**
   * Readers move published parts away while the job runs. A part of the last checkpoint that is not there when the job
   * starts again is then taken for one that was published, as in Flink. Default false: it is refused with
   * MR_SINK_COMMIT_FAILED, since it may as well have been lost.
   */
  readonly partsMayBeTaken?: boolean
  /** Where files of the exactly-once mode are kept. Default: where the job's are, the machine's. For tests. */
  readonly fileSystem?: FileSystem
}

/**
 * Writes part files `part-<subtask>-<n>`.
 *
 * Without checkpoints they appear, as a whole, when the job has succeeded; where it fails or is cancelled nothing appears.
 * With checkpoints (`execution.checkpointing.interval`) a part is written under a hidden name and appears, exactly once,
 * when it is finished by the rolling policy and the checkpoint that holds it is complete; a restored job goes on with the
 * parts that were open.
 *
 * Errors: MR_SINK_EXISTS (before the job starts), MR_SINK_FAILED, MR_DATA_NOT_SERIALIZABLE.
 * @example counts.sinkTo(fileSink('out', { format: 'ndjson' }))
 */
export function fileSink<T>(
  directory: string,
  options: FileSinkOptions<T> = {},
): Sink<T, PendingPart, PartWriterState> {
  const naming = { prefix: options.partPrefix ?? 'part', suffix: options.partSuffix ?? '' }
  if (/[/\\]/.test(naming.prefix + naming.suffix) || naming.prefix === '' || naming.prefix.startsWith('.')) {
    throw new MillraceError('MR_CONFIG_INVALID_VALUE', 'partPrefix and partSuffix must form visible file names')
  }
  const path = resolve(localPath(directory, 'the directory of a file sink'))
  const plain = new PlainOutput(path)
  const buckets = options.buckets ?? noBuckets
  const rolling = rollingPolicy(options.rolling)
  const openFilesMax = options.openFilesMax ?? openFilesMaxDefault
  if (!Number.isSafeInteger(openFilesMax) || openFilesMax < 1) {
    throw new MillraceError('MR_CONFIG_INVALID_VALUE', `openFilesMax must be an integer >= 1, got ${openFilesMax}`)
  }
  let isExactlyOnce = false
  /** The coordinator's, once it has prepared the sink. */
  let prepared: FileSystem | undefined
  const fileSystemOf = ({ fileSystem }: { readonly fileSystem?: FileSystem | undefined }): FileSystem =>
    options.fileSystem ?? fileSystem ?? nodeFileSystem
  return {
    name: `fileSink(${directory})`,
    createWriter(context) {
      const encoder = rowEncoder<T>(options.format ?? 'text', options)
      if (hasCheckpoints(context)) {
        const fileSystem = fileSystemOf(context)
        const exactlyOnce = { fileSystem, directory: path, naming, encoder, buckets, rolling, openFilesMax }
        return new ExactlyOnceWriter(exactlyOnce, context)
      }
      const rollBytes = options.rolling?.bytesMax ?? Number.POSITIVE_INFINITY
      return new PlainWriter(plain.staging(), { encoder, buckets, rollBytes, naming }, context)
    },
    createCommitter: (context) => new PartCommitter(fileSystemOf(context), options.partsMayBeTaken ?? false),
    prepare({ checkpointsEnabled, isRestored, jobId = '', fileSystem }) {
      isExactlyOnce = checkpointsEnabled
      const overwrite = options.overwrite ?? false
      if (!isExactlyOnce) return plain.prepare(overwrite)
      prepared = fileSystemOf({ fileSystem })
      return prepareExactlyOnce(prepared, path, naming, { isRestored, overwrite, jobId })
    },
    commitJob: () => (isExactlyOnce ? removeLeavings(prepared!, path, naming) : plain.publish()),
    abortJob: () => (isExactlyOnce ? abandonOutput(prepared!, path, naming) : plain.discard()),
  }
}

function hasCheckpoints(context: OperatorContext): boolean {
  return context.configuration.get(configOptions.checkpointInterval.key) !== undefined
}
