/**
 * The JobGraph: chains of operators as vertices. A chain is a tree of stream nodes that run in one task: records pass
 * between them by call. Edges between vertices are exchanges.
 */
import type { StreamEdge, StreamNode } from './stream-graph.ts'

export interface JobVertex {
  /** Operator id of the chain's head, 32 hex digits. */
  readonly id: string
  /** Position in topological order, from 0. */
  readonly index: number
  readonly name: string
  readonly parallelism: number
  readonly maxParallelism: number
  readonly slotSharingGroup: string
  /** The head first, then chained nodes in topological order. */
  readonly nodes: readonly StreamNode[]
  readonly inputs: readonly JobEdge[]
  readonly outputs: readonly JobEdge[]
}

export interface JobEdge {
  /** Position in the job graph's list of edges. */
  readonly index: number
  readonly source: JobVertex
  readonly target: JobVertex
  /** The stream edge that became this exchange. */
  readonly edge: StreamEdge
}

export interface JobGraph {
  readonly jobName: string
  readonly mode: 'streaming' | 'batch'
  /** As the stream graph's; read through `Configuration.of`. */
  readonly configuration: Readonly<Record<string, string>>
  readonly vertices: readonly JobVertex[]
  readonly edges: readonly JobEdge[]
  /** Hash over structure, names, parallelisms and partitionings; equal in coordinator and slots. */
  readonly fingerprint: string
  /** Operator id (32 hex digits) of every stream node by its id: from uid, or from the structure. */
  readonly operatorIds: ReadonlyMap<number, string>
}
