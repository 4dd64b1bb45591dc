/**
 * Layout of keys in the engines on disk. The only file that knows it.
 *
 *   | key group u16 | state u16 | namespace                                  | key class u8 | key             |
 *   |  big endian   |   big e.  | 0: the number 0                            |              | snapshot-layout |
 *   |                           | 1 + f64, big endian, order-preserving bits |              |                 |
 *   |                           | 2 + u32 bytes + UTF-16 units               |              |                 |
 *
 * Key groups first, so that a rescale cuts ranges; then state and namespace, whose encodings are prefix-free, so that
 * the keys of one namespace are one range per key group.
 */
import { type ByteReader, ByteWriter } from '../../data/bytes.ts'
import { KeyClass, keyClassOf } from '../key-class.ts'
import type { Namespace } from '../keyed-state-backend.ts'
import { keyCodecs } from '../snapshot-layout.ts'

export const keyGroupBytes = 2

/** What stands between key group and key class: state and namespace. */
export function entryPrefix(stateId: number, namespace: Namespace): Uint8Array {
  const out = new ByteWriter(16)
  out.u8(stateId >>> 8)
  out.u8(stateId & 255)
  if (namespace === 0) out.u8(0)
  else if (typeof namespace === 'number') {
    out.u8(1)
    out.raw(orderedBits(namespace))
  } else {
    const units = Buffer.from(namespace, 'utf16le')
    out.u8(2)
    out.u32(units.length)
    out.raw(units)
  }
  return out.take()
}

export function writeEntryKey(keyGroup: number, prefix: Uint8Array, key: unknown, out: ByteWriter): void {
  writeEntryStart(keyGroup, prefix, out)
  if (typeof key === 'number' && (key | 0) === key) {
    out.u8(KeyClass.Int32)
    return out.i32(key)
  }
  const keyClass = keyClassOf(key)
  out.u8(keyClass)
  keyCodecs[keyClass]!.encode(key, out)
}

/** Bytes of the keys whose user's key is an int32. */
export function int32EntryKeyBytes(prefix: Uint8Array): number {
  return keyGroupBytes + prefix.length + 5
}

/** All but key class and key. */
export function writeEntryStart(keyGroup: number, prefix: Uint8Array, out: ByteWriter): void {
  out.u8(keyGroup >>> 8)
  out.u8(keyGroup & 255)
  for (let i = 0; i < prefix.length; i++) out.u8(prefix[i]!)
}

/** Decodes the user's key of an entry; `start` is where the entry's key begins. */
export function readEntryKey(input: ByteReader, start: number, end: number, prefixBytes: number): unknown {
  input.seek(start + keyGroupBytes + prefixBytes, end)
  return keyCodecs[input.u8()]!.decode(input)
}

export interface EntryAddress {
  keyGroup: number
  stateId: number
  namespace: Namespace
  key: unknown
}

/** Decodes all of an entry's key. */
export function readEntryAddress(input: ByteReader, start: number, end: number): EntryAddress {
  input.seek(start, end)
  const keyGroup = (input.u8() << 8) | input.u8()
  const stateId = (input.u8() << 8) | input.u8()
  const tag = input.u8()
  const namespace = tag === 0 ? 0 : tag === 1 ? numberOf(input.raw(8)) : textOf(input.raw(input.u32()))
  return { keyGroup, stateId, namespace, key: keyCodecs[input.u8()]!.decode(input) }
}

export interface KeyRange {
  readonly lower: Uint8Array
  /** Not included. */
  readonly upper: Uint8Array
}

/** Keys of one key group, state and namespace. */
export function rangeOfNamespace(keyGroup: number, prefix: Uint8Array): KeyRange {
  const lower = new Uint8Array(keyGroupBytes + prefix.length)
  lower[0] = keyGroup >>> 8
  lower[1] = keyGroup & 255
  lower.set(prefix, keyGroupBytes)
  return { lower, upper: successor(lower) }
}

/** Keys of key groups first … last. */
export function rangeOfKeyGroups(first: number, last: number): KeyRange {
  return { lower: groupBytes(first), upper: groupBytes(last + 1) }
}

/** 32768 key groups at most: last + 1 always fits. */
function groupBytes(keyGroup: number): Uint8Array {
  return Uint8Array.of(keyGroup >>> 8, keyGroup & 255)
}

/** The first key after all keys that begin with `prefix`. Key groups stay below 0xffff, so there always is one. */
function successor(prefix: Uint8Array): Uint8Array {
  let length = prefix.length
  while (prefix[length - 1] === 255) length--
  const upper = prefix.slice(0, length)
  upper[length - 1]!++
  return upper
}

/** Bits of a number that sort bytewise as the numbers do. */
function orderedBits(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value + 0)
  if (bytes[0]! < 128) bytes[0]! |= 128
  else for (let i = 0; i < 8; i++) bytes[i]! ^= 255
  return bytes
}

function numberOf(bits: Uint8Array): number {
  if (bits[0]! >= 128) bits[0]! &= 127
  else for (let i = 0; i < 8; i++) bits[i]! ^= 255
  return new DataView(bits.buffer, bits.byteOffset).getFloat64(0)
}

function textOf(units: Uint8Array): string {
  return Buffer.from(units.buffer, units.byteOffset, units.length).toString('utf16le')
}
