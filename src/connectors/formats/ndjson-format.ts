/** One JSON value a line. Empty lines are left out. The loop is hot: one search, one slice and one JSON.parse a record. */
import type { DataType } from '../../data/types.ts'
import type { Output } from '../../operators/operator.ts'
import type { TextFormat } from '../files/file-records-reader.ts'
import { lineStop } from '../files/line-stop.ts'
import type { TextWindow } from '../files/text-window.ts'
import { hasExactNumbers, type JsonConverter, jsonConverter, parseExactly } from './json-converter.ts'
import type { MalformedHandler } from './malformed.ts'

export class NdjsonFormat<T> implements TextFormat<T> {
  readonly #malformed: MalformedHandler
  readonly #parse: (text: string) => unknown

  /** Without a type, records are what JSON.parse gives. */
  constructor(type: DataType | undefined, malformed: MalformedHandler) {
    this.#malformed = malformed
    this.#parse = type === undefined || type.kind === 'generic' ? (text) => JSON.parse(text) : typedParse(type)
  }

  emit(window: TextWindow, output: Output<T>, recordsMax: number): number {
    const { text } = window
    const parse = this.#parse
    let at = window.cursor
    let count = 0
    while (count < recordsMax && at < text.length) {
      let end = text.indexOf('\n', at)
      if (end < 0) end = text.length
      const line = window.line(at, lineStop(text, at, end))
      count++
      if (line !== '') {
        let value: unknown
        let isGood = true
        try {
          value = parse(line)
        } catch (error) {
          isGood = line.trim() === ''
          if (!isGood) {
            window.cursor = at
            this.#malformed.handle(window, line, error, output)
          }
          isGood = false
        }
        if (isGood) output.collect(value as T)
      }
      at = end + 1
      if (output.isFull()) break
    }
    window.cursor = at
    return count
  }
}

function typedParse(type: DataType): (text: string) => unknown {
  const convert: JsonConverter = jsonConverter(type)
  return hasExactNumbers(type) ? (text) => convert(parseExactly(text)) : (text) => convert(JSON.parse(text))
}
