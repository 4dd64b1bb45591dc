/**
 * Infers a column schema from values. What was observed is kept, so that a later value of another shape widens the
 * schema instead of starting over. Cold: the first records of a stream, then one per surprise.
 *
 * number → float64 (always exact) · string → text · boolean → bool · bigint of 64 bits → int64 · Date → date ·
 * Uint8Array → bytes · plain object → row · array of one primitive type → list · array of fixed length → tuple ·
 * null, undefined, missing field → absence codes · anything else, and mixtures → generic.
 */
import {
  Absence,
  type ColumnNode,
  type ColumnSchema,
  columnsMax,
  genericSchema,
  isColumnName,
  schemaOf,
} from './column-schema.ts'
import { isPlainObject } from './plain-values.ts'
import type { DataType } from './types.ts'

const tupleLengthMax = 16
const rowDepthMax = 4
const rowFieldsMax = 64

type Kind = 'float64' | 'text' | 'bool' | 'int64' | 'date' | 'bytes' | 'row' | 'array' | 'other'

export class SchemaSampler {
  readonly #root = new Observation(0)

  add(value: unknown): void {
    this.#root.add(value)
  }

  /** The narrowest schema that holds everything observed. */
  schema(): ColumnSchema {
    const root = this.#root.node(false)
    return countLeaves(root) > columnsMax ? genericSchema : schemaOf(root)
  }
}

class Observation {
  readonly #depth: number
  readonly #kinds = new Set<Kind>()
  #absent = 0
  #count = 0
  readonly #fields = new Map<string, Observation>()
  readonly #elements: Observation[] = []
  #anyElement: Observation | undefined
  /** Length of every array so far; -1 where they differ. */
  #length: number | undefined

  constructor(depth: number) {
    this.#depth = depth
  }

  add(value: unknown): void {
    if (value === null) this.#absent |= Absence.Null
    else if (value === undefined) this.#absent |= Absence.Undefined
    else {
      const kind = kindOf(value, this.#depth)
      this.#kinds.add(kind)
      if (kind === 'row') this.#addRow(value as Record<string, unknown>)
      else if (kind === 'array') this.#addArray(value as readonly unknown[])
    }
  }

  node(isOptional: boolean): ColumnNode {
    const absent = this.#absent | (isOptional ? Absence.Missing : 0)
    const [kind] = this.#kinds
    if (this.#kinds.size !== 1 || kind === undefined || kind === 'other') return genericNode(absent)
    if (kind === 'row') return this.#rowNode(absent)
    if (kind === 'array') return this.#arrayNode(absent)
    return { kind, absent }
  }

  #addRow(row: Record<string, unknown>): void {
    this.#count++
    for (const name of Object.keys(row)) {
      if (this.#fields.size > rowFieldsMax) return
      let field = this.#fields.get(name)
      if (field === undefined) this.#fields.set(name, (field = new Observation(this.#depth + 1)))
      field.#occurrences++
      field.add(row[name])
    }
  }

  /** Rows that held this field. */
  #occurrences = 0

  #addArray(array: readonly unknown[]): void {
    this.#length = this.#length === undefined || this.#length === array.length ? array.length : -1
    this.#anyElement ??= new Observation(this.#depth + 1)
    for (let i = 0; i < array.length; i++) {
      this.#anyElement.add(array[i])
      if (i < tupleLengthMax) (this.#elements[i] ??= new Observation(this.#depth + 1)).add(array[i])
    }
  }

  #rowNode(absent: number): ColumnNode {
    if (this.#fields.size > rowFieldsMax) return genericNode(absent)
    for (const name of this.#fields.keys()) if (!isColumnName(name)) return genericNode(absent)
    const fields = [...this.#fields].map(([name, field]) => ({
      name,
      node: field.node(field.#occurrences < this.#count),
    }))
    return { kind: 'row', absent, fields }
  }

  #arrayNode(absent: number): ColumnNode {
    const element = this.#anyElement!.#elementType()
    if (element !== undefined) return { kind: 'list', absent, type: { kind: 'list', element } }
    const length = this.#length!
    if (length <= 0 || length > tupleLengthMax) return genericNode(absent)
    return {
      kind: 'tuple',
      absent,
      fields: this.#elements.map((each, i) => ({ name: String(i), node: each.node(false) })),
    }
  }

  /** Declared type of a homogeneous list of primitives. */
  #elementType(): DataType | undefined {
    const [kind] = this.#kinds
    if (this.#kinds.size !== 1 || this.#absent !== 0) return undefined
    return kind === 'float64' || kind === 'text' || kind === 'bool' || kind === 'int64' ? { kind } : undefined
  }
}

/** A generic column writes null and undefined itself; only a missing field needs its code. */
function genericNode(absent: number): ColumnNode {
  return { kind: 'generic', absent: absent & Absence.Missing }
}

function kindOf(value: unknown, depth: number): Kind {
  switch (typeof value) {
    case 'number':
      return 'float64'
    case 'string':
      return 'text'
    case 'boolean':
      return 'bool'
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? 'int64' : 'other'
    case 'object':
      return objectKind(value!, depth)
    default:
      return 'other'
  }
}

function objectKind(value: object, depth: number): Kind {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Date.prototype) return 'date'
  if (prototype === Uint8Array.prototype) return 'bytes'
  if (depth >= rowDepthMax) return 'other'
  if (prototype === Array.prototype) return isDense(value as readonly unknown[]) ? 'array' : 'other'
  return prototype === Object.prototype && isPlainObject(value) ? 'row' : 'other'
}

function isDense(array: readonly unknown[]): boolean {
  for (let i = 0; i < array.length; i++) if (array[i] === undefined && !(i in array)) return false
  return true
}

function countLeaves(node: ColumnNode): number {
  return 'fields' in node ? node.fields.reduce((sum, field) => sum + countLeaves(field.node), 1) : 1
}
