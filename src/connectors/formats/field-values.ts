/**
 * Values of declared types out of text. Every function throws `Malformed` with what was expected and what was found.
 * Hot per field.
 */
import type { DataType } from '../../data/types.ts'
import { Malformed } from './malformed.ts'

const zero = 48
const minus = 45
const plus = 43
const point = 46

const powersOfTen = Float64Array.from({ length: 16 }, (_, i) => 10 ** i)

/**
 * The number written at `text[at … end)`. Up to 15 digits with a point are read here, exactly (two exact doubles and one
 * rounding); everything else goes through Number.
 */
export function numberAt(text: string, at: number, end: number): number {
  let i = at
  const first = i < end ? text.charCodeAt(i) : 0
  if (first === minus || first === plus) i++
  const digitsFrom = i
  let value = 0
  let pointAt = -1
  for (; i < end; i++) {
    const digit = text.charCodeAt(i) - zero
    if (digit >= 0 && digit <= 9) value = value * 10 + digit
    else if (digit === point - zero && pointAt < 0) pointAt = i
    else return slowNumber(text.slice(at, end))
  }
  const length = i - digitsFrom
  if (length > 15 || length === 0 || (pointAt >= 0 && length === 1)) return slowNumber(text.slice(at, end))
  if (pointAt >= 0) value /= powersOfTen[end - pointAt - 1] as number
  return first === minus ? -value : value
}

function slowNumber(text: string): number {
  const trimmed = text.trim()
  const value = Number(trimmed)
  if (trimmed !== '' && (value === value || trimmed === 'NaN') && !/^[+-]?0[xXbBoO]/.test(trimmed)) return value
  throw new Malformed(`expected a number, got ${quoted(text)}`)
}

export function int32At(text: string, at: number, end: number): number {
  const value = numberAt(text, at, end)
  if ((value | 0) === value) return value
  throw new Malformed(`expected a whole number of 32 bits, got ${quoted(text.slice(at, end))}`)
}

export function int64At(text: string, at: number, end: number): bigint {
  return int64Of(text.slice(at, end).trim())
}

export function int64Of(text: string): bigint {
  if (/^[+-]?\d+$/.test(text)) {
    const value = BigInt(text)
    if (BigInt.asIntN(64, value) === value) return value
  }
  throw new Malformed(`expected a whole number of 64 bits, got ${quoted(text)}`)
}

export function boolAt(text: string, at: number, end: number): boolean {
  const word = text.slice(at, end).trim().toLowerCase()
  if (word === 'true') return true
  if (word === 'false') return false
  throw new Malformed(`expected true or false, got ${quoted(text.slice(at, end))}`)
}

/** Milliseconds since the epoch as a number, or a date in a form that Date.parse takes (ISO 8601 without zone: UTC). */
export function timestampAt(text: string, at: number, end: number): number {
  return timestampOf(text.slice(at, end).trim())
}

export function timestampOf(text: string): number {
  if (/^-?\d+$/.test(text)) return Number(text)
  const hasZone = /(?:Z|[+-]\d\d:?\d\d)$/.test(text)
  const value = Date.parse(hasZone || !/^\d{4}-\d\d-\d\d[T ]\d/.test(text) ? text : `${text.replace(' ', 'T')}Z`)
  if (value === value) return value
  throw new Malformed(`expected a timestamp, got ${quoted(text)}`)
}

/** Unscaled value. */
export function decimalOf(text: string, precision: number, scale: number): bigint {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text.trim())
  if (match !== null) {
    const [, sign, whole = '', fraction = ''] = match
    const digits = whole + fraction.slice(0, scale).padEnd(scale, '0')
    const isExact = /^0*$/.test(fraction.slice(scale))
    if (whole + fraction !== '' && isExact && digits.replace(/^0+/, '').length <= precision) {
      return BigInt(`${sign === '-' ? '-' : ''}${digits === '' ? '0' : digits}`)
    }
  }
  throw new Malformed(`expected a decimal(${precision}, ${scale}), got ${quoted(text)}`)
}

export function bytesOf(text: string): Uint8Array {
  if (text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)) return new Uint8Array(Buffer.from(text, 'base64'))
  throw new Malformed(`expected base64, got ${quoted(text)}`)
}

export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

/** For messages. */
export function typeName(type: DataType): string {
  if (type.kind === 'decimal') return `decimal(${type.precision}, ${type.scale})`
  return type.kind
}
