/** The end of the control socket that a command holds: finds running jobs and asks them. */
import { readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { fromPlain, MillraceError } from '../common/errors.ts'
import {
  controlDirectory,
  type ControlRequest,
  type ControlResponse,
  type RunningJob,
  socketSuffix,
} from './control-protocol.ts'

export interface ReachableJob extends RunningJob {
  readonly socket: string
}

type Answer = ControlResponse & { readonly ok: true }

/** Every running job of this user, the oldest first. Sockets of processes that are gone are removed. */
export async function runningJobs(): Promise<ReachableJob[]> {
  const directory = controlDirectory()
  const sockets = readdirSync(directory).filter((name) => name.endsWith(socketSuffix))
  const found = await Promise.all(sockets.map((name) => statusOf(join(directory, name))))
  return found.filter((job) => job !== undefined).toSorted((left, right) => left.startedMs - right.startedMs)
}

async function statusOf(socket: string): Promise<ReachableJob | undefined> {
  try {
    return { ...(await ask(socket, { command: 'status' })).status, socket }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') rmSync(socket, { force: true })
    return undefined
  }
}

/**
 * The running job that a word names: its id or the beginning of it, its name, or its job directory; without a word the
 * only one. MR_CLI_USAGE where there is none, or more than one.
 */
export async function findJob(word: string | undefined): Promise<ReachableJob> {
  const jobs = await runningJobs()
  const found = word === undefined ? jobs : jobs.filter((job) => isNamed(job, word))
  if (found.length === 1) return found[0]!
  const which = word === undefined ? 'job' : `job '${word}'`
  const known = jobs.map((job) => `${job.jobId} ${job.jobName}`).join(', ')
  throw new MillraceError(
    'MR_CLI_USAGE',
    found.length === 0 ? `no ${which} is running` : `more than one ${which} is running: ${known}; name one by its id`,
  )
}

function isNamed(job: ReachableJob, word: string): boolean {
  return job.jobId.startsWith(word) || job.jobName === word || job.jobDir === resolve(word)
}

/** Asks, and where `untilEnd` waits for the end of the job. Throws what the job's side throws. */
export function ask(socket: string, request: ControlRequest, untilEnd: boolean = false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket)
    let text = ''
    let answer: Answer | undefined
    connection.setEncoding('utf8')
    connection.on('connect', () => connection.write(`${JSON.stringify(request)}\n`))
    connection.on('error', reject)
    connection.on('data', (part: string) => {
      text += part
      if (!text.endsWith('\n')) return
      const response = JSON.parse(text) as ControlResponse
      if (response.ok) answer = response
      else reject(fromPlain(response.error))
      if (!untilEnd || !response.ok) connection.end()
    })
    connection.on('close', () => {
      if (answer !== undefined) resolve(answer)
      else reject(new MillraceError('MR_CLI_USAGE', 'the job ended before it answered'))
    })
  })
}
