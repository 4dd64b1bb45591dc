/**
 * Writes the values of many records in the codec of their type, a few nanoseconds each: words are copied as they are,
 * with no value made of them. Code per layout, made from types only.
 */
import type { RecordLayout } from './record-layout.ts'

export interface RecordWriter {
  /** Bytes of one value. */
  readonly valueBytes: number
  /** Writes the values of `entries[0 … count - 1]`, one after another, from `at` on. */
  write(i32: Int32Array, entries: Int32Array, count: number, view: DataView, at: number): void
}

const compiled: Map<string, RecordWriter> = new Map()

/** Undefined where values are objects. */
export function recordWriterFor(layout: RecordLayout): RecordWriter | undefined {
  const { fields, strideWords } = layout
  if (fields === undefined) return undefined
  const id = JSON.stringify([strideWords, fields.map(({ kind, offset }) => [kind, offset])])
  let writer = compiled.get(id)
  if (writer !== undefined) return writer
  let valueBytes = 0
  const copies = fields.map(({ kind, offset }) => {
    const at = valueBytes
    if (kind === 'bool') {
      valueBytes += 1
      return `view.setUint8(at + ${at}, i32[base + ${offset}])`
    }
    valueBytes += kind === 'int32' ? 4 : 8
    const low = `view.setInt32(at + ${at}, i32[base + ${offset}], true)`
    return kind === 'int32' ? low : `${low}\n    view.setInt32(at + ${at + 4}, i32[base + ${offset + 1}], true)`
  })
  const source = `return (i32, entries, count, view, at) => {
  for (let i = 0; i < count; i++, at += ${valueBytes}) {
    const base = Math.imul(entries[i], ${strideWords})
    ${copies.join('\n    ')}
  }
}`
  writer = { valueBytes, write: (new Function(source) as () => RecordWriter['write'])() }
  compiled.set(id, writer)
  return writer
}
