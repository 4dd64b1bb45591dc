/**
 * Puts the entries of a snapshot's block into a table: those with int32 keys and values that are words, of which neither
 * key nor value is made. What costs is waiting for memory, as keys come in an order of their own: so the records of some
 * hundred keys are read ahead, in a loop that does nothing else and has many reads under way. Not reentrant.
 */
import { mix32 } from '../../data/key-groups.ts'
import type { KeyGroupRange } from '../keyed-state-backend.ts'
import type { BlockReader } from '../snapshot-layout.ts'
import type { ClassTable } from './class-table.ts'
import type { Partition } from './partition.ts'
import { Mode } from './tracking.ts'
import type { RecordReader } from './record-reader.ts'

const readAhead = 256
const records: Int32Array[] = []
const words = new Int32Array(readAhead)
/** What reading ahead has read: kept so that nobody can leave the reading out. */
export const ahead = { read: 0 }

/** Those whose key groups are in the range; `mark` is told of entries that tracked partitions have. Answers how many are new. */
export function loadInt32s(
  block: BlockReader,
  table: ClassTable,
  stride: number,
  reader: RecordReader,
  { first, last }: KeyGroupRange,
  mark: (partition: Partition, entry: number) => void,
): number {
  const { view, position: valuesAt } = block.values
  const { valueBytes } = reader
  const keysAt = block.keys.position
  let newCount = 0
  for (let i = 0; i < block.count; i++) {
    if (i % readAhead === 0) {
      touch(view, keysAt + 4 * i, Math.min(readAhead, block.count - i), table, stride, block.order)
    }
    const keyGroup = block.keyGroup(i)
    if (keyGroup < first || keyGroup > last) continue
    const found = table.findOrInsertInt32(view.getInt32(keysAt + 4 * i, true))
    const entry = found < 0 ? ~found : found
    if (found < 0) newCount++
    const { partition } = table
    if (partition.mode !== Mode.Untracked) mark(partition, entry)
    reader.read(view, valuesAt + valueBytes * i, partition.i32, Math.imul(entry, stride))
  }
  return newCount
}

/** Reads the first and the last word of the records where keys have their homes. */
function touch(view: DataView, keysAt: number, count: number, table: ClassTable, stride: number, order: number): void {
  const { directory, shift } = table
  for (let i = 0; i < count; i++) {
    const hash = mix32(view.getInt32(keysAt + 4 * i, true))
    const partition = directory[(hash >>> 1) >>> shift]!
    if (partition.liveCount === 0) partition.orderBy(order)
    records[i] = partition.i32
    words[i] = Math.imul(partition.homeOf(hash), stride)
  }
  let read = 0
  for (let i = 0; i < count; i++) {
    const i32 = records[i]!
    const word = words[i]!
    read ^= i32[word]! ^ i32[word + stride - 1]!
  }
  ahead.read = read
}
