/**
 * From the types that a state was written with to those that the program declares now. Rows may gain fields (they get
 * their type's default: 0, false, '', empty, null where nullable) and lose fields; generic state takes any values; time
 * to live may be switched on (counting from the restore) and off. Everything else is refused, with both types named.
 */
import type { Clock } from '../common/clock.ts'
import { MillraceError } from '../common/errors.ts'
import type { DataType, Field } from '../data/types.ts'
import type { Timed } from './primitives/time-to-live.ts'
import { genericType, printSpec, printType, sameType, type StateSpec } from './state-spec.ts'

type Migration = (value: unknown) => unknown

/** Undefined where nothing has to be done. Throws MR_CHECKPOINT_INCOMPATIBLE. */
export function migrationOf(written: StateSpec, declared: StateSpec, clock: Clock): Migration | undefined {
  if (written.kind !== declared.kind && !(isSingle(written) && isSingle(declared)))
    throw incompatible(written, declared)
  const mapKey = migrationOfType(written.mapKeyType ?? genericType, declared.mapKeyType ?? genericType)
  if (mapKey === 'refused') throw incompatible(written, declared)
  const element = migrationOfType(written.type, declared.type)
  if (element === 'refused') throw incompatible(written, declared)
  const timed = retimed(written.isTimed, declared.isTimed, element, clock)
  if (timed === undefined) return undefined
  switch (declared.kind) {
    case 'list':
      return (value) => (value as unknown[]).map(timed)
    case 'map':
      return (value) => new Map([...(value as Map<unknown, unknown>)].map(([key, mapped]) => [key, timed(mapped)]))
    default:
      return timed
  }
}

/** The same for operator state: of its items, of a broadcast map's keys or values. */
export function itemMigrationOf(name: string, written: DataType, declared: DataType): Migration | undefined {
  const migrate = migrationOfType(written, declared)
  if (migrate !== 'refused') return migrate
  throw new MillraceError(
    'MR_CHECKPOINT_INCOMPATIBLE',
    `operator state "${name}": expected ${printType(declared)}, the checkpoint holds ${printType(written)}`,
  )
}

/** Kinds that keep one value per key: a program may go from one to another. */
function isSingle(spec: StateSpec): boolean {
  return spec.kind !== 'list' && spec.kind !== 'map'
}

function retimed(
  wasTimed: boolean,
  isTimed: boolean,
  migrate: Migration | undefined,
  clock: Clock,
): Migration | undefined {
  if (wasTimed === isTimed && migrate === undefined) return undefined
  const inner = migrate ?? ((value: unknown): unknown => value)
  const nowMs = clock.nowMs()
  return (value) => {
    const migrated = inner(wasTimed ? (value as Timed<unknown>).v : value)
    return isTimed ? { v: migrated, t: wasTimed ? (value as Timed<unknown>).t : nowMs } : migrated
  }
}

function migrationOfType(written: DataType, declared: DataType): Migration | undefined | 'refused' {
  if (sameType(written, declared)) return undefined
  if (declared.kind === 'generic')
    return written.kind === 'row' || written.kind === 'list' ? (value) => value : identity
  if (written.nullable === true && declared.nullable !== true) return 'refused'
  if (sameType({ ...written, nullable: true }, { ...declared, nullable: true })) return identity
  if (written.kind === 'list' && declared.kind === 'list') return migrationOfList(written.element, declared.element)
  if (written.kind === 'row' && declared.kind === 'row') return migrationOfRow(written.fields, declared.fields)
  return written.kind === 'int32' && declared.kind === 'float64' ? identity : 'refused'
}

const identity: Migration = (value) => value

function migrationOfList(written: DataType, declared: DataType): Migration | 'refused' {
  const element = migrationOfType(written, declared)
  if (element === 'refused') return 'refused'
  return (value) => (value === null ? null : (value as unknown[]).map(element ?? identity))
}

function migrationOfRow(written: readonly Field[], declared: readonly Field[]): Migration | 'refused' {
  const steps: [name: string, migrate: Migration][] = []
  for (const field of declared) {
    const before = written.find((candidate) => candidate.name === field.name)
    const migrate = before === undefined ? defaultOf(field.type) : migrationOfType(before.type, field.type)
    if (migrate === 'refused') return 'refused'
    steps.push([field.name, migrate ?? identity])
  }
  return (value) => {
    if (value === null) return null
    const row = value as Record<string, unknown>
    return Object.fromEntries(steps.map(([name, migrate]) => [name, migrate(row[name])]))
  }
}

function defaultOf(type: DataType): Migration {
  if (type.nullable === true) return () => null
  switch (type.kind) {
    case 'float64':
    case 'int32':
    case 'timestamp':
      return () => 0
    case 'int64':
    case 'decimal':
      return () => 0n
    case 'bool':
      return () => false
    case 'text':
      return () => ''
    case 'bytes':
      return () => new Uint8Array(0)
    case 'list':
      return () => []
    case 'row': {
      const fields = type.fields.map((field) => [field.name, defaultOf(field.type)] as const)
      return () => Object.fromEntries(fields.map(([name, make]) => [name, make(undefined)]))
    }
    case 'generic':
      return () => null
  }
}

function incompatible(written: StateSpec, declared: StateSpec): MillraceError {
  return new MillraceError(
    'MR_CHECKPOINT_INCOMPATIBLE',
    `state "${declared.name}": expected ${printSpec(declared)}, the checkpoint holds ${printSpec(written)}`,
  )
}
