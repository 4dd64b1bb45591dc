/**
 * What is known of a declared state: its name, kind and types as plain data. It is written into snapshots and compared
 * when the state is declared again, by a second declaration or by a changed program after a restore.
 */
import type { DataType } from '../data/types.ts'

export type StateKind = 'value' | 'list' | 'map' | 'reducing' | 'aggregating' | 'accumulators'

export interface StateSpec {
  readonly name: string
  readonly kind: StateKind
  /** Of the value, the list's elements, the map's values or the accumulator. */
  readonly type: DataType
  /** Maps only: of the map's keys. */
  readonly mapKeyType?: DataType
  /** True where values carry the time of their last access. */
  readonly isTimed: boolean
}

export const genericType: DataType = Object.freeze({ kind: 'generic' })
const timestampType: DataType = Object.freeze({ kind: 'timestamp' })

/** Type of what a cell of the state keeps per key and namespace. */
export function cellType(spec: StateSpec): DataType {
  switch (spec.kind) {
    case 'list':
      return { kind: 'list', element: timed(spec.type, spec.isTimed) }
    case 'map':
      return genericType
    default:
      return timed(spec.type, spec.isTimed)
  }
}

/** `{ v, t }`: a value and the time in ms since the epoch from which its time to live counts. */
function timed(type: DataType, isTimed: boolean): DataType {
  if (!isTimed) return type
  return {
    kind: 'row',
    fields: [
      { name: 'v', type },
      { name: 't', type: timestampType },
    ],
  }
}

export function sameType(left: DataType, right: DataType): boolean {
  if (left.kind !== right.kind || (left.nullable ?? false) !== (right.nullable ?? false)) return false
  if (left.kind === 'list') return sameType(left.element, (right as typeof left).element)
  if (left.kind === 'decimal') {
    const other = right as typeof left
    return left.precision === other.precision && left.scale === other.scale
  }
  if (left.kind !== 'row') return true
  const others = (right as typeof left).fields
  return (
    left.fields.length === others.length &&
    left.fields.every((field, i) => field.name === others[i]!.name && sameType(field.type, others[i]!.type))
  )
}

/** For messages: `row<price float64, channel text>`. */
export function printType(type: DataType): string {
  const suffix = type.nullable === true ? '?' : ''
  switch (type.kind) {
    case 'list':
      return `list<${printType(type.element)}>${suffix}`
    case 'decimal':
      return `decimal(${type.precision}, ${type.scale})${suffix}`
    case 'row':
      return `row<${type.fields.map((field) => `${field.name} ${printType(field.type)}`).join(', ')}>${suffix}`
    default:
      return type.kind + suffix
  }
}

export function printSpec(spec: StateSpec): string {
  const mapKey = spec.mapKeyType === undefined ? '' : `${printType(spec.mapKeyType)}, `
  return `${spec.kind}<${mapKey}${printType(spec.type)}>`
}
