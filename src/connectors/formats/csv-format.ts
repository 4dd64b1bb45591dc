/**
 * CSV rows out of text pieces. Rows without quotes are parsed in place by a generated function; a row with quotes takes
 * the slower way, and may go on over line ends. Empty lines are left out.
 */
import type { Field } from '../../data/types.ts'
import type { Output } from '../../operators/operator.ts'
import { incomplete, type TextFormat } from '../files/file-records-reader.ts'
import type { FileRange } from '../files/file-split.ts'
import { lineStop } from '../files/line-stop.ts'
import type { TextWindow } from '../files/text-window.ts'
import { quotedRow, unfinished } from './csv-fields.ts'
import { type CsvRowParser, csvRowParser } from './csv-row.ts'
import { columnsFor, uniqueNames } from './csv-schema.ts'
import { Malformed, type MalformedHandler } from './malformed.ts'

export interface CsvDialect {
  /** One character. */
  readonly delimiter: string
  /** One character, or undefined where quotes mean nothing. */
  readonly quote: string | undefined
  readonly header: boolean
}

/** A quoted field that is not closed within so many UTF-16 units is malformed. */
const rowCharsMax = 16 << 20

export class CsvFormat<T> implements TextFormat<T> {
  readonly #dialect: CsvDialect
  #schema: readonly Field[]
  readonly #malformed: MalformedHandler
  #parser: CsvRowParser | undefined
  /** Header names that `#parser` was made for, joined. */
  #parserHeader: string | undefined
  #header: readonly string[] | undefined

  /** `schema`: the declared one, where there is one; otherwise it comes with the splits. */
  constructor(schema: readonly Field[] | undefined, dialect: CsvDialect, malformed: MalformedHandler) {
    this.#schema = schema ?? []
    this.#dialect = dialect
    this.#malformed = malformed
  }

  begin(range: FileRange, schema: readonly Field[] | undefined): void {
    if (schema !== undefined) this.#schema = schema
    this.#header = range.header
    if (!this.#dialect.header || range.header !== undefined) this.#makeParser()
  }

  header(): readonly string[] | undefined {
    return this.#header
  }

  emit(window: TextWindow, output: Output<T>, recordsMax: number, isLast: boolean): number {
    if (this.#dialect.header && this.#header === undefined) {
      const isThere = this.#readHeader(window, isLast)
      if (!isThere) return incomplete
    }
    const { text } = window
    const { quote } = this.#dialect
    const parser = this.#parser as CsvRowParser
    let nextQuote = quote === undefined ? -1 : text.indexOf(quote, window.cursor)
    let at = window.cursor
    let count = 0
    while (count < recordsMax && at < text.length) {
      let end = text.indexOf('\n', at)
      if (end < 0) end = text.length
      if (nextQuote >= 0 && nextQuote < end) {
        window.cursor = at
        if (!this.#emitQuoted(window, output, isLast)) return count > 0 ? count : incomplete
        at = window.cursor
        nextQuote = text.indexOf(quote as string, at)
      } else {
        const stop = lineStop(text, at, end)
        if (stop > at) this.#emitLine(parser, window, at, stop, output)
        at = end + 1
      }
      count++
      if (output.isFull()) break
    }
    window.cursor = at
    return count
  }

  #emitLine(parser: CsvRowParser, window: TextWindow, at: number, stop: number, output: Output<T>): void {
    const { text } = window
    let value: unknown
    try {
      value = parser.parseLine(text, at, stop)
    } catch (error) {
      window.cursor = at
      this.#malformed.handle(window, text.slice(at, stop), error, output)
      return
    }
    output.collect(value as T)
  }

  /** Emits the row at the cursor and moves the cursor behind it; false where the row does not end in this piece. */
  #emitQuoted(window: TextWindow, output: Output<T>, isLast: boolean): boolean {
    const { text, cursor } = window
    let value: unknown
    let next = cursor
    try {
      const row = this.#findRow(text, cursor, isLast)
      if (row === unfinished) return false
      next = row.next
      value = this.#parser?.parseFields(row.fields)
    } catch (error) {
      if (next === cursor) next = nextLine(text, cursor)
      this.#malformed.handle(window, text.slice(cursor, next).trimEnd(), error, output)
      window.cursor = next
      return true
    }
    window.cursor = next
    output.collect(value as T)
    return true
  }

  #findRow(text: string, at: number, isLast: boolean): ReturnType<typeof quotedRow> {
    const { delimiter, quote } = this.#dialect
    const row = quotedRow(text, at, delimiter, quote as string)
    if (row !== unfinished || !(isLast || text.length - at > rowCharsMax)) return row
    throw new Malformed('a quote is opened and never closed')
  }

  /** False where the header does not end in this piece. A file whose header does not fit fails, whatever the policy. */
  #readHeader(window: TextWindow, isLast: boolean): boolean {
    const { text, cursor } = window
    try {
      const row = this.#dialect.quote === undefined ? undefined : this.#findRow(text, cursor, isLast)
      if (row === unfinished) return false
      const { fields, next } = row ?? plainRow(text, cursor, this.#dialect.delimiter)
      this.#header = uniqueNames(fields)
      this.#makeParser()
      window.cursor = next
      return true
    } catch (error) {
      throw this.#malformed.failure(window, text.slice(cursor, nextLine(text, cursor)).trimEnd(), error)
    }
  }

  #makeParser(): void {
    const key = this.#header?.join('\0')
    if (this.#parser !== undefined && key === this.#parserHeader) return
    const columns = columnsFor(this.#schema, this.#header)
    const names = this.#schema.map(({ name }) => name)
    this.#parser = csvRowParser(columns, names, this.#dialect.delimiter)
    this.#parserHeader = key
  }
}

function nextLine(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end + 1
}

function plainRow(text: string, at: number, delimiter: string): { fields: readonly string[]; next: number } {
  const next = nextLine(text, at)
  const end = text[next - 1] === '\n' ? next - 1 : next
  return { fields: text.slice(at, lineStop(text, at, end)).split(delimiter), next }
}
