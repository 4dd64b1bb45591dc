/**
 * Reads values as record-writer.ts writes them, straight into the words of records: no value is made of them. Code per
 * layout, made from types only. Hot while state is restored.
 */
import { generate } from '../../common/generated-code.ts'
import type { RecordLayout } from './record-layout.ts'

export interface RecordReader {
  /** Bytes of one value. */
  readonly valueBytes: number
  /** Copies the value at byte `at` into the record whose words begin at `base`. */
  read(view: DataView, at: number, i32: Int32Array, base: number): void
}

const compiled: Map<string, RecordReader> = new Map()

/** Undefined where values are objects. */
export function recordReaderFor({ fields }: RecordLayout): RecordReader | undefined {
  if (fields === undefined) return undefined
  const id = JSON.stringify(fields.map(({ kind, offset }) => [kind, offset]))
  let reader = compiled.get(id)
  if (reader !== undefined) return reader
  let valueBytes = 0
  const copies = fields.flatMap(({ kind, offset }) => {
    const at = valueBytes
    const word = (n: number): string => `i32[base + ${offset + n}] = view.getInt32(at + ${at + 4 * n}, true)`
    valueBytes += kind === 'bool' ? 1 : kind === 'int32' ? 4 : 8
    if (kind === 'bool') return [`i32[base + ${offset}] = view.getUint8(at + ${at})`]
    return kind === 'int32' ? [word(0)] : [word(0), word(1)]
  })
  const read = generate<RecordReader['read']>({}, `(view, at, i32, base) => { ${copies.join('\n')} }`)
  compiled.set(id, (reader = { valueBytes, read }))
  return reader
}
