/**
 * How long latency markers were under way, by source and by subtask that they came through: histograms in shared memory,
 * written by the slot that runs the subtask and read by the coordinator while the job runs. One writer per cell, no order
 * between cells: a reader may miss the latest marker, no more.
 *
 * Layout (doubles): for every subtask, for every source: sum, least, greatest, then `bucketCount` counts. Bucket 0 holds
 * what took less than 1 ms; from there on each power of two has `bucketsPerOctave` of equal width, so that a quantile is
 * off by at most an eighth.
 */
const bucketsPerOctave = 8
const octaves = 24
const bucketCount = 1 + octaves * bucketsPerOctave
const headCells = 3
const cellsPerPair = headCells + bucketCount

/** Latency in ms, over all markers so far. */
export interface LatencySummary {
  readonly count: number
  readonly minMs: number
  readonly meanMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export function allocateLatency(subtaskCount: number, sourceCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.max(1, subtaskCount * sourceCount) * cellsPerPair * 8)
}

/** A view of all histograms of a job. */
export class LatencyHistograms {
  readonly #cells: Float64Array
  readonly #sourceCount: number

  constructor(buffer: SharedArrayBuffer, sourceCount: number) {
    this.#cells = new Float64Array(buffer)
    this.#sourceCount = sourceCount
  }

  /** `subtask`: position in the execution graph. */
  record(subtask: number, source: number, latencyMs: number): void {
    const cells = this.#cells
    const base = this.#baseOf(subtask, source)
    const ms = Math.max(0, latencyMs)
    const isFirst = cells[base + 2] === 0 && this.#countOf(base) === 0
    cells[base]! += ms
    if (isFirst || ms < cells[base + 1]!) cells[base + 1] = ms
    if (ms > cells[base + 2]!) cells[base + 2] = ms
    cells[base + headCells + bucketOf(ms)]!++
  }

  /** Over several subtasks; undefined where no marker has come. */
  summary(subtasks: readonly number[], source: number): LatencySummary | undefined {
    const counts = new Float64Array(bucketCount)
    let count = 0
    let sumMs = 0
    let minMs = Number.POSITIVE_INFINITY
    let maxMs = 0
    for (const subtask of subtasks) {
      const base = this.#baseOf(subtask, source)
      const ofSubtask = this.#countOf(base)
      if (ofSubtask === 0) continue
      count += ofSubtask
      sumMs += this.#cells[base]!
      minMs = Math.min(minMs, this.#cells[base + 1]!)
      maxMs = Math.max(maxMs, this.#cells[base + 2]!)
      for (let bucket = 0; bucket < bucketCount; bucket++) counts[bucket]! += this.#cells[base + headCells + bucket]!
    }
    if (count === 0) return undefined
    const quantile = (share: number): number => Math.min(maxMs, Math.max(minMs, quantileOf(counts, count * share)))
    const meanMs = sumMs / count
    return { count, minMs, meanMs, p50Ms: quantile(0.5), p95Ms: quantile(0.95), p99Ms: quantile(0.99), maxMs }
  }

  #baseOf(subtask: number, source: number): number {
    return (subtask * this.#sourceCount + source) * cellsPerPair
  }

  #countOf(base: number): number {
    let count = 0
    for (let bucket = 0; bucket < bucketCount; bucket++) count += this.#cells[base + headCells + bucket]!
    return count
  }
}

function bucketOf(ms: number): number {
  if (ms < 1) return 0
  const octave = Math.min(octaves - 1, Math.floor(Math.log2(ms)))
  const within = Math.min(bucketsPerOctave - 1, Math.floor((ms / 2 ** octave - 1) * bucketsPerOctave))
  return 1 + octave * bucketsPerOctave + within
}

/** The middle of the bucket in which the `rank`-th value lies, ms. */
function quantileOf(counts: Float64Array, rank: number): number {
  let seen = 0
  for (let bucket = 0; bucket < bucketCount; bucket++) {
    seen += counts[bucket]!
    if (seen >= rank) return middleOf(bucket)
  }
  return middleOf(bucketCount - 1)
}

function middleOf(bucket: number): number {
  if (bucket === 0) return 0.5
  const octave = Math.floor((bucket - 1) / bucketsPerOctave)
  const within = (bucket - 1) % bucketsPerOctave
  return 2 ** octave * (1 + (within + 0.5) / bucketsPerOctave)
}
