/**
 * Runs one job in the foreground, for `millrace run` and for `run(import.meta)`: progress on a terminal, signals, the
 * summary, and errors as text or JSON. Answers the exit code and throws nothing.
 */
import { MillraceError } from '../common/errors.ts'
import type { JobRequest, JobResult, ProgressReport } from '../coordinator/job-execution.ts'
import { errorReport, printError } from './error-report.ts'
import type { ControlServer } from './control-server.ts'
import type { Terminal } from './progress-line.ts'

export interface ForegroundOptions {
  readonly json: boolean
  readonly quiet?: boolean
}

export interface Outcome {
  readonly exitCode: number
  readonly result: JobResult | undefined
}

export async function runJob(
  makeRequest: () => JobRequest | Promise<JobRequest>,
  { json, quiet = false }: ForegroundOptions,
): Promise<Outcome> {
  const { stdout, stderr } = process
  const interruption = interruptions(json)
  const progress = json || quiet || !stderr.isTTY ? undefined : await openProgress(stderr)
  let opening: Promise<void> | undefined
  let server: ControlServer | undefined
  try {
    const request = await makeRequest()
    const { executeJob } = await import('../coordinator/execute.ts')
    const result = await executeJob({
      ...request,
      signal: interruption.signal,
      onProgress: (report) => {
        progress?.show(report)
        server?.take(report)
      },
      onWarning: (text) => {
        if (json) return
        progress?.clear()
        stderr.write(`warning: ${text}\n`)
      },
      onControl: (controls, job) => {
        // Off the path to the first record: the job starts meanwhile.
        opening = import('./control-server.ts').then(({ ControlServer }) => {
          server = new ControlServer(controls, job, request.jobDir)
        })
      },
    })
    progress?.clear()
    if (json || !quiet) {
      const { summaryJson, summaryText } = await import('./summary.ts')
      if (json) stdout.write(summaryJson(result))
      else stderr.write(summaryText(result))
    }
    return { exitCode: 0, result }
  } catch (error) {
    progress?.clear()
    return { exitCode: await reportError(error, json), result: undefined }
  } finally {
    interruption.dispose()
    await opening
    server?.close()
  }
}

/** Prints an error, to stdout as JSON or to stderr as text; answers its exit code. */
export async function reportError(error: unknown, json: boolean): Promise<number> {
  const report = errorReport(error)
  if (json) process.stdout.write((await import('./summary.ts')).errorJson(report))
  else printError(report, (text) => process.stderr.write(text))
  return report.exitCode
}

async function openProgress(terminal: Terminal): Promise<{ show: (report: ProgressReport) => void; clear(): void }> {
  const { ProgressLine } = await import('./progress-line.ts')
  const line = new ProgressLine(terminal)
  return { show: (report) => line.show(report), clear: () => line.clear() }
}

/** By the signal itself, which to a shell is 130 or 143: `process.exit` would wait for threads that hang. */
function endBy(name: NodeJS.Signals): void {
  process.removeAllListeners(name)
  process.kill(process.pid, name)
}

/** The first Ctrl-C (or SIGTERM) cancels the job, the second ends the process at once. */
function interruptions(json: boolean): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) return endBy(name)
    if (!json) process.stderr.write(`\n${name}: cancelling the job; once more ends the process at once\n`)
    controller.abort(new MillraceError('MR_JOB_CANCELED', `the job was cancelled by ${name}`))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    signal: controller.signal,
    dispose: () => {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}
