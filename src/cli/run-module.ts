/** `run(import.meta)`: a job module run by itself, `node job.ts …`, as `millrace run job.ts …` would. */
import { latestJob } from '../api/job.ts'
import { MillraceError } from '../common/errors.ts'
import { endProcess, hasHungCalls } from '../common/hung-calls.ts'
import type { JobResult } from '../coordinator/job-execution.ts'
import { runJob, reportError } from './run-job.ts'

/** How `run` takes its arguments. */
export interface RunOptions {
  /** Default: those of the process, without program and file. */
  readonly args?: readonly string[]
}

/**
 * Runs the job that this module defines, in worker threads, and sets the process's exit code. Options of `millrace run`
 * are taken from the command line, everything else is the program's: `node job.ts --parallelism 2 --input a.txt`.
 * Answers undefined where the job failed: the error has been printed then.
 * @example
 * import { run } from 'millrace'
 * if (import.meta.main) await run(import.meta)
 */
export async function run(meta: ImportMeta, options: RunOptions = {}): Promise<JobResult | undefined> {
  const args = options.args ?? process.argv.slice(2)
  // The module is still being evaluated: importing it here would wait for itself. Its `job(…)` was the last one called.
  const definition = latestJob()
  try {
    const { parseOwnArguments } = await import('./own-arguments.ts')
    const parsed = parseOwnArguments(args)
    if (parsed === 'answered') return undefined
    if (definition === undefined) {
      throw new MillraceError('MR_JOB_NO_DEFAULT_EXPORT', `no job was defined before run() was called in ${meta.url}`)
    }
    const { flags, settings } = parsed
    const request = { ...settings, definition, moduleUrl: meta.url }
    const { exitCode, result } = await runJob(() => request, { json: flags.json ?? false, quiet: flags.quiet })
    process.exitCode = exitCode
    if (hasHungCalls()) endProcess(exitCode)
    return result
  } catch (error) {
    process.exitCode = await reportError(error, args.includes('--json'))
    return undefined
  }
}
