/** Every line is a record. The loop is hot: one search and one slice per line. */
import type { Output } from '../../operators/operator.ts'
import type { TextFormat } from '../files/file-records-reader.ts'
import { lineStop } from '../files/line-stop.ts'
import type { TextWindow } from '../files/text-window.ts'

export class LineFormat implements TextFormat<string> {
  emit(window: TextWindow, output: Output<string>, recordsMax: number): number {
    const { text } = window
    let at = window.cursor
    let count = 0
    while (count < recordsMax && at < text.length) {
      let end = text.indexOf('\n', at)
      if (end < 0) end = text.length
      output.collect(window.line(at, lineStop(text, at, end)))
      at = end + 1
      count++
      if (output.isFull()) break
    }
    window.cursor = at
    return count
  }
}
