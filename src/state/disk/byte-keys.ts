/**
 * Keys that are no numbers, as bytes off the heap: an open-addressing index of (hash, entry) and an arena. A key stands
 * in the arena as `| bytes u32 | key class u8 | key as in snapshot-layout |`, which is how it ends a key on disk too.
 * Not reentrant: the key at hand is kept taken apart for the whole thread, since several tables are asked in turn.
 */
import { ByteReader, ByteWriter } from '../../data/bytes.ts'
import { hashKey } from '../../data/key-groups.ts'
import type { NativeBuffer } from '../../memory/memory-views.ts'
import { keyClassOf } from '../key-class.ts'
import { keyCodecs } from '../snapshot-layout.ts'
import { freeMemory } from './free-memory.ts'

const headerBytes = 4
const arenaBytesMin = 256
const slotsMin = 16

const prepared = { key: undefined as unknown, hash: 0, bytes: new ByteWriter(256) }
const reader = new ByteReader()

function prepare(key: unknown): void {
  // An object may have changed since: only primitives are recognised.
  if (key === prepared.key && typeof key !== 'object') return
  const keyClass = keyClassOf(key)
  prepared.bytes.reset()
  prepared.bytes.u8(keyClass)
  keyCodecs[keyClass]!.encode(key, prepared.bytes)
  prepared.hash = hashKey(key)
  prepared.key = key
}

export class ByteKeys {
  #arena: NativeBuffer = Buffer.allocUnsafeSlow(arenaBytesMin) as NativeBuffer
  #used = 0
  /** [entry + 1, hash] per slot; 0: empty. */
  #slots: Int32Array = new Int32Array(2 * slotsMin)
  #mask = slotsMin - 1
  #count = 0

  /** Gives the memory back; nothing may be asked any more. */
  release(): void {
    freeMemory(this.#arena)
    freeMemory(this.#slots)
  }

  get bytes(): number {
    return this.#arena.length + this.#slots.byteLength
  }

  /** The entry of a key, -1 where there is none. `offsets[entry * stride]` is an entry's place in the arena. */
  find(key: unknown, offsets: Float64Array, stride: number): number {
    prepare(key)
    const { hash } = prepared
    const slots = this.#slots
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const entry = slots[2 * slot]! - 1
      if (entry < 0) return -1
      if (slots[2 * slot + 1] === hash && this.#isPreparedAt(offsets[entry * stride]!)) return entry
    }
  }

  /** Adds an absent key; returns its offset. */
  add(key: unknown, entry: number): number {
    prepare(key)
    if ((this.#count + 1) * 3 > (this.#mask + 1) * 2) this.#growSlots()
    this.#place(entry, prepared.hash)
    this.#count++
    return this.#store()
  }

  keyAt(offset: number): unknown {
    reader.reset(this.#arena)
    const start = offset + headerBytes
    reader.seek(start, start + this.#lengthAt(offset))
    return keyCodecs[reader.u8()]!.decode(reader)
  }

  /** Writes key class and key. */
  writeTo(offset: number, out: ByteWriter): void {
    const length = this.#lengthAt(offset)
    const at = out.reserve(length)
    const start = offset + headerBytes
    const target = out.buffer
    for (let i = 0; i < length; i++) target[at + i] = this.#arena[start + i]!
    out.position = at + length
  }

  #isPreparedAt(offset: number): boolean {
    const length = this.#lengthAt(offset)
    const arena = this.#arena
    const wanted = prepared.bytes.buffer
    if (length !== prepared.bytes.position) return false
    const start = offset + headerBytes
    for (let i = 0; i < length; i++) if (arena[start + i] !== wanted[i]) return false
    return true
  }

  #lengthAt(offset: number): number {
    const arena = this.#arena
    return arena[offset]! | (arena[offset + 1]! << 8) | (arena[offset + 2]! << 16) | (arena[offset + 3]! << 24)
  }

  #store(): number {
    const length = prepared.bytes.position
    const offset = this.#used
    const end = offset + headerBytes + length
    if (end > this.#arena.length) this.#growArena(end)
    const arena = this.#arena
    arena[offset] = length
    arena[offset + 1] = length >>> 8
    arena[offset + 2] = length >>> 16
    arena[offset + 3] = length >>> 24
    const from = prepared.bytes.buffer
    for (let i = 0; i < length; i++) arena[offset + headerBytes + i] = from[i]!
    this.#used = end
    return offset
  }

  #place(entry: number, hash: number): void {
    let slot = hash & this.#mask
    while (this.#slots[2 * slot] !== 0) slot = (slot + 1) & this.#mask
    this.#slots[2 * slot] = entry + 1
    this.#slots[2 * slot + 1] = hash
  }

  #growSlots(): void {
    const old = this.#slots
    this.#slots = new Int32Array(old.length * 2)
    this.#mask = old.length - 1
    for (let at = 0; at < old.length; at += 2) if (old[at] !== 0) this.#place(old[at]! - 1, old[at + 1]!)
    freeMemory(old)
  }

  #growArena(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#arena.length * 2)) as NativeBuffer
    this.#arena.copy(grown, 0, 0, this.#used)
    freeMemory(this.#arena)
    this.#arena = grown
  }
}
