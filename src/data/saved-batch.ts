/**
 * A batch as self-describing bytes: channel state in snapshots, and records too large for one segment.
 *
 *   u32 magic · u32 first row to read · u32 key bytes · u32 block start (multiple of 8) | schema key, ASCII | pad | block
 */
import { MillraceError } from '../common/errors.ts'
import { noTimestamp } from '../common/limits.ts'
import { alignUp, type NativeBuffer, privateViews, viewsOf } from '../memory/memory-views.ts'
import { type BlockDecoder, newBlockDecoder } from './block-decoder.ts'
import { type BlockEncoder, doesNotFit, newBlockEncoder, Written } from './block-encoder.ts'
import { Header } from './block-layout.ts'
import { genericSchema } from './column-schema.ts'

const magic = 0x3142524d
const prefixBytes = 16

/** Wraps a block (which starts at a multiple of 8 in `bytes`); its first `firstRow` rows are left out on reading. */
export function saveBlock(key: string, block: Uint8Array, firstRow = 0): Uint8Array {
  const blockStart = alignUp(prefixBytes + key.length, 8)
  const saved = Buffer.alloc(blockStart + block.length) as NativeBuffer
  saved.writeUInt32LE(magic, 0)
  saved.writeUInt32LE(firstRow, 4)
  saved.writeUInt32LE(key.length, 8)
  saved.writeUInt32LE(blockStart, 12)
  saved.latin1Write(key, prefixBytes)
  saved.set(block, blockStart)
  return new Uint8Array(saved.buffer, saved.byteOffset, saved.byteLength)
}

/** Writes records as one batch of generic values. MR_DATA_NOT_SERIALIZABLE as the generic codec throws it. */
export function saveRecords(values: readonly unknown[], timestampsMs: ArrayLike<number>, first = 0): Uint8Array {
  const encoder = privateEncoder()
  const count = values.length - first
  let hasTimes = false
  for (let i = first; i < values.length && !hasTimes; i++) hasTimes = timestampsMs[i] !== noTimestamp
  encoder.openPrivate(count, hasTimes)
  for (let i = first; i < values.length; i++) {
    if (encoder.write(values[i], timestampsMs[i]!) !== Written.Wrote) throw doesNotFit()
  }
  return saveBlock(genericSchema.key, encoder.sealToBytes())
}

/** Reads a saved batch. MR_DATA_CORRUPT where the bytes cannot be one. */
export function readSavedBatch(bytes: Uint8Array): BlockDecoder {
  const source = Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength) as NativeBuffer
  if (source.length < prefixBytes || source.readUInt32LE(0) !== magic) throw corrupt('it does not begin as one')
  const firstRow = source.readUInt32LE(4)
  const keyBytes = source.readUInt32LE(8)
  const blockStart = source.readUInt32LE(12)
  if (prefixBytes + keyBytes > blockStart || blockStart + 48 > source.length) throw corrupt('it is cut off')
  const key = source.latin1Slice(prefixBytes, prefixBytes + keyBytes)
  const block = new Uint8Array(alignUp(source.length - blockStart, 8))
  block.set(source.subarray(blockStart))
  const views = viewsOf(block.buffer)
  if (views.i32[Header.BlockBytes]! > block.length || views.i32[Header.Rows]! < firstRow) throw corrupt('it is cut off')
  const decoder = newBlockDecoder(key, views)
  decoder.open(0, firstRow)
  return decoder
}

let sharedEncoder: BlockEncoder | undefined

function privateEncoder(): BlockEncoder {
  return (sharedEncoder ??= newBlockEncoder(genericSchema, privateViews(8)))
}

function corrupt(what: string): MillraceError {
  return new MillraceError('MR_DATA_CORRUPT', `a saved batch of records cannot be read: ${what}`)
}
