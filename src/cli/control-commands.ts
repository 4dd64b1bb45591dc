/** `millrace list | cancel | stop | savepoint | checkpoint`, against jobs that run in other processes. */
import { systemClock } from '../common/clock.ts'
import { resolve } from 'node:path'
import { localPath } from '../common/local-path.ts'
import { ask, findJob, type ReachableJob, runningJobs } from './control-client.ts'
import type { ControlRequest, ControlResponse } from './control-protocol.ts'
import { count, duration } from './units.ts'

export interface ControlFlags {
  readonly json?: boolean
  readonly drain?: boolean
}

export async function list({ json = false }: ControlFlags): Promise<string> {
  const { jobs, silent } = await runningJobs()
  for (const text of silent) process.stderr.write(`warning: ${text}\n`)
  if (json) return `${JSON.stringify(jobs.map(({ socket: _socket, ...job }) => job))}\n`
  if (jobs.length === 0) return 'No running jobs.\n'
  return jobs.map((job) => `${line(job)}\n`).join('')
}

function line(job: ReachableJob): string {
  const directory = job.jobDir === undefined ? '' : `  ${job.jobDir}`
  const since = duration(systemClock.nowMs() - job.startedMs)
  return `${job.jobId}  ${job.jobName}  ${job.status}  ${since}  ${count(job.recordsRead)} records${directory}`
}

export async function cancel(word: string | undefined, flags: ControlFlags): Promise<string> {
  return act(word, { command: 'cancel' }, flags, (job) => `Cancelled job ${job.jobId}.`)
}

export async function stop(word: string | undefined, target: string | undefined, flags: ControlFlags): Promise<string> {
  const request = { command: 'stop', drain: flags.drain, ...absolute(target) } as const
  return act(word, request, flags, (_, path) => `Stopped. Savepoint: ${path}`)
}

export async function savepoint(
  word: string | undefined,
  target: string | undefined,
  flags: ControlFlags,
): Promise<string> {
  return act(word, { command: 'savepoint', ...absolute(target) }, flags, (_, path) => `Savepoint: ${path}`)
}

export async function checkpoint(word: string | undefined, flags: ControlFlags): Promise<string> {
  return act(word, { command: 'checkpoint' }, flags, (_, path, id) => `Checkpoint ${id}: ${path}`)
}

/** The job's process may have another working directory. */
function absolute(target: string | undefined): { readonly target?: string } {
  return target === undefined ? {} : { target: resolve(localPath(target, 'the target directory')) }
}

type Say = (job: ReachableJob, path: string | undefined, checkpointId: number | undefined) => string

async function act(
  word: string | undefined,
  request: ControlRequest,
  { json = false }: ControlFlags,
  say: Say,
): Promise<string> {
  const job = await findJob(word)
  const untilEnd = request.command === 'cancel' || request.command === 'stop'
  const { path, checkpointId } = (await ask(job.socket, request, { untilEnd })) as ControlResponse & { ok: true }
  const { jobId, jobName } = job
  return json ? `${JSON.stringify({ jobId, jobName, path, checkpointId })}\n` : `${say(job, path, checkpointId)}\n`
}
