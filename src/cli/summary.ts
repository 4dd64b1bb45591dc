/** What the command line says once a job has finished: a few lines for people, one line of JSON for programs. */
import type { JobResult, LatencyReport, RestartReport, VertexReport } from '../coordinator/job-execution.ts'
import type { ErrorReport } from './error-report.ts'
import { sourceRecords } from './progress-line.ts'
import { bytes, count, duration } from './units.ts'

const restartsShown = 5
const tasksShown = 4

export function summaryText(result: JobResult): string {
  const records = sourceRecords(result)
  const rate = result.netRuntimeMs > 0 ? `, ${count((records / result.netRuntimeMs) * 1_000)}/s` : ''
  const ended = result.savepoint === undefined ? 'finished' : 'stopped'
  const lines = [
    `${result.jobName} ${ended} in ${duration(result.netRuntimeMs)}: ${count(records)} records read${rate}`,
    ...(result.savepoint === undefined ? [] : [`  savepoint ${result.savepoint}`]),
    ...(result.restarts === undefined ? [] : restartLines(result.restarts, result.restartLog ?? [])),
    ...result.vertices.flatMap((vertex) => [vertexLine(vertex), ...(vertex.latency ?? []).map(latencyLine)]),
    ...Object.entries(result.accumulators).map(([name, value]) => `  ${name} = ${value}`),
  ]
  return `${lines.join('\n')}\n`
}

function restartLines(restarts: number, log: readonly RestartReport[]): string[] {
  return [
    `  restarted ${restarts === 1 ? 'once' : `${restarts} times`}`,
    ...log
      .slice(-restartsShown)
      .map(({ code, regions, tasks }) => `    ${whatRestarted(regions, tasks)} after ${code}`),
  ]
}

function whatRestarted(regions: readonly number[] | undefined, tasks: readonly string[] = []): string {
  if (regions === undefined) return 'the job'
  const shown = tasks.length <= tasksShown ? tasks.join(', ') : `${tasks.slice(0, tasksShown).join(', ')}, …`
  return `region ${regions.join(', ')} (${shown})`
}

function vertexLine(vertex: VertexReport): string {
  const read = vertex.source === undefined ? '' : `, ${bytes(vertex.source.doneBytes)} read`
  const delivery = vertex.delivery === undefined ? '' : ', at most once'
  const flows = `${count(vertex.recordsIn)} in, ${count(vertex.recordsOut)} out${read}${delivery}`
  return `  ${vertex.name} x${vertex.parallelism}: ${flows}`
}

function latencyLine({ source, count: markers, p50Ms, p99Ms, maxMs }: LatencyReport): string {
  const [p50, p99, max] = [p50Ms, p99Ms, maxMs].map(duration)
  return `    latency from ${source}: p50 ${p50}, p99 ${p99}, max ${max} (${count(markers)} markers)`
}

/** One line. `recordsRead` is what sources emitted. */
export function summaryJson(result: JobResult): string {
  const { vertices, ...rest } = result
  const recordsRead = sourceRecords(result)
  return `${JSON.stringify({ ...rest, recordsRead, vertices })}\n`
}

export function errorJson(report: ErrorReport): string {
  const { code, message, advice, retryable, context, causes } = report
  const status = code === 'MR_JOB_CANCELED' ? 'CANCELED' : 'FAILED'
  return `${JSON.stringify({ status, error: { code, message, advice, retryable, context, causes } })}\n`
}
