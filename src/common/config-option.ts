/** One typed configuration option: its key, its default, and how its text is parsed. */
import { MillraceError } from './errors.ts'
import { localPath } from './local-path.ts'

export type OptionKind = 'duration' | 'bytes' | 'integer' | 'number' | 'boolean' | 'text' | 'choice'

export interface ConfigOption<T> {
  /** Flink's key where the option is the same. */
  readonly key: string
  readonly kind: OptionKind
  /** Undefined: no default; the description says what holds then. Durations in ms, sizes in bytes. */
  readonly defaultValue: T
  /** The default as a user would write it. */
  readonly defaultText: string
  readonly description: string
  /** Allowed values of a choice. */
  readonly choices?: readonly string[]
  /** Throws MR_CONFIG_INVALID_VALUE. */
  parse(text: string): T
}

type Bounds = { readonly min?: number; readonly max?: number }

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  milli: 1,
  millis: 1,
  millisecond: 1,
  milliseconds: 1,
  s: 1_000,
  sec: 1_000,
  secs: 1_000,
  second: 1_000,
  seconds: 1_000,
  m: 60_000,
  min: 60_000,
  mins: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
}

const unitBytes: Readonly<Record<string, number>> = {
  b: 1,
  bytes: 1,
  k: 1024,
  kb: 1024,
  kibibytes: 1024,
  m: 1024 ** 2,
  mb: 1024 ** 2,
  mebibytes: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1024 ** 3,
  gibibytes: 1024 ** 3,
  t: 1024 ** 4,
  tb: 1024 ** 4,
  tebibytes: 1024 ** 4,
}

const invalid = (key: string, expected: string, found: string): MillraceError =>
  new MillraceError('MR_CONFIG_INVALID_VALUE', `${key} must be ${expected}, got '${found}'`)

/** `10 s`, `200ms`, `1.5 min`; a bare number is milliseconds. */
export function parseDurationMs(text: string, key = 'a duration'): number {
  return parseWithUnit(text, unitMs, key, 'a duration such as `200 ms`, `10 s` or `5 min`')
}

/** `64 kb`, `1 gb` (powers of 1024); a bare number is bytes. */
export function parseBytes(text: string, key = 'a size'): number {
  const bytes = parseWithUnit(text, unitBytes, key, 'a size such as `64 kb` or `1 gb`')
  return Math.floor(bytes)
}

function parseWithUnit(text: string, units: Readonly<Record<string, number>>, key: string, expected: string): number {
  const match = /^\s*(-?\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text)
  const factor = match?.[2] === '' ? 1 : units[match?.[2]?.toLowerCase() ?? '']
  if (match === null || factor === undefined) throw invalid(key, expected, text)
  return Number(match[1]) * factor
}

function checkBounds(key: string, value: number, { min = -Infinity, max = Infinity }: Bounds, text: string): number {
  if (value >= min && value <= max) return value
  throw invalid(key, max === Infinity ? `at least ${min}` : `between ${min} and ${max}`, text)
}

export function durationOption<T extends string | undefined>(
  key: string,
  defaultText: T,
  description: string,
  bounds: Bounds = { min: 0 },
): ConfigOption<T extends string ? number : number | undefined> {
  const parse = (text: string): number => checkBounds(key, parseDurationMs(text, key), bounds, text)
  return {
    key,
    kind: 'duration',
    defaultValue: (defaultText === undefined ? undefined : parse(defaultText)) as never,
    defaultText: defaultText ?? '(none)',
    description,
    parse,
  }
}

export function bytesOption<T extends string | undefined>(
  key: string,
  defaultText: T,
  description: string,
  bounds: Bounds = { min: 0 },
): ConfigOption<T extends string ? number : number | undefined> {
  const parse = (text: string): number => checkBounds(key, parseBytes(text, key), bounds, text)
  return {
    key,
    kind: 'bytes',
    defaultValue: (defaultText === undefined ? undefined : parse(defaultText)) as never,
    defaultText: defaultText ?? '(none)',
    description,
    parse,
  }
}

export function integerOption<T extends number | undefined>(
  key: string,
  defaultValue: T,
  description: string,
  bounds: Bounds = {},
): ConfigOption<T extends number ? number : number | undefined> {
  return {
    key,
    kind: 'integer',
    defaultValue: defaultValue as never,
    defaultText: defaultValue === undefined ? '(none)' : String(defaultValue),
    description,
    parse: (text) => {
      if (!/^\s*-?\d+\s*$/.test(text)) throw invalid(key, 'a whole number', text)
      return checkBounds(key, Number(text), bounds, text) as never
    },
  }
}

export function numberOption(
  key: string,
  defaultValue: number,
  description: string,
  bounds: Bounds = {},
): ConfigOption<number> {
  return {
    key,
    kind: 'number',
    defaultValue,
    defaultText: String(defaultValue),
    description,
    parse: (text) => {
      const value = text.trim() === '' ? Number.NaN : Number(text)
      if (Number.isNaN(value)) throw invalid(key, 'a number', text)
      return checkBounds(key, value, bounds, text)
    },
  }
}

export function booleanOption(key: string, defaultValue: boolean, description: string): ConfigOption<boolean> {
  return {
    key,
    kind: 'boolean',
    defaultValue,
    defaultText: String(defaultValue),
    description,
    parse: (text) => {
      const word = text.trim().toLowerCase()
      if (word !== 'true' && word !== 'false') throw invalid(key, '`true` or `false`', text)
      return word === 'true'
    },
  }
}

export function textOption<T extends string | undefined>(
  key: string,
  defaultValue: T,
  description: string,
): ConfigOption<T extends string ? string : string | undefined> {
  return {
    key,
    kind: 'text',
    defaultValue: defaultValue as never,
    defaultText: defaultValue ?? '(none)',
    description,
    parse: (text) => text as never,
  }
}

/** A path of this machine; `file:///x` is `/x`. */
export function pathOption(key: string, description: string): ConfigOption<string | undefined> {
  return { ...textOption(key, undefined, description), parse: (text) => localPath(text.trim(), key) }
}

/** Case and the difference between `-` and `_` do not matter, as in Flink's enums. */
export function choiceOption<const C extends readonly string[], D extends C[number] | undefined>(
  key: string,
  choices: C,
  defaultValue: D,
  description: string,
): ConfigOption<D extends string ? C[number] : C[number] | undefined> {
  const normal = (text: string): string => text.trim().toLowerCase().replaceAll('_', '-')
  return {
    key,
    kind: 'choice',
    defaultValue: defaultValue as never,
    defaultText: defaultValue ?? '(none)',
    description,
    choices,
    parse: (text) => {
      const found = choices.find((choice) => choice === normal(text))
      if (found === undefined) throw invalid(key, `one of ${choices.join(', ')}`, text)
      return found as never
    },
  }
}
