/**
 * A part of a managed table that is small enough to be grown, rehashed and split within a few milliseconds: records in
 * one buffer, found through a table of slots (linear probing).
 *
 *   slot   ┌ tag: 12 bits of the hash ┬ entry + 1: 20 bits ┐   0: empty
 *
 * Invariants
 * 1. An entry is an index of a record, 0 … count - 1; its bit in `live` is set while it is in use. Free entries form a
 *    list through their first word.
 * 2. `dirty`: changed since the last snapshot; `persisted`: in an earlier snapshot; `frozen`: the snapshot under way
 *    still has to write it. They are undefined while nobody needs them, and `mode` says so at once.
 * 3. What the partition allocates is charged before.
 */
import { MillraceError } from '../../common/errors.ts'
import type { NativeBuffer } from '../../memory/memory-views.ts'
import type { StateAccount } from '../state-budget.ts'
import { keyWords, type RecordLayout } from './record-layout.ts'

export const entryBits = 20
export const entryMask: number = (1 << entryBits) - 1
/** The largest number of entries that slots can refer to. */
export const entriesMax: number = entryMask - 1

/** What a change has to do besides changing. */
export const Mode = {
  /** Nothing: there was no snapshot yet. */
  Untracked: 0,
  /** Note it in `dirty`. */
  Tracked: 1,
  /** A snapshot is under way: hand the entry to it first. */
  Frozen: 2,
} as const
export type Mode = (typeof Mode)[keyof typeof Mode]

const entriesMin = 4
/** Slots are doubled beyond this share in use. */
const loadMax = 0.7
const arenaBytesMin = 256

/** A set of entries that an unconfirmed checkpoint has written. */
export interface WrittenEntries {
  readonly checkpointId: number
  bits: Int32Array
}

export class Partition {
  readonly layout: RecordLayout
  /** Number of leading bits of the hash that all keys of this partition share. */
  readonly depth: number
  i32: Int32Array
  f64: Float64Array
  i64: BigInt64Array
  /** Values that are objects, by entry; undefined where values are in the records. */
  readonly objects: unknown[] | undefined
  slots: Int32Array
  slotShift: number
  slotMask: number
  capacity: number
  count = 0
  liveCount = 0
  live: Int32Array
  mode: Mode = Mode.Untracked
  dirty: Int32Array | undefined = undefined
  frozen: Int32Array | undefined = undefined
  persisted: Int32Array | undefined = undefined
  written: WrittenEntries[] = []
  /** Its entries have moved to other partitions. */
  isRetired = false
  /** Bytes of keys; undefined where keys are words. */
  arena: NativeBuffer | undefined
  arenaUsed = 0
  #arenaDead = 0
  #freeHead = -1
  #chargedBytes = 0
  readonly #account: StateAccount

  constructor(
    layout: RecordLayout,
    depth: number,
    capacity: number,
    hasArena: boolean,
    account: StateAccount,
    arenaBytes: number = arenaBytesMin,
  ) {
    this.layout = layout
    this.depth = depth
    this.#account = account
    this.capacity = roundedCapacity(capacity)
    const slotCount = slotCountFor(this.capacity)
    const arena = hasArena ? Math.max(arenaBytes, arenaBytesMin) : 0
    this.#charge(this.#recordBytes(this.capacity) + slotCount * 4 + arena)
    const buffer = new ArrayBuffer(recordBufferBytes(layout, this.capacity))
    this.i32 = new Int32Array(buffer)
    this.f64 = new Float64Array(buffer)
    this.i64 = new BigInt64Array(buffer)
    this.objects = layout.fields === undefined ? [] : undefined
    this.slots = new Int32Array(slotCount)
    this.slotMask = slotCount - 1
    this.slotShift = Math.clz32(slotCount - 1)
    this.live = new Int32Array(bitWords(this.capacity))
    this.arena = hasArena ? newArena(arena) : undefined
  }

  /** Entry for a new key, its words zero; grows the records where needed. Its slot is set by `link`. */
  allocate(): number {
    let entry = this.#freeHead
    if (entry >= 0) this.#freeHead = this.i32[entry * this.layout.strideWords]!
    else {
      if (this.count === this.capacity) this.#grow()
      entry = this.count++
    }
    this.live[entry >>> 5]! |= 1 << (entry & 31)
    this.liveCount++
    return entry
  }

  /** The entry is no longer in use; its slot is gone already. */
  free(entry: number): void {
    const bit = ~(1 << (entry & 31))
    this.live[entry >>> 5]! &= bit
    if (this.dirty !== undefined) this.dirty[entry >>> 5]! &= bit
    if (this.persisted !== undefined) this.persisted[entry >>> 5]! &= bit
    for (const written of this.written) written.bits[entry >>> 5]! &= bit
    this.liveCount--
    const base = entry * this.layout.strideWords
    if (this.arena !== undefined) this.#arenaDead += keyBytesAt(this.arena, this.i32[base + 1]!)
    this.i32[base] = this.#freeHead
    this.#freeHead = entry
    if (this.objects !== undefined) this.objects[entry] = undefined
  }

