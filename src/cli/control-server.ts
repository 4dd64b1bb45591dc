/** The end of the control socket that a running job holds. Thread: the coordinator's; cold. */
import { systemClock } from '../common/clock.ts'
import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join, resolve } from 'node:path'
import { MillraceError, toPlain } from '../common/errors.ts'
import type { JobControls } from '../coordinator/job-control.ts'
import type { JobIdentity, ProgressReport } from '../coordinator/job-execution.ts'
import {
  controlDirectory,
  type ControlRequest,
  type ControlResponse,
  type RunningJob,
  socketSuffix,
} from './control-protocol.ts'
import { sourceRecords } from './progress-line.ts'

/** Bytes of a request at most. */
const requestBytesMax = 65_536

let opened = 0

export class ControlServer {
  readonly #controls: JobControls
  readonly #job: JobIdentity
  readonly #jobDir: string | undefined
  readonly #startedMs = systemClock.nowMs()
  readonly #path = join(controlDirectory(), `${process.pid}-${opened++}${socketSuffix}`)
  readonly #connections = new Set<Socket>()
  readonly #server: Server
  #report: ProgressReport | undefined

  constructor(controls: JobControls, job: JobIdentity, jobDir: string | undefined) {
    this.#controls = controls
    this.#job = job
    this.#jobDir = jobDir === undefined ? undefined : resolve(jobDir)
    // A process of the same id has left a socket when it was killed.
    rmSync(this.#path, { force: true })
    this.#server = createServer((connection) => this.#accept(connection))
    // A job runs without being reachable rather than not at all.
    this.#server.on('error', () => {})
    this.#server.listen(this.#path)
    this.#server.unref()
  }

  take(report: ProgressReport): void {
    this.#report = report
  }

  /** The job has ended: waiting clients learn it from the end of their connection. */
  close(): void {
    for (const connection of this.#connections) connection.destroy()
    this.#server.close()
    rmSync(this.#path, { force: true })
  }

  #accept(connection: Socket): void {
    let text = ''
    this.#connections.add(connection)
    connection.on('close', () => this.#connections.delete(connection))
    connection.on('error', () => connection.destroy())
    connection.setEncoding('utf8').on('data', (part: string) => {
      text += part
      if (text.length > requestBytesMax) connection.destroy()
      if (!text.endsWith('\n')) return
      void this.#answer(text).then((response) => connection.write(`${JSON.stringify(response)}\n`))
      text = ''
    })
  }

  async #answer(text: string): Promise<ControlResponse> {
    try {
      const done = await this.#do(JSON.parse(text) as ControlRequest)
      return { ok: true, status: this.#status(), ...done }
    } catch (error) {
      return { ok: false, error: toPlain(error) }
    }
  }

  async #do(request: ControlRequest): Promise<{ readonly path?: string; readonly checkpointId?: number }> {
    switch (request.command) {
      case 'status':
        return {}
      case 'cancel':
        this.#controls.cancel()
        return {}
      case 'checkpoint':
        return this.#controls.checkpoint()
      case 'savepoint':
        return this.#controls.savepoint(request.target)
      case 'stop':
        return this.#controls.stop({ drain: request.drain, target: request.target })
      default:
        throw new MillraceError('MR_CLI_USAGE', 'this process is of a version that does not know the command')
    }
  }

  #status(): RunningJob {
    const report = this.#report
    return {
      ...this.#job,
      status: report?.status ?? 'RUNNING',
      pid: process.pid,
      startedMs: this.#startedMs,
      jobDir: this.#jobDir,
      recordsRead: report === undefined ? 0 : sourceRecords(report),
    }
  }
}
