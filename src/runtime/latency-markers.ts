/**
 * Latency markers of one task, as in Flink: a source emits one now and then, every task it comes through notes how long it
 * was under way and passes it on, to one channel of each edge. They queue like records and skip operators' own work, so
 * they tell how long records wait, not how long windows take. Off by default; cold.
 */
import type { Clock } from '../common/clock.ts'
import type { StreamEvent } from '../exchange/stream-event.ts'
import type { LatencyHistograms } from '../metrics/latency-histograms.ts'
import type { JobGraph, JobVertex } from '../plan/job-graph.ts'

export type LatencyMarker = StreamEvent & { readonly type: 'latency' }

export interface LatencyMarkersParts {
  readonly intervalMs: number
  readonly clock: Clock
  readonly histograms: LatencyHistograms
  /** Operator ids of the sources, in the histograms' order. */
  readonly sourceIds: readonly string[]
  /** Position of the task in the execution graph. */
  readonly position: number
  /** What markers of this task say; undefined where it has no source. */
  readonly origin: { readonly operatorId: string; readonly subtaskIndex: number } | undefined
  readonly outputs: readonly { emitEvent(event: StreamEvent): void }[]
}

/** Vertices whose head is a source. */
export function sourceVertices(job: Pick<JobGraph, 'vertices'>): readonly JobVertex[] {
  return job.vertices.filter(({ nodes }) => nodes[0]!.body.kind === 'source')
}

export class LatencyMarkers {
  readonly #parts: LatencyMarkersParts
  #nextMs = Number.NEGATIVE_INFINITY

  constructor(parts: LatencyMarkersParts) {
    this.#parts = parts
  }

  /** When the source emits the next one; `Infinity` where there is no source. */
  get nextMs(): number {
    return this.#parts.origin === undefined ? Number.POSITIVE_INFINITY : this.#nextMs
  }

  /** Called by a source that may emit. */
  emitDue(): void {
    const { origin, clock, intervalMs } = this.#parts
    const nowMs = clock.nowMs()
    if (origin === undefined || nowMs < this.#nextMs) return
    this.#nextMs = nowMs + intervalMs
    this.take({ type: 'latency', markedMs: nowMs, ...origin })
  }

  /** Notes a marker and passes it on. */
  take(marker: LatencyMarker): void {
    const { histograms, sourceIds, position, clock, outputs } = this.#parts
    const source = sourceIds.indexOf(marker.operatorId)
    if (source >= 0) histograms.record(position, source, clock.nowMs() - marker.markedMs)
    for (const output of outputs) output.emitEvent(marker)
  }
}
