/** What a task needs of an edge's writer; `exchange/edge-writer.ts` provides it. */
import type { CheckpointBarrier } from '../exchange/stream-event.ts'
import type { ChannelWriterStats } from '../exchange/channel.ts'
import type { ChainOutput } from './chain.ts'

export interface EdgeOutput extends ChainOutput {
  /** Hands over what waits for credit; true where nothing waits any more. */
  drain(): boolean
  flush(): void
  hasUnflushed(): boolean
  announceBarrier(
    barrier: CheckpointBarrier,
  ): readonly { readonly targetSubtask: number; readonly batches: readonly Uint8Array[] }[]
  readonly stats: ChannelWriterStats
  close(): void
}
