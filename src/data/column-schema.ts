/**
 * How a stream's values lie in columns: a tree of nodes, made from a declared type or from observed values. Plain data
 * with a JSON form (`key`), which names the generated code and travels in front of the first block.
 *
 * A leaf is one column. A row or tuple has no column of its own: its fields' columns lie side by side. A node that may
 * be absent has a column of codes: 0 value, 1 null, 2 undefined, 3 missing (of a field).
 */
import type { DataType, Field } from './types.ts'

export type LeafKind =
  | 'float64'
  | 'int32'
  | 'int64'
  | 'bool'
  | 'date'
  | 'text'
  | 'bytes'
  | 'decimal'
  | 'list'
  | 'generic'

export interface LeafNode {
  readonly kind: LeafKind
  readonly absent: number
  /** Of decimals: digits; of lists: the declared type of the whole list. */
  readonly precision?: number
  readonly type?: DataType
}

export interface GroupNode {
  readonly kind: 'row' | 'tuple'
  readonly absent: number
  /** Tuples name their elements by position. */
  readonly fields: readonly { readonly name: string; readonly node: ColumnNode }[]
}

export type ColumnNode = LeafNode | GroupNode

/** Bits of `absent`: which absences a node may have. Bit n stands for code n + 1. */
export const Absence = { Null: 1, Undefined: 2, Missing: 4 } as const

export interface ColumnSchema {
  readonly root: ColumnNode
  /** JSON of the root: equal schemas have equal keys. ASCII. */
  readonly key: string
  /**
   * Of declared types: a row is what its type names, and other properties of the object are not looked at. An inferred
   * schema takes only objects that have just its fields, so that nothing is lost.
   */
  readonly isProjection?: boolean
}

export function schemaOf(root: ColumnNode): ColumnSchema {
  return { root, key: asciiJson(root) }
}

export function schemaFromKey(key: string): ColumnSchema {
  return { root: JSON.parse(key) as ColumnNode, key }
}

/** True where no column is text or heap: a row is a handful of numbers. */
export function isFixedWidth(node: ColumnNode): boolean {
  if ('fields' in node) return node.fields.every((field) => isFixedWidth(field.node))
  return node.kind !== 'text' && node.kind !== 'bytes' && node.kind !== 'list' && node.kind !== 'generic'
}

/** Any plain value, tagged. */
export const genericSchema: ColumnSchema = schemaOf({ kind: 'generic', absent: 0 })

export function schemaOfType(type: DataType): ColumnSchema {
  return { ...schemaOf(nodeOfType(type)), isProjection: true }
}

function nodeOfType(type: DataType): ColumnNode {
  const absent = type.nullable === true ? Absence.Null : 0
  switch (type.kind) {
    case 'timestamp':
    case 'float64':
      return { kind: 'float64', absent }
    case 'decimal':
      return { kind: 'decimal', absent, precision: type.precision }
    case 'list':
      return { kind: 'list', absent, type: { kind: 'list', element: type.element } }
    case 'row':
      return isColumnar(type.fields)
        ? {
            kind: 'row',
            absent,
            fields: type.fields.map(({ name, type: inner }) => ({ name, node: nodeOfType(inner) })),
          }
        : { kind: 'generic', absent: 0 }
    case 'generic':
      return { kind: 'generic', absent: 0 }
    default:
      return { kind: type.kind, absent }
  }
}

/** Wider rows than this are written with the generic codec. */
export const columnsMax = 256

function isColumnar(fields: readonly Field[]): boolean {
  return fields.length <= columnsMax && fields.every((field) => isColumnName(field.name))
}

/** Names that every object inherits cannot be told missing by a plain read. */
export function isColumnName(name: string): boolean {
  return !(name in Object.prototype)
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
