/** The options that `millrace run` and a job module run by itself have in common. */
import { configOptions } from '../common/config-options.ts'
import { MillraceError } from '../common/errors.ts'
import { localPath } from '../common/local-path.ts'
import { maxParallelismMax } from '../common/limits.ts'
import { parseParameters } from '../common/parameters.ts'
import type { JobRequest } from '../coordinator/job-execution.ts'

/** As commander leaves them. */
export interface RunFlags {
  readonly parallelism?: string
  readonly json?: boolean
  readonly quiet?: boolean
  /** `key=value` each. */
  readonly define?: readonly string[]
  readonly jobDir?: string
  readonly from?: string
  readonly fresh?: boolean
  readonly allowNonRestoredState?: boolean
}

export type RunSettings = Pick<JobRequest, 'parameters' | 'configuration' | 'parallelism' | 'jobDir' | 'from' | 'fresh'>

/** MR_PLAN_PARALLELISM, MR_CLI_USAGE. */
export function runSettings(flags: RunFlags, programArguments: readonly string[]): RunSettings {
  const configuration = definitions(flags.define ?? [])
  if (flags.allowNonRestoredState) configuration[configOptions.recoveryIgnoreUnclaimed.key] = 'true'
  return {
    parameters: parseParameters(programArguments),
    configuration,
    parallelism: flags.parallelism === undefined ? undefined : parseParallelism(flags.parallelism),
    jobDir: flags.jobDir && localPath(flags.jobDir, '--job-dir'),
    from: flags.from && localPath(flags.from, '--from'),
    fresh: flags.fresh,
  }
}

function definitions(texts: readonly string[]): Record<string, string> {
  const configuration: Record<string, string> = {}
  for (const text of texts) {
    const equals = text.indexOf('=')
    if (equals < 1) throw new MillraceError('MR_CLI_USAGE', `-D needs key=value, got '${text}'`)
    configuration[text.slice(0, equals).trim()] = text.slice(equals + 1).trim()
  }
  return configuration
}

function parseParallelism(text: string): number {
  const parallelism = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (parallelism >= 1 && parallelism <= maxParallelismMax) return parallelism
  throw new MillraceError(
    'MR_PLAN_PARALLELISM',
    `--parallelism must be a whole number between 1 and ${maxParallelismMax}, got '${text}'`,
  )
}
