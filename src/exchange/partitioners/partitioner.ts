/**
 * The contract of partitioners: which channel of an edge takes a record. A partitioner is a fragment of code for the
 * edge's generated `emit`, so that every edge has a loop of its own with monomorphic call sites.
 */
import type { Prng } from '../../common/prng.ts'
import type { RecordPort } from '../record-port.ts'

/** How records of an edge are dealt out (Flink's words). */
export type EdgePartitioning =
  | { readonly kind: 'forward' | 'rebalance' | 'rescale' | 'shuffle' | 'broadcast' | 'global' }
  | { readonly kind: 'hash'; readonly keySelector: (value: never) => unknown }
  | {
      readonly kind: 'custom'
      readonly keySelector: (value: never) => unknown
      /** Channel index for a key, 0 … channelCount - 1. */
      readonly partition: (key: never, channelCount: number) => number
    }

export interface PartitionerContext {
  readonly channels: readonly RecordPort[]
  readonly maxParallelism: number
  /** Index of the producing subtask: where round robin begins. */
  readonly subtaskIndex: number
  readonly prng: Prng
}

export interface Partitioner {
  /** Names that the code uses, and their values. Always: `channels`. */
  readonly bindings: Readonly<Record<string, unknown>>
  /** The expression for the channel of a record `value`. `names`: what the bindings are called. Never of data. */
  readonly select: (names: Readonly<Record<string, string>>, value: string) => string
}
