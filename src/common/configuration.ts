/**
 * Configuration of a job: text by key, read through the typed options of config-options.ts. Immutable. It travels as
 * plain text values (`toPlain`), so that every slot reads the same.
 */
import { configOptions } from './config-options.ts'
import type { ConfigOption } from './config-option.ts'
import { MillraceError } from './errors.ts'
import { nearestName } from './nearest-name.ts'

/** Configuration as programs write it: option keys and plain values. */
export type ConfigurationValues = Readonly<Record<string, string | number | boolean>>

const optionsByKey: ReadonlyMap<string, ConfigOption<unknown>> = new Map(
  Object.values(configOptions).map((option) => [option.key, option as ConfigOption<unknown>]),
)

/** Configuration values by Flink's keys, checked against the table of options. Immutable. */
export class Configuration {
  static readonly empty: Configuration = new Configuration(new Map())
  readonly #values: ReadonlyMap<string, string>

  private constructor(values: ReadonlyMap<string, string>) {
    this.#values = values
  }

  /** Checks keys and values: MR_CONFIG_UNKNOWN_OPTION, MR_CONFIG_INVALID_VALUE. */
  static of(values: ConfigurationValues): Configuration {
    return Configuration.empty.with(values)
  }

  /** A configuration in which `values` override this one's. */
  with(values: ConfigurationValues): Configuration {
    const merged = new Map(this.#values)
    for (const [key, value] of Object.entries(values)) {
      const text = String(value)
      optionFor(key).parse(text)
      merged.set(key, text)
    }
    return new Configuration(merged)
  }

  /** The option's value, or its default. */
  get<T>(option: ConfigOption<T>): T {
    const text = this.#values.get(option.key)
    return text === undefined ? option.defaultValue : option.parse(text)
  }

  /** True where a value was given. */
  has(option: ConfigOption<unknown>): boolean {
    return this.#values.has(option.key)
  }

  /** The given text of a key, undefined where none was given. */
  text(key: string): string | undefined {
    return this.#values.get(key)
  }

  /** What was given, structured-cloneable. Keys sorted. */
  toPlain(): Record<string, string> {
    return Object.fromEntries([...this.#values].sort(([left], [right]) => (left < right ? -1 : 1)))
  }
}

function optionFor(key: string): ConfigOption<unknown> {
  const option = optionsByKey.get(key)
  if (option !== undefined) return option
  const nearest = nearestName(key, optionsByKey.keys())
  const suggestion = nearest === undefined ? '' : `; did you mean '${nearest}'?`
  throw new MillraceError('MR_CONFIG_UNKNOWN_OPTION', `there is no option '${key}'${suggestion}`)
}
