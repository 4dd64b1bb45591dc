/**
 * Keys as words: what the records of each class of keys hold, and their hashes, which are `hashKey` of the key (so that
 * the key group follows from them). Not reentrant: `prepared` is one cell for the whole thread.
 *
 *   Int32    value, stamp (stamps.ts)       Float64, Int64   low word, high word
 *   Text     hash, offset in the arena + 1  Other            the same
 *   arena    ┌ length u32: units << 1 | isWide ┬ units, one byte each or two ┐   Other: bytes << 1, canonical generic codec
 *
 * Two zero words mean that a place is empty. No key has them: 0 is an int32, and 0n goes with the others.
 */
import { ByteReader, ByteWriter } from '../../data/bytes.ts'
import { hashInt64Words, hashKey } from '../../data/key-groups.ts'
import type { NativeBuffer } from '../../memory/memory-views.ts'
import { KeyClass, keyClassOf } from '../key-class.ts'
import { keyCodecs } from '../snapshot-layout.ts'
import type { Partition } from './partition.ts'

/** Where the records of keys are: a partition, or copies of some of its records. */
export interface Records {
  readonly i32: Int32Array
  readonly arena: NativeBuffer | undefined
}

/** A key taken apart: `low` and `high` for word classes, `text` or `bytes` for those in the arena. */
export const prepared: {
  hash: number
  low: number
  high: number
  /** Text and Other: units or bytes, << 1, | 1 where units are two bytes. */
  header: number
  text: string
} = { hash: 0, low: 0, high: 0, header: 0, text: '' }

const words = new Int32Array(2)
const double = new Float64Array(words.buffer)
const long = new BigInt64Array(words.buffer)
const otherWriter = new ByteWriter(256)
const otherReader = new ByteReader()
const otherCodec = keyCodecs[KeyClass.Other]!

/** More are copied by a native call. */
const loopBytesMax = 64

/** The class of tables that a key is in. */
export function tableClassOf(key: unknown): KeyClass {
  return key === 0n ? KeyClass.Other : keyClassOf(key)
}

/** Takes the key of a class apart into `prepared`. */
export function prepare(keyClass: KeyClass, key: unknown): void {
  switch (keyClass) {
    case KeyClass.Int32:
      prepared.hash = hashKey(key)
      prepared.low = (key as number) | 0
      prepared.high = 1
      return
    case KeyClass.Float64:
      prepared.hash = hashKey(key)
      double[0] = key === key ? (key as number) : Number.NaN
      prepared.low = words[0]!
      prepared.high = words[1]!
      return
    case KeyClass.Int64:
      long[0] = key as bigint
      prepared.low = words[0]!
      prepared.high = words[1]!
      prepared.hash = hashInt64Words(prepared.low, prepared.high)
      return
    case KeyClass.Text:
      prepared.hash = hashKey(key)
      prepared.text = key as string
      prepared.header = -1
      return
    case KeyClass.Other:
      prepared.hash = hashKey(key)
      otherWriter.reset()
      otherCodec.encode(key, otherWriter)
      prepared.header = otherWriter.position << 1
  }
}

/** Whether the record of an entry holds the prepared key, whose hash is the record's. */
export function isPreparedAt(keyClass: KeyClass, partition: Partition, base: number): boolean {
  const { i32 } = partition
  if (keyClass === KeyClass.Int32) return i32[base] === prepared.low
  if (keyClass < KeyClass.Text) return i32[base] === prepared.low && i32[base + 1] === prepared.high
  if (i32[base] !== prepared.hash) return false
  const arena = partition.arena!
  const offset = i32[base + 1]! - 1
  return keyClass === KeyClass.Text ? isTextAt(arena, offset, prepared.text) : areBytesAt(arena, offset)
}

/** Whether a key in the arena is this text. */
export function isTextAt(arena: NativeBuffer, offset: number, text: string): boolean {
  const header = keyHeaderAt(arena, offset)
  const units = header >>> 1
  if (units !== text.length) return false
  const start = offset + 4
  if ((header & 1) === 0) {
    for (let i = 0; i < units; i++) if (arena[start + i] !== text.charCodeAt(i)) return false
    return true
  }
  for (let i = 0; i < units; i++) {
    const at = start + 2 * i
    if ((arena[at]! | (arena[at + 1]! << 8)) !== text.charCodeAt(i)) return false
  }
  return true
}

function areBytesAt(arena: NativeBuffer, offset: number): boolean {
  if (keyHeaderAt(arena, offset) !== prepared.header) return false
  const bytes = prepared.header >>> 1
  const written = otherWriter.buffer
  for (let i = 0; i < bytes; i++) if (arena[offset + 4 + i] !== written[i]) return false
  return true
}

