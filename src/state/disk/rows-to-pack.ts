/**
 * Entries that the store packs straight from a frozen table's memory, on another thread, while the slot goes on: int32
 * keys with one number each. An entry that changes meanwhile is encoded by the slot before it does, and what the slot has
 * encoded counts. The columns stay where they are until `FrozenPart.release`.
 */
import { int32EntryKeyBytes } from './entry-key-layout.ts'
import type { FrozenPart } from './generation.ts'
import { entryHeaderBytes, packedBufferBytes, PackedEntriesWriter } from './packed-entries-layout.ts'

/** Fewer are encoded by the slot itself before another thread has begun. */
const entriesMin = 8192

export class RowsToPack {
  readonly part: FrozenPart
  /** Words of `part.pending`. */
  readonly firstWord: number
  readonly endWord: number
  /** Key and value of each entry. */
  readonly cells: Float64Array
  readonly keyGroups: Uint16Array
  readonly states: Uint8Array
  readonly writers: readonly PackedEntriesWriter[]
  /** Per writer: bytes and entries, once it is packed. */
  readonly used: Uint32Array

  constructor(part: FrozenPart, endWord: number, entries: number) {
    const { front } = part
    this.part = part
    part.isBeingPacked = true
    this.firstWord = part.wordsDone
    this.endWord = endWord
    this.cells = front.f64
    this.keyGroups = front.keyGroups
    this.states = front.states
    const bytes = entryBytesOf(part)
    const entriesPerBuffer = Math.floor(packedBufferBytes / bytes)
    const writers: PackedEntriesWriter[] = []
    for (let left = entries; left > 0; left -= entriesPerBuffer) {
      const count = Math.min(left, entriesPerBuffer)
      const writer = new PackedEntriesWriter(count * bytes)
      writer.count = count
      writers.push(writer)
    }
    this.writers = writers
    this.used = new Uint32Array(2 * writers.length)
  }

  /** All of it is packed. */
  done(): void {
    const { part, used } = this
    this.writers.forEach((writer, i) => writer.filled(used[2 * i]!, used[2 * i + 1]!))
    part.pending.fill(0, this.firstWord, this.endWord)
    part.wordsDone = this.endWord
    part.isBeingPacked = false
  }
}

/** As many of the part's next entries as there is room for; undefined where they are too few, or of another kind. */
export function rowsToPack(part: FrozenPart, roomFor: (entryBytes: number) => number): RowsToPack | undefined {
  const { pending, front } = part
  if (part.plain === undefined || !front.hasInt32KeysOnly) return undefined
  const entriesMax = Math.max(entriesMin, roomFor(entryBytesOf(part)))
  let entries = 0
  let word = part.wordsDone
  for (; word < pending.length && entries < entriesMax; word++) entries += bitsOf(pending[word]!)
  return entries < entriesMin ? undefined : new RowsToPack(part, word, entries)
}

/** The most that an entry takes. */
function entryBytesOf({ table }: FrozenPart): number {
  return entryHeaderBytes + int32EntryKeyBytes(table.prefix) + table.cell.codec.fixedBytes
}

export function bitsOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
