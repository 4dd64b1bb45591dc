/**
 * How values stand in the tables in memory: fixed-width values as words of 8 bytes off the heap, one per field; all
 * others as the objects that the program gave. Readers and writers are generated per type, names escaped.
 *
 * Hot: `RowColumns` are read and written for every record of a session window.
 */
import { MillraceError } from '../../common/errors.ts'
import type { DataType } from '../../data/types.ts'
import { type RecordField, recordLayoutOf } from '../managed/record-layout.ts'
import type { RowColumns } from '../keyed-state-backend.ts'
import { printType } from '../state-spec.ts'
import type { FrontTable } from './front-table.ts'

/** Where a row stands that may be read and changed in its place. */
export interface RowPlace {
  front: FrontTable
  entry: number
}

export interface ValueLayout {
  /** Words per value; 0: values are objects. */
  readonly width: number
  /** One number, in the first and only word. */
  readonly isNumber: boolean
  /** `f64` and `i64` are two views of one buffer, `at` is the value's first word. */
  read(f64: Float64Array, i64: BigInt64Array, at: number): unknown
  write(f64: Float64Array, i64: BigInt64Array, at: number, value: unknown): void
  /** Throws MR_DATA_TYPE_MISMATCH. */
  check(value: unknown): void
  /** Rows field by field: `find` puts the current key's place into what it is given; false where there is none. */
  columns?(find: (place: RowPlace) => boolean): RowColumns
}

type Generated = Pick<ValueLayout, 'read' | 'write' | 'check' | 'columns'>

const objects: ValueLayout = { width: 0, isNumber: false, read: () => undefined, write: () => {}, check: () => {} }

const made: Map<string, ValueLayout> = new Map()

export function valueLayoutOf(type: DataType): ValueLayout {
  const { fields, isRow } = recordLayoutOf(type)
  if (fields === undefined) return objects
  const id = JSON.stringify(type)
  let layout = made.get(id)
  if (layout === undefined) {
    const kind = fields[0]!.kind
    const isNumber = !isRow && (kind === 'float64' || kind === 'timestamp' || kind === 'int32')
    layout = { width: fields.length, isNumber, ...generate(type, fields, isRow) }
    made.set(id, layout)
  }
  return layout
}

function generate(type: DataType, fields: readonly RecordField[], isRow: boolean): Generated {
  const reads = fields.map((field, i) => readOf(field, i))
  const result = isRow
    ? `{ ${fields.map((field, i) => `${property(field.name!)}: ${reads[i]}`).join(', ')} }`
    : reads[0]!
  const writes = fields.map((field, i) => writeOf(field, i))
  const notRow = isRow ? `typeof value !== 'object' || value === null || ` : ''
  const source = `return {
    read(f64, i64, at) { return ${result} },
    write(f64, i64, at, value) { ${writes.join('; ')} },
    check(value) { if (${notRow}${fields.map(misfit).join(' || ')}) refuse(value) },
    ${isRow ? columnsOf(fields) : ''}
  }`
  return (new Function('refuse', source) as (refuse: (value: unknown) => never) => Generated)((value) =>
    refuse(type, value),
  )
}

function columnsOf(fields: readonly RecordField[]): string {
  const at = `const { front: { f64, i64 }, entry } = this, at = entry * ${1 + fields.length} + 1`
  const access = fields.map(
    (field, i) => `
      field${i}() { ${at}; return ${readOf(field, i)} }
      setField${i}(value) {
        if (${misfit({ ...field, name: undefined })}) refuse(value)
        ${at}; ${writeOf({ ...field, name: undefined }, i)}
      }`,
  )
  return `columns(find) {
    return new class {
      front = undefined
      entry = 0
      hasRow() { return find(this) }
      changeRow() { this.front.mark(this.entry) }${access.join('')}
    }
  }`
}

function readOf({ kind }: RecordField, i: number): string {
  if (kind === 'int64') return `i64[at + ${i}]`
  return kind === 'bool' ? `f64[at + ${i}] === 1` : `f64[at + ${i}]`
}

function writeOf(field: RecordField, i: number): string {
  if (field.kind === 'int64') return `i64[at + ${i}] = ${valueOf(field)}`
  return `f64[at + ${i}] = ${field.kind === 'bool' ? `${valueOf(field)} ? 1 : 0` : valueOf(field)}`
}

function misfit(field: RecordField): string {
  const value = valueOf(field)
  if (field.kind === 'int32') return `(${value} | 0) !== ${value}`
  if (field.kind === 'int64') return `typeof ${value} !== 'bigint' || BigInt.asIntN(64, ${value}) !== ${value}`
  return `typeof ${value} !== '${field.kind === 'bool' ? 'boolean' : 'number'}'`
}

function valueOf({ name }: RecordField): string {
  return name === undefined ? 'value' : `value[${JSON.stringify(name)}]`
}

/** \`__proto__\` as a plain name would set the prototype. */
function property(name: string): string {
  return name === '__proto__' ? '["__proto__"]' : JSON.stringify(name)
}

function refuse(type: DataType, value: unknown): never {
  const found =
    value === null ? 'null' : typeof value === 'object' ? 'another object' : `${typeof value} ${String(value)}`
  throw new MillraceError('MR_DATA_TYPE_MISMATCH', `expected ${printType(type)}, got ${found.slice(0, 200)}`)
}
