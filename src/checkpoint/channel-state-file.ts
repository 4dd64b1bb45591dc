/**
 * Channel state on disk: the record batches of one channel and side that an unaligned barrier overtook, in one file.
 *
 *   u32 count, then count times: u32 bytes, the batch (self-describing). Little-endian. Length and checksum of the whole
 *   stand in the StoredFile.
 */
import { MillraceError } from '../common/errors.ts'
import type { SnapshotSink, SnapshotSource, StoredFile } from '../state/snapshot-store.ts'
import type { ChannelSnapshot } from './checkpoint-metadata.ts'

export type ChannelPlace = Pick<ChannelSnapshot, 'edgeIndex' | 'sourceSubtask' | 'targetSubtask' | 'side'>

export function writeChannelState(
  sink: SnapshotSink,
  place: ChannelPlace,
  batches: readonly Uint8Array[],
): Promise<StoredFile> {
  const { edgeIndex, sourceSubtask, targetSubtask, side } = place
  const name = `channel-${edgeIndex}-${sourceSubtask}-${targetSubtask}-${side}`
  return sink.writeExclusive(name, [
    word(batches.length),
    ...batches.flatMap((batch) => [word(batch.byteLength), batch]),
  ])
}

export async function readChannelState(source: SnapshotSource, file: StoredFile): Promise<Uint8Array[]> {
  const bytes = await source.read(file)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const batches: Uint8Array[] = []
  let offset = 4
  for (let remaining = view.getUint32(0, true); remaining > 0; remaining--) {
    const batchBytes = view.getUint32(offset, true)
    offset += 4
    batches.push(bytes.subarray(offset, offset + batchBytes))
    offset += batchBytes
  }
  if (offset === bytes.byteLength) return batches
  throw new MillraceError(
    'MR_CHECKPOINT_CORRUPT',
    `${file.path}: expected ${offset} bytes, found ${bytes.byteLength}`,
    {
      context: { file: file.path },
    },
  )
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}
