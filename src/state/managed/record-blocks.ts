/**
 * Blocks of a snapshot made of many records at once, whatever their keys and values are (word-blocks is faster where it
 * can be used): key groups, keys and values of a few thousand entries are written one after another. Not reentrant: one
 * list of entries for the whole thread.
 */
import { mix32 } from '../../data/key-groups.ts'
import type { ByteWriter } from '../../data/bytes.ts'
import type { ValueCodec } from '../../data/value-codec.ts'
import { KeyClass } from '../key-class.ts'
import { type BlockHead, BlockWriter } from '../snapshot-layout.ts'
import { hashAt, type Records, writeArenaKey } from './key-words.ts'
import type { RecordWriter } from './record-writer.ts'
import { blockShift } from './stamps.ts'

/** A block is closed with the first word of bits, or block of places, that brings it to this many entries. */
export const blockEntries = 4096
const arrayLength = blockEntries + (1 << blockShift) + 1

/** How the values of a block are written. */
export type Values =
  | { readonly writer: RecordWriter; readonly codec: undefined }
  /** Of the objects that `takeValues` has taken. */
  | { readonly writer: undefined; readonly codec: ValueCodec }

const entries = new Int32Array(arrayLength)
const keyBytesOf: Readonly<Partial<Record<KeyClass, number>>> = {
  [KeyClass.Int32]: 4,
  [KeyClass.Float64]: 8,
  [KeyClass.Int64]: 8,
}

/** Collects entries of one table for a block, then writes it. */
export class RecordBlocks {
  count = 0
  /** Values of the entries where they are objects, in the order in which entries were added. */
  readonly #objects: unknown[] = []
  /** What touching has read: kept so that nobody can leave the reading out. */
  touched = 0
  readonly #maxParallelism: number
  readonly #block: BlockWriter

  constructor(maxParallelism: number, out: ByteWriter) {
    this.#maxParallelism = maxParallelism
    this.#block = new BlockWriter(out)
  }

  /** Of the block written last: see `BlockWriter`. */
  get entryBytes(): number {
    return this.#block.entryBytes
  }

  get isFull(): boolean {
    return this.count >= blockEntries
  }

  add(entry: number): void {
    entries[this.count++] = entry
  }

  /**
   * Adds the entries of the places from `first` to before `end` that are stamped after the one and before the other, and
   * stamps them as written. Which these are is random, so they are found without branches, which would be guessed wrong.
   */
  addStamped(i32: Int32Array, strideWords: number, first: number, end: number, after: number, before: number): void {
    let { count } = this
    for (let entry = first, at = Math.imul(first, strideWords) + 1; entry < end; entry++, at += strideWords) {
      const stamp = i32[at]!
      entries[count] = entry
      count += ((after - stamp) & (stamp - before)) >>> 31
    }
    for (let i = this.count; i < count; i++) i32[Math.imul(entries[i]!, strideWords) + 1] = before | 1
    this.count = count
  }

  /** Takes the values of the entries added where they are objects beside their records. */
  takeObjects(beside: readonly unknown[]): void {
    const { count } = this
    const objects = this.#objects
    for (let i = 0; i < count; i++) objects.push(beside[entries[i]!])
    this.touched = touch(objects)
  }

  /** Takes what `valueOf` says of the entries added; those of which it says undefined are left out. */
  takeValues(valueOf: (entry: number) => unknown): void {
    const objects = this.#objects
    let kept = 0
    for (let i = 0; i < this.count; i++) {
      const entry = entries[i]!
      const value = valueOf(entry)
      if (value === undefined) continue
      entries[kept++] = entry
      objects.push(value)
    }
    this.count = kept
    this.touched = touch(objects)
  }

  /** Writes the block of what was added, and forgets it. */
  write(head: BlockHead, records: Records, strideWords: number, values: Values): void {
    const { count } = this
    const { keyClass } = head
    const block = this.#block
    this.#writeGroups(keyClass, records, strideWords, block.begin(head, count))
    const keyBytes = keyBytesOf[keyClass]
    if (keyBytes === undefined) writeArenaKeys(records, strideWords, keyClass, count, block.out)
    else writeWordKeys(records.i32, strideWords, keyBytes, count, block)
    block.endKeys()
    if (values.writer !== undefined) {
      const at = block.reserve(values.writer.valueBytes * count)
      values.writer.write(records.i32, entries, count, block.view, at)
    } else encodeAll(values.codec, this.#objects, block.out)
    block.end()
    this.count = 0
    this.#objects.length = 0
  }

  #writeGroups(keyClass: KeyClass, records: Records, strideWords: number, at: number): void {
    const { count } = this
    const { view } = this.#block
    const { i32 } = records
    const maxParallelism = this.#maxParallelism
    if (keyClass === KeyClass.Int32 && (maxParallelism & (maxParallelism - 1)) === 0) {
      const mask = maxParallelism - 1
      for (let i = 0; i < count; i++) {
        view.setUint16(at + 2 * i, mix32(i32[Math.imul(entries[i]!, strideWords)]!) & mask, true)
      }
      return
    }
    for (let i = 0; i < count; i++) {
      const hash = hashAt(keyClass, records, entries[i]! * strideWords)
      view.setUint16(at + 2 * i, (hash >>> 0) % maxParallelism, true)
    }
  }
}

/**
 * Values lie all over the heap. Read in a loop that does nothing else, the processor waits for many of them at a time; the
 * elements of lists lie elsewhere again.
 */
function touch(values: readonly unknown[]): number {
  let seen = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    seen += Array.isArray(value) ? value.length : 1
  }
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (Array.isArray(value) && value[0] !== undefined) seen++
  }
  return seen
}

/** By itself, so that V8 compiles it soon: a loop, which it does not leave for long. */
function encodeAll(codec: ValueCodec, values: readonly unknown[], out: ByteWriter): void {
  for (let i = 0; i < values.length; i++) codec.encode(values[i], out)
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
    const base = Math.imul(entries[i]!, strideWords)
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
  for (let i = 0; i < count; i++) writeArenaKey(keyClass, records, entries[i]! * strideWords, out)
}
