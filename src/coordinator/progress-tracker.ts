/** Reads the shared metrics of a running job into reports. Thread: the coordinator's; cold. */
import { LatencyHistograms } from '../metrics/latency-histograms.ts'
import {
  type MetricRegistration,
  type TaskMetricName,
  metricCellsPerSubtask,
  taskMetric,
} from '../metrics/shared-metrics.ts'
import { subtaskKey, type SubtaskAddress } from '../checkpoint/messages.ts'
import { mergedAccumulators, type PlainAccumulators } from '../operators/accumulator-totals.ts'
import type { ExecutionGraph, Subtask } from '../plan/execution-graph.ts'
import type { JobGraph, JobVertex } from '../plan/job-graph.ts'
import { isAtMostOnce } from '../plan/plan-description.ts'
import type { RegionPart } from '../runtime/deployment.ts'
import { sourceVertices } from '../runtime/latency-markers.ts'
import type { LatencyReport, VertexReport } from './job-execution.ts'

interface TimeSample {
  readonly atMs: number
  readonly busyMs: number
  readonly idleMs: number
  readonly backPressuredMs: number
}

export class ProgressTracker {
  readonly #job: JobGraph
  readonly #graph: ExecutionGraph
  readonly #cells: Float64Array
  readonly #latency: LatencyHistograms | undefined
  /** By slot and region. */
  readonly #accumulators = new Map<string, PlainAccumulators>()
  /** By cell. */
  readonly #registrations = new Map<number, MetricRegistration>()
  readonly #finished = new Map<string, SubtaskAddress>()
  readonly #samples = new Map<number, TimeSample>()

  constructor(
    job: JobGraph,
    graph: ExecutionGraph,
    { metrics, latency }: { readonly metrics: SharedArrayBuffer; readonly latency?: SharedArrayBuffer | undefined },
  ) {
    this.#job = job
    this.#graph = graph
    this.#cells = new Float64Array(metrics)
    this.#latency = latency && new LatencyHistograms(latency, sourceVertices(job).length)
  }

  takeAccumulators({ slot, region }: RegionPart, totals: PlainAccumulators): void {
    this.#accumulators.set(`${slot}:${region}`, totals)
  }

  takeRegistration(registration: MetricRegistration): void {
    this.#registrations.set(registration.cell, registration)
  }

  subtaskFinished(subtask: SubtaskAddress): void {
    this.#finished.set(subtaskKey(subtask), subtask)
  }

  /** Subtasks are about to start again: their counts begin anew. Nobody may be writing them. */
  startAgain(subtasks: readonly Subtask[]): void {
    const again = new Set(subtasks.map(subtaskKey))
    for (const key of again) this.#finished.delete(key)
    this.#graph.subtasks.forEach((subtask, position) => {
      if (!again.has(subtaskKey(subtask))) return
      this.#cells.fill(0, position * metricCellsPerSubtask, (position + 1) * metricCellsPerSubtask)
    })
  }

  accumulators(): Record<string, number> {
    return mergedAccumulators(this.#accumulators.values())
  }

  /** Named metrics with their values now. */
  namedMetrics(): readonly (MetricRegistration & { readonly value: number })[] {
    return [...this.#registrations.values()].map((registration) => ({
      ...registration,
      value: this.#cells[registration.cell]!,
    }))
  }

  vertices(nowMs: number): VertexReport[] {
    return this.#job.vertices.map((vertex) => this.#reportOf(vertex, nowMs))
  }

  #reportOf(vertex: JobVertex, nowMs: number): VertexReport {
    const sum = (name: TaskMetricName): number => this.#sum(vertex, name)
    const sample: TimeSample = {
      atMs: nowMs,
      busyMs: sum('busyTimeMs'),
      idleMs: sum('idleTimeMs'),
      backPressuredMs: sum('backPressuredTimeMs'),
    }
    const last = this.#samples.get(vertex.index) ?? { atMs: 0, busyMs: 0, idleMs: 0, backPressuredMs: 0 }
    this.#samples.set(vertex.index, sample)
    const totalMs =
      sample.busyMs + sample.idleMs + sample.backPressuredMs - last.busyMs - last.idleMs - last.backPressuredMs
    const perSecond = (amountMs: number): number => (totalMs <= 0 ? 0 : Math.round((amountMs / totalMs) * 1000))
    const totalBytes = sum('totalBytes')
    return {
      id: vertex.id,
      name: vertex.name,
      parallelism: vertex.parallelism,
      isSource: vertex.inputs.length === 0,
      finishedSubtasks: [...this.#finished.values()].filter(({ vertexIndex }) => vertexIndex === vertex.index).length,
      recordsIn: sum('numRecordsIn'),
      recordsOut: sum('numRecordsOut'),
      bytesIn: sum('numBytesIn'),
      bytesOut: sum('numBytesOut'),
      busyMsPerSecond: perSecond(sample.busyMs - last.busyMs),
      idleMsPerSecond: perSecond(sample.idleMs - last.idleMs),
      backPressuredMsPerSecond: perSecond(sample.backPressuredMs - last.backPressuredMs),
      ...(this.#latency !== undefined && { latency: this.#latencyOf(vertex, this.#latency) }),
      ...(isAtMostOnce(vertex.nodes[0]!) && { delivery: 'at-most-once' }),
      ...(totalBytes > 0 && { source: { doneBytes: sum('doneBytes'), totalBytes } }),
    }
  }

  #latencyOf(vertex: JobVertex, histograms: LatencyHistograms): LatencyReport[] {
    const positions = this.#graph.subtasks.flatMap(({ vertexIndex }, position) =>
      vertexIndex === vertex.index ? [position] : [],
    )
    return sourceVertices(this.#job).flatMap((source, index) => {
      const summary = histograms.summary(positions, index)
      return summary === undefined ? [] : [{ sourceId: source.id, source: source.nodes[0]!.name, ...summary }]
    })
  }

  #sum(vertex: JobVertex, name: TaskMetricName): number {
    let sum = 0
    this.#graph.subtasks.forEach(({ vertexIndex }, position) => {
      if (vertexIndex === vertex.index) sum += this.#cells[position * metricCellsPerSubtask + taskMetric[name]]!
    })
    return sum
  }
}
