/** Which subdirectory of the output a record belongs to (Flink's BucketAssigner). */
import { MillraceError } from '../../common/errors.ts'
import { noTimestamp } from '../../common/limits.ts'

/** What a bucket assigner sees beside the record. */
export interface BucketContext {
  /** Event time of the record in ms since the epoch, or `noTimestamp`. */
  readonly timestampMs: number
  readonly processingTimeMs: number
  readonly watermarkMs: number
}

/** Answers a relative path with forward slashes; '' is the output directory itself. */
export type BucketAssigner<T> = (value: T, context: BucketContext) => string

/** Everything in the output directory itself. */
export const noBuckets: BucketAssigner<unknown> = () => ''

/**
 * Buckets by time in UTC, as Flink's DateTimeBucketAssigner: by the record's event time where it has one, otherwise by
 * processing time. Pattern letters: yyyy MM dd HH mm ss; text in single quotes stands for itself. Default: hourly.
 * @example fileSink('out', { buckets: dateTimeBuckets('yyyy-MM-dd/HH') })
 */
export function dateTimeBuckets(pattern = 'yyyy-MM-dd--HH'): BucketAssigner<unknown> {
  const parts = parsePattern(pattern)
  const unitMs = /ss/.test(pattern) ? 1000 : /mm/.test(pattern) ? 60_000 : 3_600_000
  let cachedUnit = Number.NaN
  let cached = ''
  return (_value, { timestampMs, processingTimeMs }) => {
    const timeMs = timestampMs === noTimestamp ? processingTimeMs : timestampMs
    const unit = Math.floor(timeMs / unitMs)
    if (unit !== cachedUnit) {
      cachedUnit = unit
      const date = new Date(timeMs)
      cached = parts.map((part) => part(date)).join('')
    }
    return cached
  }
}

type PatternPart = (date: Date) => string

const letters: Readonly<Record<string, PatternPart>> = {
  yyyy: (date) => String(date.getUTCFullYear()).padStart(4, '0'),
  MM: (date) => String(date.getUTCMonth() + 1).padStart(2, '0'),
  dd: (date) => String(date.getUTCDate()).padStart(2, '0'),
  HH: (date) => String(date.getUTCHours()).padStart(2, '0'),
  mm: (date) => String(date.getUTCMinutes()).padStart(2, '0'),
  ss: (date) => String(date.getUTCSeconds()).padStart(2, '0'),
}

function parsePattern(pattern: string): PatternPart[] {
  return [...pattern.matchAll(/'([^']*)'|([A-Za-z])\2*|[^A-Za-z']+/g)].map(([token, quoted]) => {
    if (quoted !== undefined) return () => quoted
    if (!/[A-Za-z]/.test(token)) return () => token
    const part = letters[token]
    if (part === undefined) {
      const known = Object.keys(letters).join(', ')
      throw new MillraceError('MR_CONFIG_INVALID_VALUE', `bucket pattern ${pattern}: ${token} is none of ${known}`)
    }
    return part
  })
}

/** Refuses bucket names that would leave the output directory or be hidden. */
export function checkBucket(bucket: string): string {
  const parts = bucket.split('/')
  if (bucket === '' || parts.every((part) => part !== '' && part !== '..' && !part.startsWith('.'))) return bucket
  const message = `a bucket must be a relative path without '..' and hidden parts, got ${JSON.stringify(bucket)}`
  throw new MillraceError('MR_CONFIG_INVALID_VALUE', message)
}
