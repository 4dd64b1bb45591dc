/** Finds the fields of a row that holds quotes (RFC 4180): doubled quotes, delimiters and line ends within quotes. */
import { Malformed } from './malformed.ts'

export interface QuotedRow {
  readonly fields: readonly string[]
  /** Where the next row begins. */
  readonly next: number
}

/** The row does not end in this text. */
export const unfinished: unique symbol = Symbol('unfinished')

/**
 * The row that begins at `text[at]`. Quotes count only at the start of a field; elsewhere they stand for themselves.
 * `unfinished` where the text ends within quotes. Throws `Malformed` where something follows a closing quote.
 */
export function quotedRow(text: string, at: number, delimiter: string, quote: string): QuotedRow | typeof unfinished {
  const fields: string[] = []
  let p = at
  for (;;) {
    let end: number
    if (text[p] === quote) {
      const close = closingQuote(text, p + 1, quote)
      if (close < 0) return unfinished
      const inside = text.slice(p + 1, close)
      fields.push(inside.includes(quote) ? inside.replaceAll(quote + quote, quote) : inside)
      end = close + 1
    } else {
      end = fieldEnd(text, p, delimiter)
      fields.push(text.slice(p, withoutReturn(text, p, end)))
    }
    if (end >= text.length) return { fields, next: text.length }
    if (text[end] === '\r' && (text[end + 1] === '\n' || end + 1 === text.length)) end++
    if (end >= text.length || text[end] === '\n') return { fields, next: end + 1 }
    if (text[end] !== delimiter) {
      throw new Malformed(`column ${fields.length}: expected a delimiter after the closing quote, got ${text[end]}`)
    }
    p = end + 1
  }
}

/** A doubled quote stands for one. -1 where the quote is not closed. */
function closingQuote(text: string, from: number, quote: string): number {
  for (let at = text.indexOf(quote, from); at >= 0; at = text.indexOf(quote, at + 2)) {
    if (text[at + 1] !== quote) return at
  }
  return -1
}

function fieldEnd(text: string, from: number, delimiter: string): number {
  let lineEnd = text.indexOf('\n', from)
  if (lineEnd < 0) lineEnd = text.length
  const end = text.indexOf(delimiter, from)
  return end < 0 || end > lineEnd ? lineEnd : end
}

function withoutReturn(text: string, from: number, end: number): number {
  const endsLine = end >= text.length || text[end] === '\n'
  return endsLine && end > from && text[end - 1] === '\r' ? end - 1 : end
}
