/**
 * Puts the entries of a snapshot's block into a table: those with int32 keys and values that are words, of which neither
 * key nor value is made. Code per layout, made from types only: a restore waits for it, some ten nanoseconds an entry.
 *
 * What costs is waiting for memory, even where entries come in the order of their places: so the records of some hundred
 * keys are read ahead, in a loop that does nothing else and has many reads under way. Not reentrant.
 */
import { generate } from '../../common/generated-code.ts'
import { mix32 } from '../../data/key-groups.ts'
import type { KeyGroupRange } from '../keyed-state-backend.ts'
import type { BlockReader } from '../snapshot-layout.ts'
import type { ClassTable } from './class-table.ts'
import { type Partition, probePlacesMax } from './partition.ts'
import type { RecordLayout } from './record-layout.ts'
import { Mode } from './tracking.ts'

const readAhead = 256
const records: Int32Array[] = []
const words = new Int32Array(readAhead)
/** What reading ahead has read: kept so that nobody can leave the reading out. */
export const ahead = { read: 0 }

/** Told of entries that tracked partitions have. */
type Mark = (partition: Partition, entry: number) => void

export interface Int32Loader {
  /** Bytes of one value. */
  readonly valueBytes: number
  /** The entries from one to before another; answers how many are new. */
  readonly load: (
    block: BlockReader,
    from: number,
    to: number,
    table: ClassTable,
    range: KeyGroupRange,
    mark: Mark,
  ) => number
}

const compiled: Map<string, Int32Loader> = new Map()

/** Undefined where values are objects. */
export function int32LoaderFor(layout: RecordLayout): Int32Loader | undefined {
  const { fields, strideWords } = layout
  if (fields === undefined) return undefined
  const id = JSON.stringify([strideWords, fields.map(({ kind, offset }) => [kind, offset])])
  let loader = compiled.get(id)
  if (loader !== undefined) return loader
  let valueBytes = 0
  const copies = fields.flatMap(({ kind, offset }) => {
    const at = valueBytes
    const word = (n: number): string => `i32[base + ${offset + n}] = view.getInt32(at + ${at + 4 * n}, true)`
    valueBytes += kind === 'bool' ? 1 : kind === 'int32' ? 4 : 8
    if (kind === 'bool') return [`i32[base + ${offset}] = view.getUint8(at + ${at})`]
    return kind === 'int32' ? [word(0)] : [word(0), word(1)]
  })
  const load = generate<Int32Loader['load']>({ mix32 }, loadSource(strideWords, valueBytes, copies.join('\n    ')))
  compiled.set(id, (loader = { valueBytes, load }))
  return loader
}

/**
 * Into a partition that has room, without looking whether it is to be split, grown or scrambled; `findOrInsertInt32` does
 * that for those that have not, are tracked, or have no place near the home.
 */
const loadSource = (
  stride: number,
  valueBytes: number,
  copies: string,
): string => `(block, from, to, table, { first, last }, mark) => {
  const { view } = block.values
  const groupsAt = block.groupsStart
  const keysAt = block.keys.position
  const valuesAt = block.values.position
  let { directory, shift } = table
  let p, i32, stamp, multiplier, shiftA, shiftB, maskB, room, end
  let added = 0
  for (let i = from; i < to; i++) {
    const keyGroup = view.getUint16(groupsAt + 2 * i, true)
    if (keyGroup < first || keyGroup > last) continue
    const key = view.getInt32(keysAt + 4 * i, true)
    const hash = mix32(key)
    const q = directory[(hash >>> 1) >>> shift]
    if (q !== p) {
      p = q
      ;({ i32, stamp, multiplier, shiftA, shiftB, maskB } = p)
      room = p.mode === ${Mode.Untracked} ? p.liveMax - p.liveCount : 0
      end = (p.places - 1) * ${stride}
    }
    const x = Math.imul(hash, multiplier)
    const home = Math.imul((x >>> shiftA) + ((x >>> shiftB) & maskB), ${stride})
    let base = home
    let held = i32[base]
    while (held !== key && (held !== 0 || i32[base + 1] !== 0)) {
      base = (base + ${stride}) | 0
      held = i32[base]
    }
    // The key 0 is a place in use, too.
    const isNew = i32[base + 1] === 0
    if (isNew && room > 0 && base < end && base - home < ${probePlacesMax * stride}) {
      room--
      added++
      p.liveCount++
      i32[base] = key
      i32[base + 1] = stamp
    } else if (isNew || p.mode !== ${Mode.Untracked}) {
      const found = table.findOrInsertInt32(key)
      const entry = found < 0 ? ~found : found
      if (found < 0) added++
      if (table.partition.mode !== ${Mode.Untracked}) mark(table.partition, entry)
      i32 = table.partition.i32
      base = entry * ${stride}
      ;({ directory, shift } = table)
      p = undefined
    }
    const at = valuesAt + ${valueBytes} * i
    ${copies}
  }
  return added
}`

/** Those whose key groups are in the range. Answers how many are new. */
export function loadInt32s(
  block: BlockReader,
  table: ClassTable,
  stride: number,
  { load }: Int32Loader,
  range: KeyGroupRange,
  mark: Mark,
): number {
  const { count } = block
  let added = 0
  for (let from = 0; from < count; from += readAhead) {
    const to = Math.min(from + readAhead, count)
    touch(block, from, to, table, stride)
    added += load(block, from, to, table, range, mark)
  }
  return added
}

/** Reads the first and the last word of the records where keys have their homes. */
function touch(block: BlockReader, from: number, to: number, { directory, shift }: ClassTable, stride: number): void {
  const { view } = block.values
  const keysAt = block.keys.position
  for (let i = from; i < to; i++) {
    const hash = mix32(view.getInt32(keysAt + 4 * i, true))
    const partition = directory[(hash >>> 1) >>> shift]!
    if (partition.liveCount === 0) partition.orderBy(block.order)
    records[i - from] = partition.i32
    words[i - from] = Math.imul(partition.homeOf(hash), stride)
  }
  let read = 0
  for (let i = 0; i < to - from; i++) {
    const i32 = records[i]!
    const word = words[i]!
    read ^= i32[word]! ^ i32[word + stride - 1]!
  }
  ahead.read = read
}
