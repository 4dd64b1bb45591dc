/** CSV rows from files (RFC 4180), with declared or inferred columns. */
import { MillraceError } from '../common/errors.ts'
import type { Field, TypeInformation } from '../data/types.ts'
import { type FilePaths, fileSource, type FileSourceOptions } from './files/file-source.ts'
import { type FileSample, readSample } from './files/file-sample.ts'
import { type FileRange, type FileSplit, isGzip } from './files/file-split.ts'
import { findFiles } from './files/find-files.ts'
import type { MonitorSplit } from './files/monitored-files-reader.ts'
import { quotedRow, unfinished } from './formats/csv-fields.ts'
import { type CsvDialect, CsvFormat } from './formats/csv-format.ts'
import { guessSchema, uniqueNames } from './formats/csv-schema.ts'
import { Malformed, MalformedHandler, malformedPolicy, type MalformedPolicy } from './formats/malformed.ts'
import type { Source } from './source.ts'

/** A row whose columns are not declared. */
export type CsvRecord = Record<string, string | number | boolean | bigint | null>

/** How CSV files are read. */
export interface CsvOptions<T> extends FileSourceOptions {
  /**
   * A row type. With a header, columns are found by name and others are skipped; without one, by position. Default: names
   * from the header (or column1, column2, …) and the narrowest of bool, float64, int64 and text that fits a sample of the
   * first file; an empty field is null, in a text column ''.
   */
  readonly type?: TypeInformation<T>
  /** Whether each file begins with the names of its columns. Default true. */
  readonly header?: boolean
  /** One character. Default `,`. */
  readonly delimiter?: string
  /** One character, or false where quotes have no meaning. Default `"`. */
  readonly quote?: string | false
  /**
   * Whether quoted fields may hold line ends. Default true, and then a file is read by one subtask, since a row cannot be
   * found from the middle. False lets large files be read in parallel.
   */
  readonly quotedNewlines?: boolean
  /** What happens to a row that does not fit. Default 'fail'. A header that does not fit always fails. */
  readonly onError?: MalformedPolicy
}

const pieceBytes = 32 << 10
const lineBytesMax = 256 << 20
const sampleBytes = 256 << 10
const sampleRowsMax = 1000

/**
 * The rows of a file, of all files below a folder, or of what a glob matches; files that end in `.gz` are unpacked.
 * Errors: as `fileLines`, and MR_FORMAT_MALFORMED with file, line and offset (too few or too many columns, a field that is
 * not of its type, a quote that is not closed, a declared column that the header has not).
 * @example env.source(csv('trips.csv', { type: types.row({ id: types.text(), km: types.float64() }) }))
 */
export function csv<T = CsvRecord>(path: FilePaths, options: CsvOptions<T> = {}): Source<T, FileSplit | MonitorSplit> {
  const dialect = csvDialect(options)
  const policy = malformedPolicy(options.onError)
  const declared = declaredSchema(options.type)
  const isMonitored = options.monitorIntervalMs !== undefined
  if (isMonitored && declared === undefined) {
    throw new MillraceError('MR_CONFIG_INVALID_VALUE', 'a CSV source that looks for new files must declare its type')
  }
  return fileSource<T>({
    kind: 'csv',
    path,
    options,
    type: options.type,
    window: { encoding: 'utf8', pieceBytes, lineBytesMax },
    isDivisible: (dialect.quote === undefined || options.quotedNewlines === false) && !isMonitored,
    createFormat: (context) =>
      new CsvFormat(declared, dialect, new MalformedHandler(policy, 'a valid CSV row', context)),
    complete(splits) {
      const schema = declared === undefined ? inferSchema(path, dialect) : undefined
      const headers = new Map<string, readonly string[]>()
      return splits.map(({ ranges }) => ({
        schema,
        ranges: ranges.map((range) => withHeader(range, dialect, headers)),
      }))
    },
  })
}

function csvDialect<T>({ delimiter = ',', quote = '"', header = true }: CsvOptions<T>): CsvDialect {
  for (const [name, value] of Object.entries({ delimiter, ...(quote === false ? {} : { quote }) })) {
    if (value.length !== 1 || value === '\n' || value === '\r') {
      throw new MillraceError(
        'MR_CONFIG_INVALID_VALUE',
        `CSV ${name} must be one character, got ${JSON.stringify(value)}`,
      )
    }
  }
  return { delimiter, quote: quote === false ? undefined : quote, header }
}

function declaredSchema(type: TypeInformation<unknown> | undefined): readonly Field[] | undefined {
  if (type === undefined) return undefined
  if (type.dataType.kind === 'row' && type.dataType.fields.length > 0) return type.dataType.fields
  const message = `the type of a CSV source must be a row with columns, got ${type.dataType.kind}`
  throw new MillraceError('MR_CONFIG_INVALID_VALUE', message)
}

/** Ranges from the middle of a file are told its header. */
function withHeader(range: FileRange, dialect: CsvDialect, known: Map<string, readonly string[]>): FileRange {
  if (!dialect.header || range.start === 0 || isGzip(range.path)) return range
  const [first = []] = known.has(range.path) ? [known.get(range.path)] : sampleRows(range.path, dialect, 1)
  const header = uniqueNames(first)
  known.set(range.path, header)
  return { ...range, header }
}

/** From the first file that holds anything. */
function inferSchema(path: FilePaths, dialect: CsvDialect): readonly Field[] {
  for (const file of findFiles(path)) {
    const rows = sampleRows(file.path, dialect, sampleRowsMax)
    const first = rows[0]
    if (first === undefined) continue
    const names = dialect.header ? uniqueNames(first) : first.map((_, i) => `column${i + 1}`)
    return guessSchema(names, dialect.header ? rows.slice(1) : rows)
  }
  return []
}

function sampleRows(path: string, dialect: CsvDialect, rowsMax: number): (readonly string[])[] {
  const { text, isWhole }: FileSample = readSample(path, sampleBytes)
  const rows: (readonly string[])[] = []
  // Without quotes, a character that no text holds stands for them.
  const quote = dialect.quote ?? '\uFFFF'
  for (let at = 0; at < text.length && rows.length < rowsMax;) {
    try {
      const row = quotedRow(text, at, dialect.delimiter, quote)
      if (row === unfinished || (row.next >= text.length && !isWhole && rows.length > 0)) break
      if (row.fields.length > 1 || row.fields[0] !== '') rows.push(row.fields)
      at = row.next
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      const next = text.indexOf('\n', at) + 1
      if (next === 0) break
      at = next
    }
  }
  return rows
}
