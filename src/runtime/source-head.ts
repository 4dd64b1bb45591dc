/**
 * The head of a source task: a reader and its splits. Splits are claimed in shared memory (work stealing without a
 * round trip to the coordinator); what a subtask has claimed goes into its snapshot, so that the rest is known to be
 * unassigned. Hot per poll; thread: the slot's.
 *
 * Invariants
 * 1. A split's owner is written once, by compare and exchange: a subtask that dies at any moment leaves every split
 *    either its own or free.
 * 2. A subtask that starts again within an attempt owns what it had claimed; what its checkpoint does not hold of that
 *    it reads from the start.
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
  /**
   * Shared by all subtasks of the vertex. Int32Array[1 + splits.length]: every split before this index is claimed (a
   * hint, so that nobody starts from the front), then the owner of each split, as its subtask + 1; 0: free.
   */
  readonly claims: Int32Array
}

export function splitPool(splits: readonly unknown[], assignment: SplitPool['assignment']): SplitPool {
  return { splits, assignment, claims: new Int32Array(new SharedArrayBuffer(4 * (1 + splits.length))) }
}

/** Splits that a subtask owns already when it starts: it starts again within an attempt. */
export interface OwnedSplits {
  /** Indices in the pool. */
  readonly claimed: readonly number[]
  /** Those of them which the checkpoint that the subtask starts from does not hold. */
  readonly fresh: readonly number[]
}

/** Indices of the splits that a subtask has claimed so far. Any thread. */
export function claimedBy({ claims, splits }: SplitPool, subtask: number): number[] {
  return splits.flatMap((_, index) => (Atomics.load(claims, 1 + index) === subtask + 1 ? [index] : []))
}

export interface SourceHeadParts {
  readonly source: Source<unknown>
  readonly reader: SourceReader<unknown>
  readonly chain: Chain
  readonly pool: SplitPool
  readonly subtask: number
  readonly parallelism: number
  readonly owned?: OwnedSplits | undefined
}

export class SourceHead {
  readonly reader: SourceReader<unknown>
  /** Makes the source's watermarks; undefined where it has no strategy. */
  readonly watermarks: TimestampsAndWatermarksOperator<unknown> | undefined
  readonly #output: ReaderOutput<unknown>
  readonly #pool: SplitPool
  readonly #subtask: number
  readonly #claimed: number[] = []
  #hasToldEnd = false

  constructor(parts: SourceHeadParts) {
    const { source, reader, chain, pool, subtask, parallelism, owned } = parts
    this.reader = reader
    this.watermarks = watermarksOf(chain)
    this.#output = readerOutput(chain.sourceOutput, this.watermarks)
    this.#pool = pool
    this.#subtask = subtask
    if (owned !== undefined) {
      this.#claimed.push(...owned.claimed)
      this.#give(owned.fresh)
    }
    if (source.assignment !== 'all') return
    if (owned === undefined) {
      const mine = pool.splits.flatMap((_, index) =>
        index % parallelism === subtask && this.#tryClaim(index) ? [index] : [],
      )
      this.#claimed.push(...mine)
      this.#give(mine)
    }
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
    const { claims, splits } = this.#pool
    for (let index = Atomics.load(claims, 0); index < splits.length; index++) {
      const isMine = this.#tryClaim(index)
      Atomics.compareExchange(claims, 0, index, index + 1)
      if (!isMine) continue
      this.#claimed.push(index)
      this.#give([index])
      return
    }
    this.#tellEnd()
  }

  /** Publishes nothing but the claim itself: the splits are each slot's own copy. */
  #tryClaim(index: number): boolean {
    return Atomics.compareExchange(this.#pool.claims, 1 + index, 0, this.#subtask + 1) === 0
  }

  #give(indices: readonly number[]): void {
    if (indices.length === 0) return
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
