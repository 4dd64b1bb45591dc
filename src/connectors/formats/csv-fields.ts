/**
 * Finds the fields of a row that holds quotes (RFC 4180): doubled quotes, delimiters and line ends within quotes. Hot where
 * files quote much: characters are looked at by code, and no line end is searched for twice.
 */
import { Malformed } from './malformed.ts'

export interface QuotedRow {
  readonly fields: readonly string[]
  /** Where the next row begins. */
  readonly next: number
}

/** The row does not end in this text. */
export const unfinished: unique symbol = Symbol('unfinished')

const lineFeed = 10
const carriageReturn = 13

/**
 * The row that begins at `text[at]`. Quotes count only at the start of a field; elsewhere they stand for themselves.
 * `unfinished` where the text ends within quotes. Throws `Malformed` where something follows a closing quote.
 */
export function quotedRow(text: string, at: number, delimiter: string, quote: string): QuotedRow | typeof unfinished {
  const fields: string[] = []
  const delimiterCode = delimiter.charCodeAt(0)
  const quoteCode = quote.charCodeAt(0)
  let lineEnd = -1
  let p = at
  for (;;) {
    let end: number
    if (text.charCodeAt(p) === quoteCode) {
      let close = text.indexOf(quote, p + 1)
      let isDoubled = false
      while (close >= 0 && text.charCodeAt(close + 1) === quoteCode) {
        isDoubled = true
        close = text.indexOf(quote, close + 2)
      }
      if (close < 0) return unfinished
      const inside = text.slice(p + 1, close)
      fields.push(isDoubled ? inside.replaceAll(quote + quote, quote) : inside)
      end = close + 1
      if (text.charCodeAt(end) === carriageReturn && endsLine(text, end + 1)) end++
    } else {
      if (lineEnd < p) lineEnd = text.indexOf('\n', p)
      if (lineEnd < 0) lineEnd = text.length
      end = text.indexOf(delimiter, p)
      if (end < 0 || end > lineEnd) end = lineEnd
      const hasReturn = end === lineEnd && end > p && text.charCodeAt(end - 1) === carriageReturn
      fields.push(text.slice(p, hasReturn ? end - 1 : end))
    }
    if (endsLine(text, end)) return { fields, next: Math.min(end + 1, text.length) }
    if (text.charCodeAt(end) !== delimiterCode) {
      throw new Malformed(`column ${fields.length}: expected a delimiter after the closing quote, got ${text[end]}`)
    }
    p = end + 1
  }
}

function endsLine(text: string, at: number): boolean {
  return at >= text.length || text.charCodeAt(at) === lineFeed
}
