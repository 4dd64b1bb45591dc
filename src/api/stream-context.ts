/** What streams share: the graph under construction, and how a stream is made of a new node. */
import type { Sink } from '../connectors/sink.ts'
import type { DraftNode, StreamGraphBuilder, Upstream } from '../plan/stream-graph-builder.ts'
import type { SingleOutputStream } from './data-stream.ts'

export interface StreamContext {
  readonly graph: StreamGraphBuilder
  /** Injected, so that keyed, windowed and connected streams need not import the class. */
  streamOf<T>(node: DraftNode): SingleOutputStream<T>
  /** Runs the job with an additional sink and hands out at most `limit` of the records that reach it. */
  collect<T>(addSink: (sink: Sink<T>) => void, limit: number): AsyncGenerator<T, void, void>
}

/** The ordinary output of a node. */
export function mainOutput(node: DraftNode): Upstream {
  return { node, sideOutput: undefined, partitioning: undefined }
}
