/** `job(…)`: what a job module exports. */
import { availableParallelism } from 'node:os'
import { Configuration, type ConfigurationValues } from '../common/configuration.ts'
import { configOptions } from '../common/config-options.ts'
import { asMillraceError, MillraceError } from '../common/errors.ts'
import type { JobDefinition } from '../plan/job-definition.ts'
import { StreamExecutionEnvironment } from './environment.ts'

/** Settings of a job that its program fixes. */
export interface JobOptions {
  /** Under the command line's `-D`, under what the program configures in code. */
  readonly configuration?: ConfigurationValues
}

let latest: JobDefinition | undefined

/**
 * Defines a job. `build` says the program; it is called in the coordinator and again in every slot, and must build the
 * same graph each time.
 * @example
 * export default job('evens', (env) => {
 *   env.source(sequence(1, 10)).filter((n) => n % 2 === 0).print()
 * })
 */
export function job(
  name: string,
  build: (env: StreamExecutionEnvironment) => void,
  options: JobOptions = {},
): JobDefinition {
  const defaults = Configuration.of(options.configuration ?? {})
  latest = Object.freeze({
    kind: 'millrace-job',
    name,
    build: ({ parameters, configuration: given, parallelism }) => {
      const configuration = defaults.with(given)
      const env = new StreamExecutionEnvironment({
        parameters,
        configuration,
        parallelism: parallelism ?? configuration.get(configOptions.parallelism) ?? availableParallelism(),
      })
      runProgram(name, build, env)
      return env.toStreamGraph(name)
    },
  } satisfies JobDefinition)
  return latest
}

/** The job that was defined last in this thread: that of the module which is calling `run`. */
export function latestJob(): JobDefinition | undefined {
  return latest
}

function runProgram(
  name: string,
  build: (env: StreamExecutionEnvironment) => unknown,
  env: StreamExecutionEnvironment,
) {
  let returned: unknown
  try {
    returned = build(env)
  } catch (error) {
    throw asMillraceError(error, 'MR_JOB_MODULE_FAILED')
  }
  if (returned instanceof Promise) {
    returned.catch(() => {})
    throw new MillraceError(
      'MR_JOB_MODULE_FAILED',
      `the function of job '${name}' must not be async: await at the module's top level instead`,
    )
  }
}
