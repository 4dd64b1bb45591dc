/**
 * Bytes by key group in one file, for keyed state outside the backends (timers): restored by ranges of key groups.
 *
 *   u32 count, then count times: u32 key group, u32 bytes (ascending key groups); then the contents in that order.
 */
import type { KeyGroupRange } from '../state/keyed-state-backend.ts'
import type { SnapshotSink, SnapshotSource, StoredFile } from '../state/snapshot-store.ts'
import type { RawKeyedHandle } from './checkpoint-metadata.ts'

export interface KeyGroupBytes {
  readonly keyGroup: number
  readonly bytes: Uint8Array
}

/** Undefined where there is nothing to write. `name` is unique within the operator. */
export async function writeKeyGroups(
  sink: SnapshotSink,
  name: string,
  groups: readonly KeyGroupBytes[],
): Promise<RawKeyedHandle | undefined> {
  const filled = groups.filter(({ bytes }) => bytes.byteLength > 0).toSorted((a, b) => a.keyGroup - b.keyGroup)
  if (filled.length === 0) return undefined
  const header = new DataView(new ArrayBuffer(4 + 8 * filled.length))
  header.setUint32(0, filled.length, true)
  for (const [index, { keyGroup, bytes }] of filled.entries()) {
    header.setUint32(4 + 8 * index, keyGroup, true)
    header.setUint32(8 + 8 * index, bytes.byteLength, true)
  }
  const file = await sink.writeExclusive(name, [new Uint8Array(header.buffer), ...filled.map(({ bytes }) => bytes)])
  return { name, file }
}

/** The key groups of `range`, ascending. */
export async function readKeyGroups(
  source: SnapshotSource,
  file: StoredFile,
  range: KeyGroupRange,
): Promise<KeyGroupBytes[]> {
  const bytes = await source.read(file)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const count = view.getUint32(0, true)
  const found: KeyGroupBytes[] = []
  let offset = 4 + 8 * count
  for (let index = 0; index < count; index++) {
    const keyGroup = view.getUint32(4 + 8 * index, true)
    const groupBytes = view.getUint32(8 + 8 * index, true)
    if (keyGroup >= range.first && keyGroup <= range.last) {
      found.push({ keyGroup, bytes: bytes.subarray(offset, offset + groupBytes) })
    }
    offset += groupBytes
  }
  return found
}
