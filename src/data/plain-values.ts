/** What counts as a plain value, and why another does not: the cold half of the codecs. */
import { MillraceError } from '../common/errors.ts'

/** Values nested deeper are refused: they are cyclic, or would exhaust the stack. */
export const valueDepthMax = 1_000

/** An object literal, also of another realm, or one without a prototype. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return true
  return Object.getPrototypeOf(prototype) === null && !Array.isArray(value)
}

/** The error for a value that cannot be written, naming the path of what stands in the way. */
export function notSerializable(root: unknown): MillraceError {
  const found = findObstacle(root, [], '$')
  const message =
    found === undefined ? `the value is nested deeper than ${valueDepthMax}` : `${found.path} is ${found.what}`
  return new MillraceError('MR_DATA_NOT_SERIALIZABLE', `a record or state value cannot be serialised: ${message}`)
}

interface Obstacle {
  readonly path: string
  readonly what: string
}

function findObstacle(value: unknown, ancestors: readonly unknown[], path: string): Obstacle | undefined {
  if (typeof value === 'function') return { path, what: `a function${value.name === '' ? '' : ` (${value.name})`}` }
  if (typeof value === 'symbol') return { path, what: 'a symbol' }
  if (typeof value !== 'object' || value === null) return undefined
  if (ancestors.includes(value)) return { path, what: 'a reference to one of its own ancestors (a cycle)' }
  if (ancestors.length > valueDepthMax) return undefined
  const inner = [...ancestors, value]
  for (const [child, childPath] of childrenOf(value, path)) {
    const found = findObstacle(child, inner, childPath)
    if (found !== undefined) return found
  }
  return hasPlainMeaning(value) ? undefined : { path, what: `an instance of ${value.constructor?.name ?? 'a class'}` }
}

function hasPlainMeaning(value: object): boolean {
  return (
    isPlainObject(value) ||
    value instanceof Date ||
    value instanceof Map ||
    value instanceof Set ||
    value instanceof ArrayBuffer ||
    ArrayBuffer.isView(value) ||
    (Array.isArray(value) && value.constructor?.name === 'Array')
  )
}

function* childrenOf(value: object, path: string): Generator<[child: unknown, path: string]> {
  if (Array.isArray(value)) for (let i = 0; i < value.length; i++) yield [value[i], `${path}[${i}]`]
  else if (value instanceof Set) for (const element of value) yield [element, `${path}.<element>`]
  else if (value instanceof Map) {
    for (const [key, mapped] of value) {
      yield [key, `${path}.<key>`]
      yield [mapped, `${path}.<value of ${String(typeof key === 'object' ? '…' : key)}>`]
    }
  } else if (isPlainObject(value)) {
    for (const [key, child] of Object.entries(value)) {
      yield [child, /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`]
    }
  }
}