/** Writes the prepared key into the record of a new entry; stamps are another's business. */
export function storePrepared(keyClass: KeyClass, partition: Partition, base: number): void {
  if (keyClass < KeyClass.Text) {
    partition.i32[base] = prepared.low
    partition.i32[base + 1] = prepared.high
    return
  }
  const offset = keyClass === KeyClass.Text ? storeText(partition, prepared.text) : storeBytes(partition)
  partition.i32[base] = prepared.hash
  partition.i32[base + 1] = offset + 1
}

/** Bytes that the prepared key takes in the arena; 0 for words. */
export function preparedArenaBytes(keyClass: KeyClass): number {
  if (keyClass < KeyClass.Text) return 0
  return keyClass === KeyClass.Text ? 4 + prepared.text.length * 2 : 4 + (prepared.header >>> 1)
}

function storeText(partition: Partition, text: string): number {
  const units = text.length
  let isWide = 0
  for (let i = 0; i < units; i++) if (text.charCodeAt(i) > 0xff) isWide = 1
  const offset = partition.reserveKey(4 + units * (isWide + 1))
  const arena = partition.arena!
  writeHeader(arena, offset, (units << 1) | isWide)
  let at = offset + 4
  for (let i = 0; i < units; i++) {
    const unit = text.charCodeAt(i)
    arena[at++] = unit
    if (isWide === 1) arena[at++] = unit >>> 8
  }
  return offset
}

function storeBytes(partition: Partition): number {
  const bytes = prepared.header >>> 1
  const offset = partition.reserveKey(4 + bytes)
  writeHeader(partition.arena!, offset, prepared.header)
  const written = otherWriter.buffer
  for (let i = 0; i < bytes; i++) partition.arena![offset + 4 + i] = written[i]!
  return offset
}

function writeHeader(arena: NativeBuffer, offset: number, header: number): void {
  arena[offset] = header
  arena[offset + 1] = header >>> 8
  arena[offset + 2] = header >>> 16
  arena[offset + 3] = header >>> 24
}

/** The hash of the number whose words these are. */
export function hashDoubleWords(low: number, high: number): number {
  words[0] = low
  words[1] = high
  return hashKey(double[0])
}

/** The hash of an entry's key, from its record. */
export function hashAt(keyClass: KeyClass, records: Records, base: number): number {
  const { i32 } = records
  switch (keyClass) {
    case KeyClass.Int32:
      return hashKey(i32[base]!)
    case KeyClass.Float64:
      return hashDoubleWords(i32[base]!, i32[base + 1]!)
    case KeyClass.Int64:
      return hashInt64Words(i32[base]!, i32[base + 1]!)
    default:
      return i32[base]!
  }
}

/** The key of an entry. */
export function keyAt(keyClass: KeyClass, partition: Partition, base: number): unknown {
  const { i32 } = partition
  switch (keyClass) {
    case KeyClass.Int32:
      return i32[base]!
    case KeyClass.Float64:
      words[0] = i32[base]!
      words[1] = i32[base + 1]!
      return double[0]
    case KeyClass.Int64:
      words[0] = i32[base]!
      words[1] = i32[base + 1]!
      return long[0]
    case KeyClass.Text:
      return textAt(partition.arena!, i32[base + 1]! - 1)
    case KeyClass.Other:
      return otherAt(partition.arena!, i32[base + 1]! - 1)
  }
}

function textAt(arena: NativeBuffer, offset: number): string {
  const header = keyHeaderAt(arena, offset)
  const units = header >>> 1
  const start = offset + 4
  return (header & 1) === 1 ? arena.ucs2Slice(start, start + units * 2) : arena.latin1Slice(start, start + units)
}

function otherAt(arena: NativeBuffer, offset: number): unknown {
  otherReader.reset(arena)
  otherReader.seek(offset + 4)
  return otherCodec.decode(otherReader)
}

/** Writes the key of a record as in snapshot-layout; of classes whose keys are in the arena. */
export function writeArenaKey(keyClass: KeyClass, records: Records, base: number, out: ByteWriter): void {
  const arena = records.arena!
  const offset = records.i32[base + 1]! - 1
  const header = keyHeaderAt(arena, offset)
  // What precedes a text there is what its codec writes; of other keys it is the length, which they do not need.
  if (keyClass === KeyClass.Text) out.varint(header)
  const bytes = (header >>> 1) * ((header & 1) + 1)
  const to = out.reserve(bytes)
  const { buffer } = out
  if (bytes > loopBytesMax) arena.copy(buffer, to, offset + 4, offset + 4 + bytes)
  else for (let i = 0; i < bytes; i++) buffer[to + i] = arena[offset + 4 + i]!
  out.position = to + bytes
}

/** Bytes that the key of a record takes in the arena. */
export function keyArenaBytes(partition: Partition, base: number): number {
  const header = keyHeaderAt(partition.arena!, partition.i32[base + 1]! - 1)
  return 4 + (header >>> 1) * ((header & 1) + 1)
}

function keyHeaderAt(arena: NativeBuffer, offset: number): number {
  return arena[offset]! | (arena[offset + 1]! << 8) | (arena[offset + 2]! << 16) | (arena[offset + 3]! << 24)
}
