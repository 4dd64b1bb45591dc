/**
 * How `millrace list | cancel | stop | savepoint | checkpoint` reach a running job: every process that runs a job listens
 * on a socket of its own in one directory of the user's, and answers one request per connection. One line of JSON each
 * way; where the job ends by the request, the connection closes once it has ended.
 */
import { mkdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import type { PlainError } from '../common/errors.ts'
import type { JobStatus } from '../coordinator/job-execution.ts'

export type ControlRequest =
  | { readonly command: 'status' | 'cancel' | 'checkpoint' }
  | { readonly command: 'savepoint'; readonly target?: string }
  | { readonly command: 'stop'; readonly target?: string; readonly drain?: boolean }

export type ControlResponse =
  | { readonly ok: true; readonly status: RunningJob; readonly path?: string; readonly checkpointId?: number }
  | { readonly ok: false; readonly error: PlainError }

/** A job as `list` shows it. */
export interface RunningJob {
  readonly jobId: string
  readonly jobName: string
  readonly status: JobStatus
  readonly pid: number
  /** Since the epoch. */
  readonly startedMs: number
  /** Absolute; undefined where it has none. */
  readonly jobDir: string | undefined
  readonly recordsRead: number
}

/** Only the user may enter: whoever can connect can stop the job. MILLRACE_RUN_DIR names another directory. */
export function controlDirectory(): string {
  const base = process.env.XDG_RUNTIME_DIR ?? tmpdir()
  const directory = process.env.MILLRACE_RUN_DIR ?? join(base, `millrace-${userInfo().uid}`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return directory
}

export const socketSuffix = '.sock'