  /** Takes back an entry that was allocated last and never linked. */
  discard(entry: number): void {
    this.live[entry >>> 5]! &= ~(1 << (entry & 31))
    this.liveCount--
    this.i32[entry * this.layout.strideWords] = this.#freeHead
    this.#freeHead = entry
  }

  /** Copies record, key, object and tracking of another partition's entry. */
  copyEntry(entry: number, from: Partition, source: number): void {
    const stride = this.layout.strideWords
    const to = entry * stride
    const at = source * stride
    for (let i = 0; i < stride; i++) this.i32[to + i] = from.i32[at + i]!
    if (from.arena !== undefined) {
      const start = from.i32[at + 1]!
      const bytes = keyBytesAt(from.arena, start)
      const offset = this.reserveKey(bytes)
      for (let i = 0; i < bytes; i++) this.arena![offset + i] = from.arena[start + i]!
      this.i32[to + 1] = offset
    }
    if (this.objects !== undefined) this.objects[entry] = from.objects![source]
    if (from.mode === Mode.Untracked) return
    copyBit(this.dirty!, entry, from.dirty!, source)
    copyBit(this.persisted!, entry, from.persisted!, source)
    if (from.frozen !== undefined) copyBit(this.frozen!, entry, from.frozen, source)
    for (let i = 0; i < from.written.length; i++) copyBit(this.written[i]!.bits, entry, from.written[i]!.bits, source)
  }

  /** Tracks what another partition tracks; its entries are copied afterwards. */
  trackLike(from: Partition): void {
    if (from.mode === Mode.Untracked) return
    this.track()
    this.mode = from.mode
    if (from.frozen !== undefined) this.frozen = new Int32Array(this.live.length)
    this.written = from.written.map(({ checkpointId }) => ({ checkpointId, bits: new Int32Array(this.live.length) }))
  }

  isLive(entry: number): boolean {
    return (this.live[entry >>> 5]! & (1 << (entry & 31))) !== 0
  }

  isPersisted(entry: number): boolean {
    return this.persisted !== undefined && (this.persisted[entry >>> 5]! & (1 << (entry & 31))) !== 0
  }

  isFrozen(entry: number): boolean {
    return this.frozen !== undefined && (this.frozen[entry >>> 5]! & (1 << (entry & 31))) !== 0
  }

  /** True where one more key does not fit the slots: `growSlots` first. */
  get needsSlots(): boolean {
    return this.liveCount >= this.slots.length * loadMax
  }

  /** Puts an entry into the slots. The hash must not be in there for the same key. */
  link(entry: number, hash: number): void {
    const { slots, slotMask } = this
    let at = Math.imul(hash, 0x9e3779b1) >>> this.slotShift
    while (slots[at] !== 0) at = (at + 1) & slotMask
    slots[at] = ((hash >>> 8) << entryBits) | (entry + 1)
  }

  /** Takes an entry out of the slots; what probed past it moves up. */
  unlink(entry: number, hash: number, hashAt: (entry: number) => number): void {
    const { slots, slotMask, slotShift } = this
    let at = Math.imul(hash, 0x9e3779b1) >>> slotShift
    while ((slots[at]! & entryMask) !== entry + 1) at = (at + 1) & slotMask
    let hole = at
    for (;;) {
      at = (at + 1) & slotMask
      const slot = slots[at]!
      if (slot === 0) break
      const home = Math.imul(hashAt((slot & entryMask) - 1), 0x9e3779b1) >>> slotShift
      if (((at - home) & slotMask) < ((at - hole) & slotMask)) continue
      slots[hole] = slot
      hole = at
    }
    slots[hole] = 0
  }

  /** Doubles the slots. */
  growSlots(hashAt: (entry: number) => number): void {
    const slotCount = this.slots.length * 2
    this.#charge(slotCount * 4)
    this.#release(this.slots.length * 4)
    this.slots = new Int32Array(slotCount)
    this.slotMask = slotCount - 1
    this.slotShift = Math.clz32(slotCount - 1)
    for (let entry = 0; entry < this.count; entry++) if (this.isLive(entry)) this.link(entry, hashAt(entry))
  }

  /** Room for `bytes` of a key; returns their offset. The caller writes them. */
  reserveKey(bytes: number): number {
    if (this.arenaUsed + bytes > this.arena!.length) this.#growArena(bytes)
    const offset = this.arenaUsed
    this.arenaUsed += bytes
    return offset
  }

