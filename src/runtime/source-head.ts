/**
 * The head of a source task: a reader and its splits. Splits are claimed from a counter in shared memory (work
 * stealing without a round trip to the coordinator); what a subtask has claimed goes into its snapshot, so that the
 * rest is known to be unassigned. Hot per poll; thread: the slot's.
 */
import { Progress } from '../common/progress.ts'
import type { Source, SourceReader } from '../connectors/source.ts'
import type { SourceOutput } from '../operators/operator.ts'

/** The splits of one source vertex, as the coordinator enumerated them. Plain data but for the shared counter. */
export interface SplitPool {
  readonly splits: readonly unknown[]
  readonly assignment: 'on-request' | 'all'
  /** Int32Array[1]: index of the next split that nobody has claimed. Shared by all subtasks of the vertex. */
  readonly next: Int32Array
}

export class SourceHead {
  readonly reader: SourceReader<unknown>
  readonly #pool: SplitPool
  readonly #claimed: number[] = []
  #hasToldEnd = false

  constructor(
    source: Source<unknown>,
    reader: SourceReader<unknown>,
    pool: SplitPool,
    subtask: number,
    parallelism: number,
  ) {
    this.reader = reader
    this.#pool = pool
    if (source.assignment !== 'all') return
    const mine = pool.splits.flatMap((_, index) => (index % parallelism === subtask ? [index] : []))
    this.#give(mine)
    this.#tellEnd()
  }

  /** Emits up to about `recordsMax` records; claims splits as the reader asks for them. */
  poll(output: SourceOutput<unknown>, recordsMax: number): Progress {
    const { reader } = this
    if (reader.needsSplit()) this.#claim()
    const progress = reader.poll(output, recordsMax)
    return progress === Progress.Idle && reader.needsSplit() && !this.#hasToldEnd ? Progress.Working : progress
  }

  /** Indices in the pool that this subtask has claimed so far. */
  claimedSplits(): readonly number[] {
    return [...this.#claimed]
  }

  #claim(): void {
    if (this.#hasToldEnd) return
    // Publishes nothing but the claim itself: the splits are each slot's own copy.
    const index = Atomics.add(this.#pool.next, 0, 1)
    if (index < this.#pool.splits.length) this.#give([index])
    else this.#tellEnd()
  }

  #give(indices: readonly number[]): void {
    this.#claimed.push(...indices)
    this.reader.addSplits(indices.map((index) => this.#pool.splits[index]))
  }

  #tellEnd(): void {
    this.#hasToldEnd = true
    this.reader.noMoreSplits()
  }
}
