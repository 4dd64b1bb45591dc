/** Bytes of a batch for channel state: columns are copied as they lie, values by reference are written as generic. */
import { BlockDecoder } from '../data/block-decoder.ts'
import { saveBlock, saveRecords } from '../data/saved-batch.ts'
import type { BatchReader } from './channel.ts'

/** Self-describing bytes of the rows from `from` on, for `ChannelReader.restore` and `readSavedBatch`. */
export function encodeBatch(batch: BatchReader, from: number): Uint8Array {
  if (batch instanceof BlockDecoder) {
    return saveBlock(batch.layout.schema.key, batch.blockBytes(), batch.firstRow + from)
  }
  const values: unknown[] = []
  const timestampsMs: number[] = []
  for (let i = from; i < batch.count; i++) {
    values.push(batch.read(i))
    timestampsMs.push(batch.timestampMs(i))
  }
  return saveRecords(values, timestampsMs)
}