  /** Makes the bits that tracking needs. */
  track(): void {
    if (this.dirty !== undefined) return
    this.dirty = new Int32Array(this.live.length)
    this.persisted = new Int32Array(this.live.length)
    this.mode = Mode.Tracked
  }

  /** Gives the memory back; the content may still be read. */
  release(): void {
    this.#release(this.#chargedBytes)
  }

  #grow(): void {
    const capacity = roundedCapacity(Math.min(this.capacity + (this.capacity >>> 1) + 8, entriesMax))
    if (this.count >= entriesMax) {
      throw new MillraceError('MR_STATE_OVER_BUDGET', `more than ${entriesMax} keys with nearly the same hash`)
    }
    const bytes = this.#recordBytes(capacity)
    this.#charge(bytes)
    this.#release(this.#recordBytes(this.capacity))
    const buffer = new ArrayBuffer(recordBufferBytes(this.layout, capacity))
    const i32 = new Int32Array(buffer)
    i32.set(this.i32)
    this.i32 = i32
    this.f64 = new Float64Array(buffer)
    this.i64 = new BigInt64Array(buffer)
    this.capacity = capacity
    const words = bitWords(capacity)
    this.live = grown(this.live, words)
    if (this.dirty !== undefined) this.dirty = grown(this.dirty, words)
    if (this.persisted !== undefined) this.persisted = grown(this.persisted, words)
    if (this.frozen !== undefined) this.frozen = grown(this.frozen, words)
    for (const written of this.written) written.bits = grown(written.bits, words)
  }

  #growArena(bytes: number): void {
    const old = this.arena!
    const used = this.arenaUsed - this.#arenaDead
    const length = Math.max(used + bytes + ((used + bytes) >>> 1), arenaBytesMin)
    this.#charge(length)
    this.#release(old.length)
    const arena = newArena(length)
    if (this.#arenaDead === 0) {
      arena.set(old.subarray(0, this.arenaUsed))
    } else {
      this.arenaUsed = this.#copyLiveKeys(old, arena)
      this.#arenaDead = 0
    }
    this.arena = arena
  }

  #copyLiveKeys(from: Uint8Array, to: Uint8Array): number {
    const stride = this.layout.strideWords
    let used = 0
    for (let entry = 0; entry < this.count; entry++) {
      if (!this.isLive(entry)) continue
      const offset = this.i32[entry * stride + 1]!
      const bytes = keyBytesAt(from, offset)
      for (let i = 0; i < bytes; i++) to[used + i] = from[offset + i]!
      this.i32[entry * stride + 1] = used
      used += bytes
    }
    return used
  }

  #recordBytes(capacity: number): number {
    // Objects are charged by estimate; here their slot in the array.
    const perEntry = this.layout.strideWords * 4 + (this.layout.fields === undefined ? 8 : 0)
    return capacity * perEntry + (capacity >>> 1)
  }

  #charge(bytes: number): void {
    this.#account.charge(bytes)
    this.#chargedBytes += bytes
  }

  #release(bytes: number): void {
    this.#account.release(bytes)
    this.#chargedBytes -= bytes
  }
}

/**
 * Keys in the arena:  ┌ header u32: length << 1 | isWide ┬ bytes ┐ ; wide text has two bytes per unit, length counts
 * units. Returns the bytes that such a key takes, header included.
 */
export function keyBytesAt(arena: Uint8Array, offset: number): number {
  const header = keyHeaderAt(arena, offset)
  return 4 + (header >>> 1) * ((header & 1) + 1)
}

export function keyHeaderAt(arena: Uint8Array, offset: number): number {
  return arena[offset]! | (arena[offset + 1]! << 8) | (arena[offset + 2]! << 16) | (arena[offset + 3]! << 24)
}

function roundedCapacity(entries: number): number {
  return entries < 32 ? Math.max(entries, entriesMin) : Math.ceil(entries / 32) * 32
}

function recordBufferBytes(layout: RecordLayout, capacity: number): number {
  return Math.ceil((capacity * Math.max(layout.strideWords, keyWords)) / 2) * 8
}

function slotCountFor(entries: number): number {
  let count = 8
  while (count * loadMax < entries) count *= 2
  return count
}

function newArena(bytes: number): NativeBuffer {
  return Buffer.allocUnsafeSlow(bytes) as NativeBuffer
}

function copyBit(to: Int32Array, entry: number, from: Int32Array, source: number): void {
  if ((from[source >>> 5]! & (1 << (source & 31))) !== 0) to[entry >>> 5]! |= 1 << (entry & 31)
}

function bitWords(entries: number): number {
  return (entries + 31) >>> 5
}

function grown(bits: Int32Array, words: number): Int32Array {
  const copy = new Int32Array(words)
  copy.set(bits)
  return copy
}
