/** Names and types of CSV columns: declared, or guessed from a sample. */
import type { DataType, Field } from '../../data/types.ts'
import type { CsvColumn } from './csv-row.ts'
import { Malformed } from './malformed.ts'

/**
 * The columns of a file with these header names (undefined: without a header, by position) for a declared schema. Columns
 * that are not declared are skipped. Throws `Malformed` where a declared one is missing.
 */
export function columnsFor(schema: readonly Field[], header: readonly string[] | undefined): CsvColumn[] {
  if (header === undefined) return schema.map(({ name, type }) => ({ name, type }))
  for (const { name } of schema) {
    if (!header.includes(name)) {
      throw new Malformed(`column ${JSON.stringify(name)} is missing in the header: ${header.join(', ')}`)
    }
  }
  const seen = new Set<string>()
  return header.map((name) => {
    const field = seen.has(name) ? undefined : schema.find((declared) => declared.name === name)
    seen.add(name)
    return { name, type: field?.type }
  })
}

/** Names for a header row: empty ones become `column3`, doubled ones `name_2`. */
export function uniqueNames(header: readonly string[]): string[] {
  const seen = new Set<string>()
  return header.map((given, i) => {
    const base = given.trim() === '' ? `column${i + 1}` : given
    let name = base
    for (let count = 2; seen.has(name); count++) name = `${base}_${count}`
    seen.add(name)
    return name
  })
}

/**
 * The narrowest type for each column that takes all its sample values: bool, number (float64), whole numbers of more than
 * 15 digits (int64, as bigint), else text. Columns that are no text are nullable: an empty field is null.
 */
export function guessSchema(names: readonly string[], sample: readonly (readonly string[])[]): Field[] {
  return names.map((name, i) => ({
    name,
    type: guessType(sample.map((row) => row[i] ?? '').filter((value) => value !== '')),
  }))
}

const boolPattern = /^(?:true|false)$/i
const integerPattern = /^[+-]?(?:0|[1-9]\d*)$/
const numberPattern = /^[+-]?(?:0|[1-9]\d*|(?=\.\d))(?:\.\d+)?(?:[eE][+-]?\d+)?$/

function guessType(values: readonly string[]): DataType {
  if (values.length === 0) return { kind: 'text' }
  if (values.every((value) => boolPattern.test(value))) return { kind: 'bool', nullable: true }
  if (values.every((value) => integerPattern.test(value))) {
    if (values.every((value) => value.length <= 15)) return { kind: 'float64', nullable: true }
    return values.every(fitsInt64) ? { kind: 'int64', nullable: true } : { kind: 'text' }
  }
  return values.every((value) => numberPattern.test(value)) ? { kind: 'float64', nullable: true } : { kind: 'text' }
}

function fitsInt64(value: string): boolean {
  return BigInt.asIntN(64, BigInt(value)) === BigInt(value)
}
