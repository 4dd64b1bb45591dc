/**
 * How far windows have fired, kept over restores where the windows' own state does not tell (slices are shared by
 * windows that have fired and windows that have not). After rescaling the key groups of one subtask may come from
 * several, which were not equally far: then a window is told per key group.
 */
import type { ListState } from '../state/keyed-state-backend.ts'
import { keyGroupOf, type KeyGroupRange } from '../data/key-groups.ts'
import type { OperatorStateStore } from '../state/operator-state.ts'

interface FiredRange {
  readonly first: number
  readonly last: number
  /** Every window with an end up to this one has fired. */
  readonly firedEndMs: number
}

export class FiredProgress {
  readonly #range: KeyGroupRange
  readonly #maxParallelism: number
  readonly #stored: ListState<FiredRange>
  #ranges: FiredRange[] = []
  #aheadEndMs = Number.NEGATIVE_INFINITY

  /** To be made when operator state has been restored. */
  constructor(store: OperatorStateStore, range: KeyGroupRange, maxParallelism: number) {
    this.#range = range
    this.#maxParallelism = maxParallelism
    this.#stored = store.unionListState('fired-windows')
  }

  /** Answers the window end up to which all key groups have fired. */
  restore(): number {
    this.#ranges = [...this.#stored.get()].filter(
      ({ first, last }) => last >= this.#range.first && first <= this.#range.last,
    )
    if (this.#ranges.length === 0) return Number.NEGATIVE_INFINITY
    const ends = this.#ranges.map(({ firedEndMs }) => firedEndMs)
    this.#aheadEndMs = Math.max(...ends)
    return Math.min(...ends)
  }

  snapshot(firedEndMs: number): void {
    const { first, last } = this.#range
    const ahead = this.#ranges.filter((range) => range.firedEndMs > firedEndMs)
    // A range that is ahead goes on being ahead: it is stored beside the subtask's own.
    this.#stored.update([{ first, last, firedEndMs }, ...ahead])
  }

  /** True where some key groups had fired windows up to this end before the restore. */
  mayHaveFired(endMs: number): boolean {
    return endMs <= this.#aheadEndMs
  }

  hasFired(key: unknown, endMs: number): boolean {
    const group = keyGroupOf(key, this.#maxParallelism)
    return this.#ranges.some(({ first, last, firedEndMs }) => first <= group && group <= last && firedEndMs >= endMs)
  }
}
