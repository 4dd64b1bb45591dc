/**
 * From what JSON.parse gives to values of a declared type. Rows get a generated function that makes objects of one shape;
 * it is generated from the schema alone, with names escaped by JSON.stringify.
 */
import { MillraceError } from '../../common/errors.ts'
import type { DataType, Field } from '../../data/types.ts'
import { bytesOf, decimalOf, int64Of, quoted, timestampOf, typeName } from './field-values.ts'
import { Malformed } from './malformed.ts'

/** Throws `Malformed` where the value does not fit. */
export type JsonConverter = (value: unknown) => unknown

/** True where a type holds whole numbers that a double cannot: they must be read from their digits. */
export function hasExactNumbers(type: DataType): boolean {
  switch (type.kind) {
    case 'int64':
    case 'decimal':
      return true
    case 'list':
      return hasExactNumbers(type.element)
    case 'row':
      return type.fields.some((field) => hasExactNumbers(field.type))
    default:
      return false
  }
}

const longNumber = /\d[\d.]{15}/

/** JSON.parse that keeps the digits of long numbers as text where the type wants them exact. */
export function parseExactly(text: string): unknown {
  if (!longNumber.test(text)) return JSON.parse(text)
  return JSON.parse(text, digitsReviver as (key: string, value: unknown) => unknown)
}

function digitsReviver(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  const { source } = context
  return typeof value === 'number' && source !== undefined && source.length > 15 ? new Digits(source) : value
}

/** A number as it was written. */
class Digits {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }
}

export function jsonConverter(type: DataType): JsonConverter {
  const convert = converterOf(type)
  if (type.nullable !== true || type.kind === 'generic') return convert
  return (value) => (value === null || value === undefined ? null : convert(value))
}

function converterOf(type: DataType): JsonConverter {
  switch (type.kind) {
    case 'generic':
      return plainNumbers
    case 'float64':
      return (value) =>
        typeof value === 'number' ? value : value instanceof Digits ? Number(value.source) : refuse(type, value)
    case 'int32':
      return (value) => (typeof value === 'number' && (value | 0) === value ? value : refuse(type, value))
    case 'bool':
      return (value) => (typeof value === 'boolean' ? value : refuse(type, value))
    case 'text':
      return (value) => (typeof value === 'string' ? value : refuse(type, value))
    case 'int64':
      return (value) => int64Of(digitsOf(type, value))
    case 'decimal':
      return (value) => decimalOf(digitsOf(type, value), type.precision, type.scale)
    case 'timestamp':
      return (value) =>
        typeof value === 'number' ? value : typeof value === 'string' ? timestampOf(value) : refuse(type, value)
    case 'bytes':
      return (value) => (typeof value === 'string' ? bytesOf(value) : refuse(type, value))
    case 'list': {
      const convert = jsonConverter(type.element)
      return (value) => (Array.isArray(value) ? value.map(convert) : refuse(type, value))
    }
    case 'row':
      return rowConverter(type.fields)
    default:
      throw new MillraceError('MR_CONFIG_INVALID_VALUE', `type ${typeName(type)} cannot be read from JSON`)
  }
}

/** In parts without a type, numbers are doubles. */
function plainNumbers(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Digits) return Number(value.source)
  if (Array.isArray(value)) return value.map(plainNumbers)
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plainNumbers(member)]))
}

function digitsOf(type: DataType, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (value instanceof Digits) return value.source
  return refuse(type, value)
}

function refuse(type: DataType, value: unknown): never {
  if (value === undefined) throw new Malformed(`is missing, expected ${typeName(type)}`)
  throw new Malformed(`expected ${typeName(type)}, got ${quoted(JSON.stringify(value))}`)
}

/** `(value) => ({ "a": typeof value["a"] === 'number' ? value["a"] : c0(value["a"]), … })` */
function rowConverter(fields: readonly Field[]): JsonConverter {
  const converters = fields.map((field) => namedConverter(field))
  const members = fields.map(({ name, type }, i) => {
    const member = `value[${JSON.stringify(name)}]`
    const check = quickCheck(type, member)
    return `${JSON.stringify(name)}: ${check === undefined ? '' : `${check} ? ${member} : `}c${i}(${member})`
  })
  const names = fields.map((_, i) => `c${i}`)
  const body = `return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) notRow(value)
    return { ${members.join(', ')} }
  }`
  const make = new Function('notRow', ...names, `'use strict'\n${body}`)
  return make((value: unknown) => refuse({ kind: 'row', fields: [] }, value), ...converters) as JsonConverter
}

/** A test under which the member is right as it is. */
function quickCheck(type: DataType, member: string): string | undefined {
  switch (type.kind) {
    case 'float64':
    case 'timestamp':
      return `typeof ${member} === 'number'`
    case 'int32':
      return `(${member} | 0) === ${member}`
    case 'text':
      return `typeof ${member} === 'string'`
    case 'bool':
      return `typeof ${member} === 'boolean'`
    default:
      return undefined
  }
}

function namedConverter({ name, type }: Field): JsonConverter {
  const convert = jsonConverter(type)
  return (value) => {
    try {
      return convert(value)
    } catch (error) {
      throw error instanceof Malformed ? new Malformed(`field ${JSON.stringify(name)} ${error.reason}`) : error
    }
  }
}
