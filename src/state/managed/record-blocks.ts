/**
 * Blocks of a snapshot made of many records at once: entries are brought into the order of their key groups first, then
 * key groups, keys and values are written one after another. About 15 ns an entry where keys are words and values have a
 * fixed width. Not reentrant: one set of arrays for the whole thread.
 */
import { mix32 } from '../../data/key-groups.ts'
import type { ByteWriter } from '../../data/bytes.ts'
import type { ValueCodec } from '../../data/value-codec.ts'
import { KeyClass } from '../key-class.ts'
import { type BlockHead, BlockWriter } from '../snapshot-layout.ts'
import { hashAt, type Records, writeArenaKey } from './key-words.ts'
import type { RecordWriter } from './record-writer.ts'

/** A block is closed with the first word of bits that brings it to this many entries. */
export const blockEntries = 4096
const arrayLength = blockEntries + 32

/** How the values of a block are written. */
export type Values =
  | { readonly writer: RecordWriter; readonly codec: undefined }
  /** Of the objects in `RecordBlocks.objects`. */
  | { readonly writer: undefined; readonly codec: ValueCodec }

const entries = new Int32Array(arrayLength)
const sorted = new Int32Array(arrayLength)
/** Index in `entries` of each sorted entry. */
const origins = new Int32Array(arrayLength)
const groups = new Uint16Array(arrayLength)
const sortedGroups = new Uint16Array(arrayLength)
const keyBytesOf: Readonly<Partial<Record<KeyClass, number>>> = {
  [KeyClass.Int32]: 4,
  [KeyClass.Float64]: 8,
  [KeyClass.Int64]: 8,
}

/** Collects entries of one table for a block, then writes it. */
export class RecordBlocks {
  count = 0
  /** Values of the entries where they are objects, in the order in which entries were added. */
  readonly objects: unknown[] = []
  readonly #maxParallelism: number
  /** Of a power of two; -1: there is none. */
  readonly #mask: number
  readonly #starts: Int32Array
  readonly #block: BlockWriter

  constructor(maxParallelism: number, out: ByteWriter) {
    this.#maxParallelism = maxParallelism
    this.#mask = (maxParallelism & (maxParallelism - 1)) === 0 ? maxParallelism - 1 : -1
    this.#starts = new Int32Array(maxParallelism + 1)
    this.#block = new BlockWriter(out)
  }

  get isFull(): boolean {
    return this.count >= blockEntries
  }

  add(entry: number): void {
    entries[this.count++] = entry
  }

  /** Writes the block of what was added, and forgets it. */
  write(head: BlockHead, records: Records, strideWords: number, values: Values): void {
    const { count } = this
    const { keyClass } = head
    const block = this.#block
    this.#sort(keyClass, records, strideWords)
    block.begin(head, count, sortedGroups)
    const keyBytes = keyBytesOf[keyClass]
    if (keyBytes === undefined) writeArenaKeys(records, strideWords, keyClass, count, block.out)
    else writeWordKeys(records.i32, strideWords, keyBytes, count, block)
    block.endKeys()
    if (values.writer !== undefined) {
      const at = block.reserve(values.writer.valueBytes * count)
      values.writer.write(records.i32, sorted, count, block.view, at)
    } else for (let i = 0; i < count; i++) values.codec.encode(this.objects[origins[i]!], block.out)
    block.end()
    this.count = 0
    this.objects.length = 0
  }

  /** Fills `sorted`, `sortedGroups` and `origins`: a counting sort. */
  #sort(keyClass: KeyClass, records: Records, strideWords: number): void {
    const { count } = this
    const starts = this.#starts.fill(0)
    this.#findGroups(keyClass, records, strideWords)
    for (let i = 0; i < count; i++) starts[groups[i]! + 1]!++
    for (let group = 1; group < starts.length; group++) starts[group]! += starts[group - 1]!
    for (let i = 0; i < count; i++) {
      const group = groups[i]!
      const to = starts[group]!++
      sorted[to] = entries[i]!
      sortedGroups[to] = group
      origins[to] = i
    }
  }

  #findGroups(keyClass: KeyClass, records: Records, strideWords: number): void {
    const { count } = this
    const { i32 } = records
    const mask = this.#mask
    if (keyClass === KeyClass.Int32 && mask >= 0) {
      for (let i = 0; i < count; i++) groups[i] = mix32(i32[Math.imul(entries[i]!, strideWords)]!) & mask
      return
    }
    for (let i = 0; i < count; i++) {
      groups[i] = (hashAt(keyClass, records, entries[i]! * strideWords) >>> 0) % this.#maxParallelism
    }
  }
}

function writeWordKeys(
  i32: Int32Array,
  strideWords: number,
  keyBytes: number,
  count: number,
  block: BlockWriter,
): void {
  let at = block.reserve(keyBytes * count)
  const { view } = block
  for (let i = 0; i < count; i++, at += keyBytes) {
    const base = Math.imul(sorted[i]!, strideWords)
    view.setInt32(at, i32[base]!, true)
    if (keyBytes === 8) view.setInt32(at + 4, i32[base + 1]!, true)
  }
}

function writeArenaKeys(
  records: Records,
  strideWords: number,
  keyClass: KeyClass,
  count: number,
  out: ByteWriter,
): void {
  for (let i = 0; i < count; i++) writeArenaKey(keyClass, records, sorted[i]! * strideWords, out)
}
