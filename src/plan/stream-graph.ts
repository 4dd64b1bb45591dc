/**
 * The StreamGraph: what the program says, one node per transformation. Built deterministically in the coordinator and in
 * every slot; it holds functions and therefore never travels, its fingerprint does.
 */
import type { Sink } from '../connectors/sink.ts'
import type { Source } from '../connectors/source.ts'
import type { TypeInformation } from '../data/types.ts'
import type { Operator } from '../operators/operator.ts'
import type { OutputTag } from '../operators/output-tag.ts'
import type { WatermarkStrategy } from '../time/watermark-strategy.ts'

export type KeySelector = (value: never) => unknown

/** How records of an edge are dealt out to the subtasks of its target. */
export type Partitioning =
  | { readonly kind: 'forward' | 'rebalance' | 'rescale' | 'shuffle' | 'broadcast' | 'global' }
  | { readonly kind: 'hash'; readonly keySelector: KeySelector }
  | {
      readonly kind: 'custom'
      readonly keySelector: KeySelector
      /** Channel index for a key. */
      readonly partition: (key: never, channelCount: number) => number
    }

/** Stateless functions that are fused into the chain's loop. `flatMap` returns an iterable. */
export interface InlineStage {
  readonly kind: 'map' | 'filter' | 'flatMap'
  readonly apply: (value: never) => unknown
}

/** How records are combined before a hash edge into a node, in the task that produces them. */
export interface Combiner {
  /** A new operator per subtask and attempt, chained to the producer. It keeps no state over restarts. */
  readonly create: () => Operator
  /** True where combining changes what a stream would emit in between. */
  readonly batchOnly: boolean
  /** Present where the combiner emits something else than records: what the node is then. */
  readonly merging?: {
    readonly create: () => Operator
    readonly keySelector: KeySelector
    /** Declared type of what the combiner emits. */
    readonly type: TypeInformation<unknown> | undefined
  }
}

export type NodeBody =
  | {
      readonly kind: 'source'
      readonly source: Source<unknown>
      /** Absent: records keep the source's timestamps and no watermark is emitted before the end of input. */
      readonly watermarks?: WatermarkStrategy<unknown>
    }
  | { readonly kind: 'inline'; readonly stage: InlineStage }
  | {
      readonly kind: 'operator'
      /** A new operator per subtask and attempt. */
      readonly create: () => Operator
      /** Present for keyed operators: the key of the first and, for two inputs, the second input. */
      readonly keySelectors?: readonly (KeySelector | undefined)[]
      /** Declared type of the key. */
      readonly keyType?: TypeInformation<unknown>
      /** Present where records can be combined before they travel to this node (associative functions only). */
      readonly combiner?: Combiner
      /** In batch mode, used in place of `create`: emits final results only. */
      readonly createForBatch?: () => Operator
    }
  | { readonly kind: 'sink'; readonly sink: Sink<unknown> }

export interface StreamEdge {
  readonly source: StreamNode
  readonly target: StreamNode
  /** Which input of the target. */
  readonly inputIndex: 0 | 1
  readonly partitioning: Partitioning
  /** Present where the edge carries a side output. */
  readonly sideOutput: OutputTag<unknown> | undefined
}

export interface StreamNode {
  /** Position in creation order, from 1. */
  readonly id: number
  readonly body: NodeBody
  /** Operator's kind and name for plans: `Map`, `Filter`, `Source: lines`, `Window(…)`. */
  name: string
  description: string | undefined
  uid: string | undefined
  parallelism: number
  /** Undefined: the job's. */
  maxParallelism: number | undefined
  /** Flink's ChainingStrategy. */
  chaining: 'always' | 'head' | 'never'
  slotSharingGroup: string
  /** Milliseconds; undefined: the job's. -1 never, 0 after every record. */
  bufferTimeoutMs: number | undefined
  outputType: TypeInformation<unknown> | undefined
  readonly inputs: StreamEdge[]
  readonly outputs: StreamEdge[]
}

export interface StreamGraph {
  readonly jobName: string
  readonly nodes: readonly StreamNode[]
  readonly runtimeMode: 'streaming' | 'batch' | 'automatic'
  /** Everything that was configured for the job, by key: text, as `Configuration.toPlain` gives it. */
  readonly configuration: Readonly<Record<string, string>>
}
