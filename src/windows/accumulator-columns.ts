/**
 * Accumulators by place, for totals of windows: plain objects of primitive values lie in columns, one array a field, and
 * are made anew when read. Objects that live for 20 slices cost the garbage collector more than merging them: it copies
 * each twice and then looks at it through the pages that point to it. Objects read from columns die at once.
 *
 * Invariants
 * 1. What `get` answers equals what was set: the same names in the same order, the same values (-0 and NaN included).
 * 2. A column begins as narrow as its first value allows (int32, float64, any primitive) and is widened, never narrowed.
 *    Code is generated for the columns as they are, so that fields of small integers stay small integers.
 * 3. An accumulator of other names, of another prototype or with a field that is no primitive is kept as it is, and so
 *    is everything that is set after it.
 *
 * Hot per (key, slice).
 */
import { generate } from '../common/generated-code.ts'

type Column = Int32Array<ArrayBuffer> | Float64Array<ArrayBuffer> | unknown[]

interface ColumnCode<Acc> {
  get(at: number): Acc
  /** False: does not fit, nothing has changed. */
  set(at: number, accumulator: Acc): boolean
}

const fieldsMax = 32

export class AccumulatorColumns<Acc> {
  /** True where what `get` answers belongs to the caller. */
  copies: boolean
  #code: ColumnCode<Acc> | undefined
  #names: readonly string[]
  #columns: Column[]
  /** Kept as they are; where there is nothing, the columns may hold it. */
  #objects: (Acc | undefined)[] = []
  #length: number

  /** For accumulators like `first`, in `length` places. */
  constructor(first: Acc, length: number) {
    this.#length = length
    this.#names = fieldNames(first) ?? []
    this.copies = this.#names.length > 0
    this.#columns = this.#names.map((name) => columnFor((first as Fields)[name], length))
    if (this.copies) this.#code = columnCode(this.#names, this.#columns)
  }

  /** What was set at this place. */
  get(at: number): Acc {
    if (this.copies) return this.#code!.get(at)
    const kept = this.#objects[at]
    return kept === undefined && this.#code !== undefined ? this.#code.get(at) : (kept as Acc)
  }

  /** Keeps `accumulator`, or its content: afterwards it may be changed only where `copies` is true. */
  set(at: number, accumulator: Acc): void {
    if (!this.copies) this.#objects[at] = accumulator
    else if (!this.#code!.set(at, accumulator)) this.#setUnlike(at, accumulator)
  }

  /** Room for so many places. */
  grow(length: number): void {
    this.#length = length
    if (!this.copies) return
    this.#columns = this.#columns.map((column) => {
      if (Array.isArray(column)) return column
      const wider = column instanceof Int32Array ? new Int32Array(length) : new Float64Array(length)
      wider.set(column)
      return wider
    })
    this.#code = columnCode(this.#names, this.#columns)
  }

  #setUnlike(at: number, accumulator: Acc): void {
    const names = fieldNames(accumulator)
    if (names?.length === this.#names.length && names.every((name, i) => name === this.#names[i])) {
      this.#columns = this.#columns.map((column, i) =>
        widened(column, (accumulator as Fields)[names[i]!], this.#length),
      )
      this.#code = columnCode(this.#names, this.#columns)
      this.#code.set(at, accumulator)
      return
    }
    this.copies = false
    // As long as it will be at once: an array with large holes would become a slow one.
    this.#objects = Array.from({ length: this.#length })
    this.#objects[at] = accumulator
  }
}

type Fields = Readonly<Record<string, unknown>>

/** Undefined: not a plain object of primitive values. */
function fieldNames(value: unknown): string[] | undefined {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return undefined
  const names = Object.keys(value)
  const isPrimitive = (name: string): boolean => {
    const field = (value as Fields)[name]
    return field === null || (typeof field !== 'object' && typeof field !== 'function')
  }
  return names.length <= fieldsMax && !names.includes('__proto__') && names.every(isPrimitive) ? names : undefined
}

function isInt32(value: unknown): boolean {
  return typeof value === 'number' && (value | 0) === value && !Object.is(value, -0)
}

function columnFor(value: unknown, length: number): Column {
  if (isInt32(value)) return new Int32Array(length)
  return typeof value === 'number' ? new Float64Array(length) : []
}

function widened(column: Column, value: unknown, length: number): Column {
  if (Array.isArray(column) || (column instanceof Int32Array && isInt32(value))) return column
  if (typeof value !== 'number') return Array.from<unknown>(column)
  if (column instanceof Float64Array) return column
  const wider = new Float64Array(length)
  wider.set(column)
  return wider
}

function columnCode<Acc>(names: readonly string[], columns: readonly Column[]): ColumnCode<Acc> {
  const bindings: Record<string, unknown> = { prototype: Object.prototype, prototypeOf: Object.getPrototypeOf }
  const fields = names.map((name, i) => {
    const column = columns[i]!
    bindings[`column${i}`] = column
    const field = `field${i}`
    const fits =
      column instanceof Int32Array
        ? `(${field} | 0) === ${field} && (${field} !== 0 || 1 / ${field} > 0)`
        : column instanceof Float64Array
          ? `typeof ${field} === 'number'`
          : `(${field} === null || (typeof ${field} !== 'object' && typeof ${field} !== 'function'))`
    return { name: JSON.stringify(name), field, fits, column: `column${i}[at]` }
  })
  const lines = (line: (field: (typeof fields)[number], i: number) => string): string => fields.map(line).join('\n')
  return generate<ColumnCode<Acc>>(
    bindings,
    `{
  get(at) { return { ${fields.map(({ name, column }) => `${name}: ${column}`).join(', ')} } },
  set(at, value) {
    ${lines(({ name, field }) => `const ${field} = value[${name}]`)}
    // After the fields: the compiler knows the object by then, and with it the prototype.
    if (prototypeOf(value) !== prototype) return false
    let count = 0
    for (const name in value) {
      switch (count++) {
        ${lines(({ name }, i) => `case ${i}: if (name !== ${name}) return false; break`)}
        default: return false
      }
    }
    if (count !== ${names.length}) return false
    if (!(${fields.map(({ fits }) => `(${fits})`).join(' && ')})) return false
    ${lines(({ field, column }) => `${column} = ${field}`)}
    return true
  },
}`,
  )
}
