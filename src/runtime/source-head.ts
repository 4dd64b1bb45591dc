/**
 * The head of a source task: a reader and its splits. Splits are claimed from a counter in shared memory (work
 * stealing without a round trip to the coordinator); what a subtask has claimed goes into its snapshot, so that the
 * rest is known to be unassigned. Hot per poll; thread: the slot's.
 */
import { Progress } from '../common/progress.ts'
import type { Source, SourceReader } from '../connectors/source.ts'
import type { ReaderOutput } from '../operators/operator.ts'
import { TimestampsAndWatermarksOperator } from '../operators/timestamps-and-watermarks-operator.ts'
import type { Chain } from './chain.ts'
import { readerOutput } from './reader-output.ts'

/** The splits of one source vertex, as the coordinator enumerated them. Plain data but for the shared counter. */
export interface SplitPool {
  readonly splits: readonly unknown[]
  readonly assignment: 'on-request' | 'all'
  /** Int32Array[1]: index of the next split that nobody has claimed. Shared by all subtasks of the vertex. */
  readonly next: Int32Array
}

export interface SourceHeadParts {
  readonly source: Source<unknown>
  readonly reader: SourceReader<unknown>
  readonly chain: Chain
  readonly pool: SplitPool
  readonly subtask: number
  readonly parallelism: number
}

export class SourceHead {
  readonly reader: SourceReader<unknown>
  /** Makes the source's watermarks; undefined where it has no strategy. */
  readonly watermarks: TimestampsAndWatermarksOperator<unknown> | undefined
  readonly #output: ReaderOutput<unknown>
  readonly #pool: SplitPool
  readonly #claimed: number[] = []
  #hasToldEnd = false

  constructor(parts: SourceHeadParts) {
    const { source, reader, chain, pool, subtask, parallelism } = parts
    this.reader = reader
    this.watermarks = watermarksOf(chain)
    this.#output = readerOutput(chain.sourceOutput, this.watermarks)
    this.#pool = pool
    if (source.assignment !== 'all') return
    const mine = pool.splits.flatMap((_, index) => (index % parallelism === subtask ? [index] : []))
    this.#give(mine)
    this.#tellEnd()
  }

  /** Emits up to about `recordsMax` records; claims splits as the reader asks for them. */
  poll(recordsMax: number): Progress {
    const { reader } = this
    if (reader.needsSplit()) this.#claim()
    const progress = reader.poll(this.#output, recordsMax)
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

function watermarksOf({ operators, head }: Chain): TimestampsAndWatermarksOperator<unknown> | undefined {
  const first = operators[0]
  if (first?.node !== head) return undefined
  return first.operator instanceof TimestampsAndWatermarksOperator ? first.operator : undefined
}
