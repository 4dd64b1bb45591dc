/**
 * Guided self-scheduling (Polychronopoulos and Kuck, 1987): each split is half of a subtask's fair share of what is left,
 * so that subtasks that take splits as they go end within one small split of each other. Cold.
 */

/** In bytes, records or whatever `total` counts. */
export interface GuidedLimits {
  readonly most: number
  /** Splits grow smaller towards the end, down to this, or less where there is little. */
  readonly last: number
  readonly least: number
}

const lastSplitsPerSubtask = 32

/** How long the next split is, by what is left. */
export function guidedLength(total: number, parallelism: number, limits: GuidedLimits): (left: number) => number {
  const fair = Math.ceil(total / (parallelism * lastSplitsPerSubtask))
  const least = Math.max(limits.least, Math.min(limits.last, fair))
  return (left) => Math.min(limits.most, Math.max(least, Math.ceil(left / (parallelism * 2))))
}
