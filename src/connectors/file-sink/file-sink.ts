/** Records into part files of a directory. */
import { resolve } from 'node:path'
import { MillraceError } from '../../common/errors.ts'
import type { RowFormat } from '../formats/encoders.ts'
import type { Sink } from '../sink.ts'
import { type BucketAssigner, noBuckets } from './bucket-assigner.ts'
import { PlainOutput } from './plain-output.ts'
import { PlainWriter } from './plain-writer.ts'
import { rowEncoder } from './row-encoder.ts'

/** How records become part files. */
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
  /** Begins the next part file where one has reached this size. Default: never. */
  readonly rollBytes?: number
  /** File names are PREFIX-SUBTASK-COUNT + SUFFIX. Default prefix: `part`. */
  readonly partPrefix?: string
  /** For example `.txt`. Default: none. */
  readonly partSuffix?: string
  /** Replaces an output directory that is not empty, once the job has succeeded. Default: MR_SINK_EXISTS. */
  readonly overwrite?: boolean
}

/**
 * Writes part files `part-<subtask>-<n>` that appear, as a whole, when the job has succeeded; where it fails or is
 * cancelled nothing appears. Errors: MR_SINK_EXISTS (before the job starts), MR_SINK_FAILED, MR_DATA_NOT_SERIALIZABLE.
 * @example counts.sinkTo(fileSink('out', { format: 'ndjson' }))
 */
export function fileSink<T>(directory: string, options: FileSinkOptions<T> = {}): Sink<T, never, never> {
  const prefix = options.partPrefix ?? 'part'
  const suffix = options.partSuffix ?? ''
  if (/[/\\]/.test(prefix + suffix) || prefix === '' || prefix.startsWith('.')) {
    throw new MillraceError('MR_CONFIG_INVALID_VALUE', `partPrefix and partSuffix must form visible file names`)
  }
  const output = new PlainOutput(resolve(directory))
  const writerOptions = {
    buckets: options.buckets ?? noBuckets,
    rollBytes: options.rollBytes ?? Number.POSITIVE_INFINITY,
    partName: (subtaskIndex: number, count: number) => `${prefix}-${subtaskIndex}-${count}${suffix}`,
  }
  return {
    name: `fileSink(${directory})`,
    createWriter(context) {
      const encoder = rowEncoder<T>(options.format ?? 'text', options)
      return new PlainWriter(output.staging(), { ...writerOptions, encoder }, context)
    },
    prepare: () => output.prepare(options.overwrite ?? false),
    commitJob: () => output.publish(),
    abortJob: () => output.discard(),
  }
}
