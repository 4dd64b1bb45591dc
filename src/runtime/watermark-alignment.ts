/**
 * Watermark alignment: source subtasks of a group tell each other how far they are, and one that is more than the drift
 * ahead of the slowest reads nothing until the others have caught up. A few loads per poll; thread: the slot's.
 *
 * Invariants
 * 1. One double per subtask in memory shared by all slots, one writer each: its last watermark, `minWatermark` before
 *    the first, `maxWatermark` where it holds nobody back (idle or ended). No order between cells is needed: a stale
 *    one is too small, so that it lets others wait longer, never go further.
 * 2. The slowest of a group never waits, since its own cell is part of the minimum.
 * 3. A pause does not make a source idle: its activity clock stands still.
 * 4. Waiting does not spin: the task is idle, and looks again when its slot turns, at the latest after the update
 *    interval.
 * 5. A source may go on while single splits of it wait: `splits` pauses and resumes them, as often.
 */
import type { Clock } from '../common/clock.ts'
import { maxWatermark, minWatermark } from '../common/limits.ts'
import type { Gauge } from '../metrics/metric-group.ts'
import type { ExecutionGraph } from '../plan/execution-graph.ts'
import type { JobGraph, JobVertex } from '../plan/job-graph.ts'
import type { WatermarkAlignmentParams } from '../time/watermark-strategy.ts'
import type { SplitAlignment } from './split-alignment.ts'

/** What makes the watermarks of the aligned source. */
export interface AlignedSource {
  /** The last one emitted. */
  readonly watermarkMs: number
  readonly isIdle: boolean
  setPaused(isPaused: boolean): void
}

export interface WatermarkAlignmentParts {
  readonly params: WatermarkAlignmentParams
  /** As `allocateAlignment` gave them. */
  readonly cells: Float64Array
  /** Cell of this subtask. */
  readonly position: number
  /** Cells of all members of the group, this one included. */
  readonly members: readonly number[]
  readonly source: AlignedSource
  readonly splits?: SplitAlignment
  readonly clock: Clock
  /** How far this source is ahead of the group's slowest, ms. */
  readonly drift: Gauge
}

/** A cell for every subtask of the job, by position in the execution graph. */
export function allocateAlignment(subtaskCount: number): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(Math.max(1, subtaskCount) * 8)
  new Float64Array(buffer).fill(minWatermark)
  return buffer
}

/** Undefined where the vertex has no source, or one that is not aligned. */
export function alignmentParamsOf(vertex: JobVertex): WatermarkAlignmentParams | undefined {
  const { body } = vertex.nodes[0]!
  return body.kind === 'source' ? body.watermarks?.alignment : undefined
}

/** Positions in the execution graph of the source subtasks of a group. */
export function alignmentMembers(job: JobGraph, graph: ExecutionGraph, group: string): number[] {
  return graph.subtasks.flatMap(({ vertexIndex }, position) =>
    alignmentParamsOf(job.vertices[vertexIndex]!)?.group === group ? [position] : [],
  )
}

export class WatermarkAlignment {
  readonly #parts: WatermarkAlignmentParts
  #recheckAtMs = Number.POSITIVE_INFINITY
  /** The same for splits that wait while the source goes on. */
  #recheckSplitsAtMs = Number.POSITIVE_INFINITY

  constructor(parts: WatermarkAlignmentParts) {
    this.#parts = parts
  }

  /** When a waiting source, or one with waiting splits, looks again; `Infinity` where nothing waits. */
  get recheckAtMs(): number {
    return Math.min(this.#recheckAtMs, this.#recheckSplitsAtMs)
  }

  /** Tells the group where this source stands. */
  publish(): void {
    const { cells, position, source } = this.#parts
    cells[position] = source.isIdle ? maxWatermark : source.watermarkMs
  }

  /** True while the source is too far ahead to read on. */
  mustWait(): boolean {
    this.publish()
    const { params, source, drift, clock } = this.#parts
    const leastMs = this.#leastMs()
    const ownMs = source.watermarkMs
    if (Number.isFinite(ownMs) && Number.isFinite(leastMs)) drift.set(ownMs - leastMs)
    if (ownMs <= leastMs + params.maxDriftMs) {
      if (this.#recheckAtMs !== Number.POSITIVE_INFINITY) this.#goOn()
      this.#alignSplits(leastMs + params.maxDriftMs)
      return false
    }
    const nowMs = clock.nowMs()
    if (this.#recheckAtMs === Number.POSITIVE_INFINITY) source.setPaused(true)
    else if (nowMs < this.#recheckAtMs) return true
    this.#recheckAtMs = nowMs + params.updateIntervalMs
    return true
  }

  #alignSplits(watermarkMsMax: number): void {
    const { splits, clock, params } = this.#parts
    if (splits === undefined) return
    if (!splits.align(watermarkMsMax)) this.#recheckSplitsAtMs = Number.POSITIVE_INFINITY
    else {
      const nowMs = clock.nowMs()
      const isSet = Number.isFinite(this.#recheckSplitsAtMs) && this.#recheckSplitsAtMs > nowMs
      if (!isSet) this.#recheckSplitsAtMs = nowMs + params.updateIntervalMs
    }
  }

  /** The source reads no more: it holds nobody back. */
  leave(): void {
    this.#goOn()
    this.#parts.cells[this.#parts.position] = maxWatermark
  }

  #goOn(): void {
    this.#recheckAtMs = Number.POSITIVE_INFINITY
    this.#recheckSplitsAtMs = Number.POSITIVE_INFINITY
    this.#parts.source.setPaused(false)
  }

  #leastMs(): number {
    const { cells, members } = this.#parts
    let leastMs = maxWatermark
    for (const member of members) {
      const watermarkMs = cells[member]!
      if (watermarkMs < leastMs) leastMs = watermarkMs
    }
    return leastMs
  }
}
