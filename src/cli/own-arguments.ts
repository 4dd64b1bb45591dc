/** The arguments of a job module run by itself: options of a run anywhere before `--`, the rest is the program's. */
import { Command } from 'commander'
import { isAnswered, usageError, withRunOptions } from './program.ts'
import { type RunFlags, type RunSettings, runSettings } from './run-options.ts'

export interface OwnArguments {
  readonly flags: RunFlags
  readonly settings: RunSettings
}

/** `answered` where help was asked for and printed. Throws MR_CLI_USAGE, MR_PLAN_PARALLELISM. */
export function parseOwnArguments(args: readonly string[]): OwnArguments | 'answered' {
  const separator = args.indexOf('--')
  const own = separator < 0 ? args : args.slice(0, separator)
  const command = withRunOptions(new Command('node job.ts'))
    .allowUnknownOption()
    .allowExcessArguments()
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
  try {
    command.parse(own, { from: 'user' })
  } catch (error) {
    if (isAnswered(error)) return 'answered'
    throw usageError(error)
  }
  const flags = command.opts<RunFlags>()
  const rest = separator < 0 ? [] : args.slice(separator + 1)
  return { flags, settings: runSettings(flags, [...command.args, ...rest]) }
}
