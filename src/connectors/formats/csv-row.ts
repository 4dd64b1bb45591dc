/**
 * Parsers of CSV rows, generated for a list of columns: objects of one shape, fields converted where they stand, columns
 * that nobody wants skipped over. Generated from the schema alone, with names escaped by JSON.stringify.
 */
import { MillraceError } from '../../common/errors.ts'
import type { DataType } from '../../data/types.ts'
import {
  boolAt,
  bytesOf,
  decimalOf,
  int32At,
  int64At,
  numberAt,
  quoted,
  timestampAt,
  typeName,
} from './field-values.ts'
import { Malformed } from './malformed.ts'

export interface CsvColumn {
  readonly name: string
  /** Undefined: the column is skipped. */
  readonly type: DataType | undefined
}

/** Both throw `Malformed`. */
export interface CsvRowParser {
  /** The row `text[at … end)`, which holds no quotes. */
  parseLine(text: string, at: number, end: number): unknown
  /** A row whose fields were found before. */
  parseFields(fields: readonly string[]): unknown
}

/** `columns` in the order of the file; the record's fields come in the order of `fieldNames`. */
export function csvRowParser(
  columns: readonly CsvColumn[],
  fieldNames: readonly string[],
  delimiter: string,
): CsvRowParser {
  const converters = columns.map(({ name, type }) => (type === undefined ? undefined : fieldConverter(name, type)))
  const names = columns.map((_, i) => `c${i}`)
  const values: readonly unknown[] = [...converters, delimiter, tooFew(columns.length), tooMany(columns.length)]
  const parameters = [...names, 'delimiter', 'tooFew', 'tooMany']
  const compile = (body: string): unknown => new Function(...parameters, `'use strict'\n${body}`)(...values)
  const result = recordCode(columns, fieldNames)
  return {
    parseLine: compile(lineCode(columns, result)) as CsvRowParser['parseLine'],
    parseFields: compile(fieldsCode(columns, result)) as CsvRowParser['parseFields'],
  }
}

function recordCode(columns: readonly CsvColumn[], fieldNames: readonly string[]): string {
  const members = fieldNames.map((name) => {
    const index = columns.findIndex((column) => column.name === name)
    return `${JSON.stringify(name)}: f${index}`
  })
  return `{ ${members.join(', ')} }`
}

function lineCode(columns: readonly CsvColumn[], result: string): string {
  const last = columns.length - 1
  const lines = columns.map(({ type }, i) => {
    const find =
      i < last
        ? `e = text.indexOf(delimiter, p); if (e < 0 || e >= end) tooFew(${i + 1})`
        : `e = text.indexOf(delimiter, p); if (e >= 0 && e < end) tooMany(text, p, end); e = end`
    const value = type === undefined ? '' : `const f${i} = ${valueCode(type, i, 'text, p, e')};`
    return `${find}; ${value} p = e + 1`
  })
  return `return (text, at, end) => {
    let p = at, e = at
    ${lines.join('\n')}
    return ${result}
  }`
}

function fieldsCode(columns: readonly CsvColumn[], result: string): string {
  const lines = columns.map(({ type }, i) => {
    if (type === undefined) return ''
    return `const t${i} = fields[${i}], f${i} = ${valueCode(type, i, `t${i}, 0, t${i}.length`)}`
  })
  return `return (fields) => {
    if (fields.length < ${columns.length}) tooFew(fields.length)
    if (fields.length > ${columns.length}) tooMany('', 0, 0, fields.length)
    ${lines.join('\n')}
    return ${result}
  }`
}

function valueCode(type: DataType, index: number, place: string): string {
  const [text, at, end] = place.split(', ')
  const whole = at === '0' ? text : `${text}.slice(${at}, ${end})`
  const convert = type.kind === 'text' ? whole : `c${index}(${place})`
  return type.nullable === true ? `${at} === ${end} ? null : ${convert}` : `${convert}`
}

type FieldConverter = (text: string, at: number, end: number) => unknown

function fieldConverter(name: string, type: DataType): FieldConverter {
  const convert = converterOf(type)
  return (text, at, end) => {
    try {
      return convert(text, at, end)
    } catch (error) {
      throw error instanceof Malformed ? new Malformed(`column ${JSON.stringify(name)}: ${error.reason}`) : error
    }
  }
}

function converterOf(type: DataType): FieldConverter {
  switch (type.kind) {
    case 'float64':
      return numberAt
    case 'int32':
      return int32At
    case 'int64':
      return int64At
    case 'bool':
      return boolAt
    case 'timestamp':
      return timestampAt
    case 'text':
    case 'generic':
      return (text, at, end) => text.slice(at, end)
    case 'bytes':
      return (text, at, end) => bytesOf(text.slice(at, end))
    case 'decimal':
      return (text, at, end) => decimalOf(text.slice(at, end), type.precision, type.scale)
    default:
      throw new MillraceError('MR_CONFIG_INVALID_VALUE', `a CSV column cannot be of type ${typeName(type)}`)
  }
}

function tooFew(count: number): (found: number) => never {
  return (found) => {
    throw new Malformed(`expected ${count} columns, found ${found}`)
  }
}

function tooMany(count: number): (text: string, at: number, end: number, found?: number) => never {
  return (text, at, end, found) => {
    const rest = found === undefined ? ` (the last one onwards is ${quoted(text.slice(at, end))})` : `, found ${found}`
    throw new Malformed(`expected ${count} columns${found === undefined ? `, found more${rest}` : rest}`)
  }
}
