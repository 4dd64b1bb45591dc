/** The line that shows a running job on a terminal: redrawn in place, gone when the job ends. */
import type { ProgressReport, VertexReport } from '../coordinator/job-execution.ts'
import { count, duration } from './units.ts'

/** `word-count RUNNING 12.3 s · 45.2 M records · 3.70 M/s · backpressure 12 % · 63 %, 7.2 s left`. */
export function progressText(report: ProgressReport, previous: ProgressReport | undefined): string {
  const records = sourceRecords(report)
  const parts = [`${report.jobName} ${report.status} ${duration(report.elapsedMs)}`, `${count(records)} records`]
  const sinceMs = report.elapsedMs - (previous?.elapsedMs ?? 0)
  if (sinceMs > 0) {
    const rate = ((records - (previous === undefined ? 0 : sourceRecords(previous))) / sinceMs) * 1_000
    parts.push(`${count(Math.max(0, rate))}/s`)
  }
  parts.push(`backpressure ${Math.round(Math.max(0, ...report.vertices.map(pressure)) / 10)} %`)
  if (report.vertices.some(({ delivery }) => delivery === 'at-most-once')) parts.push('at most once')
  const done = fractionDone(report.vertices)
  if (done !== undefined) parts.push(`${Math.floor(done * 100)} %${timeLeft(report.elapsedMs, done)}`)
  return parts.join(' · ')
}

/** Records that sources have emitted. */
export function sourceRecords(report: { readonly vertices: readonly VertexReport[] }): number {
  const sources = report.vertices.filter((vertex) => vertex.isSource)
  return sources.reduce((sum, vertex) => sum + vertex.recordsIn, 0)
}

const pressure = (vertex: VertexReport): number => vertex.backPressuredMsPerSecond

/** Bytes read of all bytes, where every source knows both. */
function fractionDone(vertices: readonly VertexReport[]): number | undefined {
  const progress = vertices.flatMap((vertex) => vertex.source ?? [])
  const totalBytes = progress.reduce((sum, { totalBytes }) => sum + totalBytes, 0)
  if (!(totalBytes > 0)) return undefined
  return Math.min(1, progress.reduce((sum, { doneBytes }) => sum + doneBytes, 0) / totalBytes)
}

function timeLeft(elapsedMs: number, done: number): string {
  return done < 0.02 || done >= 1 ? '' : `, ${duration((elapsedMs / done) * (1 - done))} left`
}

export interface Terminal {
  readonly columns?: number
  write(text: string): unknown
}

/** Draws reports; `clear` before anything else is written. */
export class ProgressLine {
  readonly #terminal: Terminal
  #previous: ProgressReport | undefined

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  show(report: ProgressReport): void {
    const text = progressText(report, this.#previous)
    this.#previous = report
    this.#terminal.write(`\r${text.slice(0, (this.#terminal.columns ?? 120) - 1)}\x1b[K`)
  }

  clear(): void {
    if (this.#previous !== undefined) this.#terminal.write('\r\x1b[K')
  }
}
