/**
 * Gives the readers of a task the records that were in flight when its checkpoint overtook them. Cold; before the task
 * runs.
 */
import { readChannelState } from '../checkpoint/channel-state-file.ts'
import type { ChainedRestore, ChannelRestore } from '../checkpoint/messages.ts'
import { MillraceError } from '../common/errors.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../data/key-groups.ts'
import type { BlockDecoder } from '../data/block-decoder.ts'
import { readSavedBatch, saveRecords } from '../data/saved-batch.ts'
import type { JobEdge } from '../plan/job-graph.ts'
import type { SnapshotSource } from '../state/snapshot-store.ts'
import type { GateChannel } from './input-gate.ts'
import type { ChainReplay } from './task.ts'

export interface ChannelsToRestore {
  readonly channels: readonly GateChannel[]
  readonly edges: readonly JobEdge[]
  readonly subtaskIndex: number
}

export async function restoreChannels(
  { channels, edges, subtaskIndex }: ChannelsToRestore,
  restored: readonly ChannelRestore[],
  source: SnapshotSource,
): Promise<void> {
  for (const { edgeIndex, sourceSubtask, files, select } of restored) {
    const channel = channels.find((one) => one.edgeIndex === edgeIndex && one.sourceSubtask === sourceSubtask)
    if (channel === undefined) {
      throw new MillraceError('MR_INTERNAL', `no channel for edge ${edgeIndex} from subtask ${sourceSubtask}`)
    }
    const isMine = select === 'all' ? undefined : selectorOf(edges[edgeIndex]!, subtaskIndex)
    for (const file of files) {
      const batches = await readChannelState(source, file)
      channel.reader.restore(isMine === undefined ? batches : batches.flatMap((batch) => only(batch, isMine)))
    }
  }
}

type Entry = (value: unknown, timestampMs: number) => void

/** The same for edges that lie within the task's chain now, where there is no reader. */
export async function replayInChain(
  restored: readonly ChainedRestore[],
  entryOf: (targetOperatorId: string) => Entry,
  source: SnapshotSource,
): Promise<ChainReplay> {
  const waiting: { readonly batch: BlockDecoder; readonly entry: Entry }[] = []
  for (const { targetOperatorId, files } of restored) {
    const entry = entryOf(targetOperatorId)
    for (const file of files) {
      for (const bytes of await readChannelState(source, file)) waiting.push({ batch: readSavedBatch(bytes), entry })
    }
  }
  let index = 0
  return {
    next(isFull) {
      const at = waiting[0]
      if (at === undefined) return true
      const { batch, entry } = at
      while (index < batch.count && !isFull()) {
        const value = batch.read(index)
        entry(value, batch.timestampMs(index++))
      }
      if (index < batch.count) return false
      index = 0
      waiting.shift()
      return waiting.length === 0
    },
  }
}

/** Whether the edge's partitioner sends a record to this subtask. */
function selectorOf({ edge, target }: JobEdge, subtaskIndex: number): (value: unknown) => boolean {
  const { partitioning } = edge
  const { parallelism, maxParallelism } = target
  if (partitioning.kind === 'hash') {
    return (value) => {
      const group = keyGroupOf(partitioning.keySelector(value as never), maxParallelism)
      return subtaskOfKeyGroup(group, parallelism, maxParallelism) === subtaskIndex
    }
  }
  if (partitioning.kind === 'custom') {
    return (value) =>
      partitioning.partition(partitioning.keySelector(value as never) as never, parallelism) === subtaskIndex
  }
  return () => true
}

/** The batch without the records of others; nothing where none is left. */
function only(bytes: Uint8Array, isMine: (value: unknown) => boolean): Uint8Array[] {
  const batch = readSavedBatch(bytes)
  const values: unknown[] = []
  const timestampsMs: number[] = []
  for (let index = 0; index < batch.count; index++) {
    const value = batch.read(index)
    if (!isMine(value)) continue
    values.push(value)
    timestampsMs.push(batch.timestampMs(index))
  }
  return values.length === 0 ? [] : [saveRecords(values, timestampsMs)]
}
