/** A record's line, and what stands at the head of a file; both without line ends. */
import { type CsvEncoderOptions, csvHeader, encoderFor, type RowFormat } from '../formats/encoders.ts'

export interface RowEncoder<T> {
  /** The line that a file begins with, where `first` is its first record: a CSV header. */
  head(first: T): string | undefined
  line(value: T): string
}

export interface RowEncoderOptions extends CsvEncoderOptions {
  /** CSV only: whether each file begins with the names of the columns. Default true where there are names. */
  readonly header?: boolean
}

export function rowEncoder<T>(format: RowFormat<T>, options: RowEncoderOptions): RowEncoder<T> {
  const line = encoderFor(format, options)
  if (format !== 'csv' || options.header === false) return { head: () => undefined, line }
  return {
    head(first) {
      const names = options.columns ?? columnsOf(first)
      return names.length === 0 ? undefined : csvHeader(names, options)
    },
    line,
  }
}

function columnsOf(record: unknown): readonly string[] {
  if (typeof record !== 'object' || record === null || Array.isArray(record) || record instanceof Date) return []
  return Object.keys(record)
}
