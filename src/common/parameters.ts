/**
 * Program parameters: what follows `--` on the command line, or what the embedding program gives. Plain data, so that
 * every slot sees the same. `--key value`, `--key=value`, `-key value` and flags; a key given twice keeps both.
 */
import { MillraceError } from './errors.ts'

export interface ParameterData {
  /** Values by key, in order; a flag has none. */
  readonly named: Readonly<Record<string, readonly string[]>>
  readonly positional: readonly string[]
}

export type ParameterValues = Readonly<Record<string, string | number | boolean | readonly string[]>>

/** Parses program arguments. A key followed by another key, or by nothing, is a flag; negative numbers are values. */
export function parseParameters(args: readonly string[]): ParameterData {
  const named: Record<string, string[]> = Object.create(null) as Record<string, string[]>
  const positional: string[] = []
  for (let index = 0; index < args.length; index++) {
    const argument = args[index]!
    const match = /^--?([^-=\d][^=]*)(?:=([^]*))?$/.exec(argument)
    if (match === null) {
      positional.push(argument)
      continue
    }
    const values = (named[match[1]!] ??= [])
    const following = args[index + 1]
    if (match[2] !== undefined) values.push(match[2])
    else if (following !== undefined && (!following.startsWith('-') || /^-\d|^-$/.test(following))) {
      values.push(following)
      index++
    }
  }
  return { named: { ...named }, positional }
}

/** Parameters from an object: `{ input: 'a.txt', verbose: true }`. A false value is left out. */
export function parametersOf(values: ParameterValues): ParameterData {
  const named: Record<string, readonly string[]> = {}
  for (const [key, value] of Object.entries(values)) {
    if (value === true) named[key] = []
    else if (value !== false) named[key] = Array.isArray(value) ? value : [String(value)]
  }
  return { named, positional: [] }
}

/** How a program reads its parameters (Flink's ParameterTool). */
export class Parameters {
  readonly #data: ParameterData

  constructor(data: ParameterData) {
    this.#data = data
  }

  /** True where the key was given, with or without a value. */
  has(key: string): boolean {
    return Object.hasOwn(this.#data.named, key)
  }

  /** The last value given for the key. */
  get(key: string): string | undefined
  get(key: string, fallback: string): string
  get(key: string, fallback?: string): string | undefined {
    return this.getAll(key).at(-1) ?? fallback
  }

  /** Every value given for the key, in order. */
  getAll(key: string): readonly string[] {
    return Object.hasOwn(this.#data.named, key) ? this.#data.named[key]! : []
  }

  /** Throws MR_PARAMETER_MISSING where the key has no value. */
  required(key: string): string {
    const value = this.get(key)
    if (value !== undefined) return value
    const given = Object.keys(this.#data.named).map((name) => `--${name}`)
    throw new MillraceError(
      'MR_PARAMETER_MISSING',
      `parameter --${key} is required; given: ${given.length === 0 ? 'none' : given.join(', ')}`,
    )
  }

  /** A whole number; MR_CONFIG_INVALID_VALUE otherwise. */
  getInt(key: string): number | undefined
  getInt(key: string, fallback: number): number
  getInt(key: string, fallback?: number): number | undefined {
    const text = this.get(key)
    if (text === undefined) return fallback
    if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(Number(text))) throw invalid(key, 'a whole number', text)
    return Number(text)
  }

  getNumber(key: string): number | undefined
  getNumber(key: string, fallback: number): number
  getNumber(key: string, fallback?: number): number | undefined {
    const text = this.get(key)
    if (text === undefined) return fallback
    const value = text.trim() === '' ? Number.NaN : Number(text)
    if (Number.isNaN(value)) throw invalid(key, 'a number', text)
    return value
  }

  /** A flag without value is true. */
  getBoolean(key: string, fallback = false): boolean {
    if (!this.has(key)) return fallback
    const text = this.get(key)?.toLowerCase() ?? 'true'
    if (text !== 'true' && text !== 'false') throw invalid(key, '`true` or `false`', text)
    return text === 'true'
  }

  /** Arguments that belong to no key. */
  get positional(): readonly string[] {
    return this.#data.positional
  }

  toPlain(): ParameterData {
    return this.#data
  }
}

function invalid(key: string, expected: string, found: string): MillraceError {
  return new MillraceError('MR_CONFIG_INVALID_VALUE', `parameter --${key} must be ${expected}, got '${found}'`)
}
