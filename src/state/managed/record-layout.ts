/**
 * Layout of the records that a managed table keeps off the heap, one per entry, in words of 4 bytes:
 *
 *   ┌ key: 2 words ┬ 32-bit fields: a word each ┬ 0 or 1 word of padding ┬ 64-bit fields: 2 words each ┐
 *
 *   key   Int32: value, stamp · Float64, Int64: low, high word · Text, Other: hash, offset of the bytes in the arena
 *   32    int32 · bool (0 or 1)                64   float64 · timestamp · int64
 *
 * With 64-bit fields a record is a whole number of 8 bytes. Values of types that are not listed (text, lists, rows with
 * such fields, nullable and undeclared types) are objects beside the records, by the entry's index.
 */
import type { DataType } from '../../data/types.ts'

export const keyWords = 2

type FixedKind = 'float64' | 'int32' | 'int64' | 'bool' | 'timestamp'

export interface RecordField {
  /** Undefined: the value itself. */
  readonly name: string | undefined
  readonly kind: FixedKind
  /** In words. */
  readonly offset: number
}

export interface RecordLayout {
  /** Bytes of a record / 4. */
  readonly strideWords: number
  readonly isRow: boolean
  /** Undefined: values are objects. In the order of the type's fields. */
  readonly fields: readonly RecordField[] | undefined
}

/** Rows with more fields are kept as objects. */
const fieldsMax = 64

export function recordLayoutOf(type: DataType): RecordLayout {
  const kinds = fixedKindsOf(type)
  if (kinds === undefined) return { strideWords: keyWords, isRow: false, fields: undefined }
  const offsets = new Map<number, number>()
  let words = keyWords
  kinds.forEach(({ kind }, i) => {
    if (!isWide(kind)) offsets.set(i, words++)
  })
  if (kinds.some(({ kind }) => isWide(kind)) && words % 2 === 1) words++
  kinds.forEach(({ kind }, i) => {
    if (!isWide(kind)) return
    offsets.set(i, words)
    words += 2
  })
  const fields = kinds.map(({ name, kind }, i) => ({ name, kind, offset: offsets.get(i)! }))
  return { strideWords: words, isRow: type.kind === 'row', fields }
}

function isWide(kind: FixedKind): boolean {
  return kind !== 'int32' && kind !== 'bool'
}

function fixedKindsOf(type: DataType): { name: string | undefined; kind: FixedKind }[] | undefined {
  if (type.kind !== 'row' || type.nullable === true) {
    const kind = fixedKindOf(type)
    return kind === undefined ? undefined : [{ name: undefined, kind }]
  }
  if (type.fields.length === 0 || type.fields.length > fieldsMax) return undefined
  const kinds: { name: string; kind: FixedKind }[] = []
  for (const field of type.fields) {
    const kind = fixedKindOf(field.type)
    if (kind === undefined) return undefined
    kinds.push({ name: field.name, kind })
  }
  return kinds
}

function fixedKindOf(type: DataType): FixedKind | undefined {
  if (type.nullable === true) return undefined
  switch (type.kind) {
    case 'float64':
    case 'int32':
    case 'int64':
    case 'bool':
    case 'timestamp':
      return type.kind
    default:
      return undefined
  }
}
