/**
 * Which parts belong to what led to a snapshot. Pure; cold.
 *
 * Counts of parts only grow, over all subtasks and starts. So a snapshot's own parts are those counted below its next count,
 * but for those that lie on a way the job had left by then: a restore leaves everything counted beyond its snapshot that
 * it finds, and the snapshots from there on tell where that was.
 */
import type { PartId } from './part-name.ts'

/** What every subtask knows of all of them: union state. */
export interface PartCount {
  readonly subtask: number
  /** Count of the next part. */
  readonly nextCount: number
  /** Parts on ways that the job has left, whoever had counted them. Absent in snapshots of earlier versions. */
  readonly abandoned?: readonly PartRange[]
}

/** Parts of a subtask counted `from` to `to - 1`. */
export interface PartRange {
  readonly subtask: number
  readonly from: number
  readonly to: number
}

export class PartHistory {
  /** Nobody had begun a part that is counted so, or beyond. */
  readonly countMax: number
  readonly isRestored: boolean
  /** False for snapshots of earlier versions: what is hidden stays so. */
  readonly tellsAbandoned: boolean
  readonly abandoned: readonly PartRange[]
  readonly #nextCounts: ReadonlyMap<number, number>
  readonly #abandonedOf = new Map<number, PartRange[]>()

  constructor(counts: readonly PartCount[]) {
    this.#nextCounts = new Map(counts.map(({ subtask, nextCount }) => [subtask, nextCount]))
    this.isRestored = counts.length > 0
    this.countMax = Math.max(0, ...this.#nextCounts.values())
    this.tellsAbandoned = counts.every(({ abandoned }) => abandoned !== undefined)
    this.abandoned = mergeRanges(counts.flatMap(({ abandoned = [] }) => abandoned))
    for (const range of this.abandoned) {
      const found = this.#abandonedOf.get(range.subtask)
      if (found === undefined) this.#abandonedOf.set(range.subtask, [range])
      else found.push(range)
    }
  }

  /** What the subtask would have counted next; of one that did not run, what any of them would. */
  nextCountOf(subtask: number): number {
    return this.#nextCounts.get(subtask) ?? this.countMax
  }

  /** Begun after the snapshot, on whatever way. */
  isAfter({ subtask, count }: PartId): boolean {
    return count >= this.nextCountOf(subtask)
  }

  has(part: PartId): boolean {
    return !this.isAfter(part) && !this.#isAbandoned(part)
  }

  #isAbandoned({ subtask, count }: PartId): boolean {
    return this.#abandonedOf.get(subtask)?.some(({ from, to }) => from <= count && count < to) ?? false
  }
}

/** In order, those that overlap or touch as one. */
export function mergeRanges(ranges: readonly PartRange[]): readonly PartRange[] {
  const merged: PartRange[] = []
  for (const range of ranges.toSorted((a, b) => a.subtask - b.subtask || a.from - b.from)) {
    const last = merged.at(-1)
    if (last === undefined || last.subtask !== range.subtask || last.to < range.from) merged.push(range)
    else if (last.to < range.to) merged[merged.length - 1] = { ...last, to: range.to }
  }
  return merged
}
