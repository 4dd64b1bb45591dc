/** The end of the control socket that a command holds: finds running jobs and asks them. */
import { readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { basename, join, resolve } from 'node:path'
import { codeOf, fromPlain, MillraceError } from '../common/errors.ts'
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

/** How long a job may take to say where it stands; one that is paused, or whose disk hangs, does not. */
const statusMsMax = 5000

export interface RunningJobs {
  /** The oldest first. */
  readonly jobs: readonly ReachableJob[]
  /** One line for each process that does not answer. */
  readonly silent: readonly string[]
}

/** Every running job of this user. Sockets of processes that are gone are removed. */
export async function runningJobs(): Promise<RunningJobs> {
  const directory = controlDirectory()
  const sockets = readdirSync(directory).filter((name) => name.endsWith(socketSuffix))
  const found = await Promise.all(sockets.map((name) => statusOf(join(directory, name))))
  const jobs = found.filter((job) => job !== undefined && typeof job !== 'string')
  return {
    jobs: jobs.toSorted((left, right) => left.startedMs - right.startedMs),
    silent: found.filter((job) => typeof job === 'string'),
  }
}

async function statusOf(socket: string): Promise<ReachableJob | string | undefined> {
  try {
    return { ...(await ask(socket, { command: 'status' }, { withinMs: statusMsMax })).status, socket }
  } catch (error) {
    if (codeOf(error) === 'MR_RUNTIME_TIMEOUT') return (error as Error).message
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') rmSync(socket, { force: true })
    return undefined
  }
}

/**
 * The running job that a word names: its id or the beginning of it, its name, or its job directory; without a word the
 * only one. MR_CLI_USAGE where there is none, or more than one.
 */
export async function findJob(word: string | undefined): Promise<ReachableJob> {
  const { jobs, silent } = await runningJobs()
  const found = word === undefined ? jobs : jobs.filter((job) => isNamed(job, word))
  if (found.length === 1) return found[0]!
  const which = word === undefined ? 'job' : `job '${word}'`
  const known = jobs.map((job) => `${job.jobId} ${job.jobName}`).join(', ')
  throw new MillraceError(
    'MR_CLI_USAGE',
    found.length === 0
      ? [`no ${which} is running`, ...silent].join('; ')
      : `more than one ${which} is running: ${known}; name one by its id`,
  )
}

function isNamed(job: ReachableJob, word: string): boolean {
  return job.jobId.startsWith(word) || job.jobName === word || job.jobDir === resolve(word)
}

/**
 * Asks, and where `untilEnd` waits for the end of the job. Throws what the job's side throws, and MR_RUNTIME_TIMEOUT where
 * there is no answer within the time.
 */
export function ask(
  socket: string,
  request: ControlRequest,
  { untilEnd = false, withinMs }: { readonly untilEnd?: boolean; readonly withinMs?: number } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket)
    if (withinMs !== undefined) {
      connection.setTimeout(withinMs, () => {
        const [pid] = basename(socket).split('-')
        reject(new MillraceError('MR_RUNTIME_TIMEOUT', `process ${pid} has not answered for ${withinMs} ms`))
        connection.destroy()
      })
    }
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
