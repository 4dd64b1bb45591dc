/** `millrace options`: every configuration option with its type, default and meaning. */
import { configOptions } from '../common/config-options.ts'
import type { ConfigOption } from '../common/config-option.ts'

export function optionsText(): string {
  return Object.values(configOptions)
    .map((option: ConfigOption<unknown>) => {
      const type = option.choices === undefined ? option.kind : option.choices.join(' | ')
      return `${option.key}\n  ${type}, default ${option.defaultText}\n  ${option.description}\n`
    })
    .join('\n')
}
