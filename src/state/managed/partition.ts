/**
 * A part of a managed table that is small enough to be grown and split within a few milliseconds: records in one buffer,
 * by open addressing with linear probing. Homes keep the order of the scrambled hashes, so that growing and splitting
 * walk both buffers from front to back; there is no wrap-around but a tail.
 *
 *   places  0 … capacity - 1: homes │ capacity … places - 2: tail │ places - 1: always empty, ends every probe
 *   home    x = hash * multiplier;  (x >>> shiftA) + ((x >>> shiftB) & maskB)   (generated code knows this, too)
 *
 * Keys often arrive in the order of another table: a restore reads a snapshot, a window's results go to the next keyed
 * operator. In the order of this table's homes they would pile up in front while it is small. So tables have different
 * multipliers, and one in which a probe gets long all the same takes another.
 *
 * Invariants
 * 1. A place is empty if and only if both words of its key are zero. An entry is a place in use; entries move when
 *    another is removed, and when the partition grows or is split.
 * 2. What a snapshot has to know of entries moves with them (tracking.ts).
 * 3. A frozen entry is handed to the snapshot before it changes or moves within the partition.
 * 4. What the partition allocates is charged before.
 */
import { codeOf, MillraceError } from '../../common/errors.ts'
import { mix32 } from '../../data/key-groups.ts'
import { nextMultiplier, takeMultiplier } from './multipliers.ts'
import type { NativeBuffer } from '../../memory/memory-views.ts'
import type { StateAccount } from '../state-budget.ts'
import { copyBit, copyWords, moveBit } from './bits.ts'
import { copyInt32s, copyMovedBits, copyMovedObjects, newPlaces } from './copy-int32s.ts'
import { keyArenaBytes } from './key-words.ts'
import { capacityFor, filled, loadMax, newArena, nextCapacity, none, recordBytes } from './partition-size.ts'
import { giveRecordBuffer, takeRecordBuffer } from './record-buffers.ts'
import type { RecordLayout } from './record-layout.ts'
import { blockShift } from './stamps.ts'
import { Mode, Tracking } from './tracking.ts'

/** A key that has to go this far past its home is no accident. */
export const probePlacesMax = 256
/** Hashes that are nearly equal cannot be told apart by more homes. */
const capacityMax = 1 << 22
const tailMin = 4
const tailPlaces = 64
const arenaBytesMin = 256
/** Smaller ones stay as large as they once were. */
const shrunkCapacityMin = 8192
/** The partition, its table and their arrays as objects on the heap (measured: 860 with a small table's records). */
const objectsBytes = 720

/** The hash of a record's key, by the first word of the record. */
export type HashAt = (partition: Partition, base: number) => number

/** Of tables with keys of class Int32. */
export const int32HashAt: HashAt = (partition, base) => mix32(partition.i32[base]!)

export class Partition extends Tracking {
  /** Number of leading bits of the hash that all keys of this partition share. */
  readonly depth: number
  capacity = 0
  multiplier = 0
  shiftA = 0
  shiftB = 0
  maskB = 0
  f64: Float64Array = none.f64
  i64: BigInt64Array = none.i64
  /** Values that are objects, by entry; undefined where values are in the records. */
  objects: unknown[] | undefined
  /** With fewer entries there is room for one more; 0: few are left, and `shrink` comes before the next one. */
  liveMax = 0
  /** Few are left once there are so many; -1: never few. */
  #fewCount = -1
  /** Counts the times that all entries have moved. */
  generation = 0
  /** Its entries have moved to other partitions. */
  isRetired = false
  /** Bytes of keys; undefined where keys are words. */
  arena: NativeBuffer | undefined
  arenaUsed = 0
  #arenaDead = 0
  /** Number of entries when the multiplier was chosen. */
  #scrambledAt = 0
  #chargedBytes = 0
  readonly #account: StateAccount

  constructor(
    layout: RecordLayout,
    depth: number,
    entries: number,
    arenaBytes: number | undefined,
    account: StateAccount,
    stamp: number,
    multiplier: number = nextMultiplier(),
  ) {
    super(layout, stamp)
    this.depth = depth
    this.multiplier = multiplier
    this.#account = account
    const arena = arenaBytes === undefined ? 0 : Math.max(arenaBytes, arenaBytesMin)
    this.#charge(arena + objectsBytes)
    this.#allocate(capacityFor(entries), tailPlaces)
    this.objects = layout.fields === undefined ? filled(this.places) : undefined
    this.arena = arenaBytes === undefined ? undefined : newArena(arena)
  }

  /** True where the records are to be grown before one more entry is placed. */
  get isFull(): boolean {
    return this.liveCount >= this.liveMax
  }

  /** How many entries there will be room for once it has grown. */
  get nextLiveMax(): number {
    return nextCapacity(this.capacity) * loadMax
  }

  homeOf(hash: number): number {
    const x = Math.imul(hash, this.multiplier)
    return (x >>> this.shiftA) + ((x >>> this.shiftB) & this.maskB)
  }

  isEmptyAt(place: number): boolean {
    const base = place * this.layout.strideWords
    return this.i32[base] === 0 && this.i32[base + 1] === 0
  }

  /** Of an empty one that is about to be filled by keys in the order of this multiplier; 0: in none. */
  orderBy(multiplier: number): void {
    if (multiplier === 0 || multiplier === this.multiplier) return
    this.multiplier = multiplier
    takeMultiplier(multiplier)
  }

  /** An empty place for a key that is absent; -1 where even the tail is full: `grow` then. The caller fills it. */
  findPlace(hash: number): number {
    let place = this.homeOf(hash)
    while (!this.isEmptyAt(place)) place++
    return place === this.places - 1 ? -1 : place
  }

  /** The place is in use from now on; its bits, or its stamp, are as for a new entry. */
  claim(place: number): void {
    this.liveCount++
    if (this.stamp !== 0) this.i32[place * this.layout.strideWords + 1] = this.stamp
    if (this.mode === Mode.Untracked) return
    const word = place >>> 5
    const bit = 1 << (place & 31)
    if (this.stamp !== 0) this.blocks![place >>> blockShift] = this.stamp
    else this.dirty![word]! |= bit
    if (this.frozen !== undefined) this.frozen[word]! &= ~bit
  }

  /**
   * Empties an entry's place and moves entries that had to go past it up. `beforeMove` is told of frozen ones.
   */
  remove(entry: number, hashAt: HashAt, beforeMove: (entry: number) => void): void {
    const stride = this.layout.strideWords
    if (this.arena !== undefined) this.#arenaDead += keyArenaBytes(this, entry * stride)
    let hole = entry
    for (let next = entry + 1; !this.isEmptyAt(next); next++) {
      if (this.homeOf(hashAt(this, next * stride)) > hole) continue
      if (this.isFrozenAt(next)) beforeMove(next)
      this.#move(next, hole)
      hole = next
    }
    this.i32.fill(0, hole * stride, (hole + 1) * stride)
    if (this.objects !== undefined) this.objects[hole] = undefined
    if (--this.liveCount === this.#fewCount) this.liveMax = 0
    if (this.mode === Mode.Untracked) return
    const bit = ~(1 << (hole & 31))
    if (this.frozen !== undefined) this.frozen[hole >>> 5]! &= bit
    if (this.stamp !== 0) return
    this.dirty![hole >>> 5]! &= bit
    this.persisted![hole >>> 5]! &= bit
  }

  /** More homes (or, where there are enough, a longer tail); all entries move. Unchanged where that is over budget. */
  grow(hashAt: HashAt): void {
    if (this.capacity >= capacityMax) {
      throw new MillraceError('MR_STATE_OVER_BUDGET', `${this.liveCount} keys of a state have nearly the same hash`)
    }
    const tail = this.isFull ? tailPlaces : (this.places - this.capacity) * 2
    this.#rebuild(hashAt, this.isFull ? nextCapacity(this.capacity) : this.capacity, tail, this.multiplier)
  }

  /**
   * Fewer homes where few entries are left: what was needed once (a slot that ran ahead, a burst of keys) would go on
   * costing memory, and entries that lie far apart miss the caches. Unchanged where the budget has no room for both.
   */
  shrink(hashAt: HashAt): void {
    this.#limitEntries()
    try {
      this.#rebuild(hashAt, capacityFor(2 * this.liveCount), tailPlaces, this.multiplier)
      if (this.#arenaDead > 0) this.#growArena(0)
    } catch (error) {
      if (codeOf(error) !== 'MR_STATE_OVER_BUDGET') throw error
    }
  }

  /** Takes another multiplier where a key's place is too far from its home; false where it stays as it is. */
  scramble(place: number, hash: number, hashAt: HashAt): boolean {
    if (place - this.homeOf(hash) < probePlacesMax || this.liveCount < 2 * this.#scrambledAt) return false
    this.#scrambledAt = this.liveCount
    try {
      this.#rebuild(hashAt, this.capacity, tailPlaces, nextMultiplier())
      return true
    } catch (error) {
      if (codeOf(error) === 'MR_STATE_OVER_BUDGET') return false
      throw error
    }
  }

  #rebuild(hashAt: HashAt, capacity: number, tailFirst: number, multiplier: number): void {
    const old = this.#shell()
    this.multiplier = multiplier
    let tail = tailFirst
    try {
      while (!this.#takeAll(old, capacity, tail, hashAt)) tail *= 2
    } catch (error) {
      Object.assign(this, old)
      this.#limitEntries()
      throw error
    }
    this.#release(recordBytes(this.layout, old.places))
    old.recycle()
    this.generation++
  }

  /** Copies an entry of another partition, tracking included; false where the tail is full. */
  copyFrom(from: Partition, source: number, hash: number): boolean {
    const place = this.findPlace(hash)
    if (place < 0) return false
    const stride = this.layout.strideWords
    copyWords(from.i32, source * stride, this.i32, place * stride, stride)
    if (from.arena !== undefined && from.arena !== this.arena) this.#copyKey(from, source * stride, place * stride)
    if (this.objects !== undefined) this.objects[place] = from.objects![source]
    this.liveCount++
    if (from.frozen !== undefined) copyBit(from.frozen, source, this.frozen!, place)
    if (from.dirty === undefined) return true
    copyBit(from.dirty, source, this.dirty!, place)
    copyBit(from.persisted!, source, this.persisted!, place)
    for (let i = 0; i < from.written.length; i++) copyBit(from.written[i]!.bits, source, this.written[i]!.bits, place)
    return true
  }

  /** Copies the entries of a partition of int32 keys, tracking included, see `copyInt32s`; false where the tail is full. */
  takeInt32s(from: Partition, mask: number, bits: number): boolean {
    const moved = from.frozen === undefined && from.objects === undefined ? undefined : newPlaces(from)
    const count = copyInt32s(from, this, mask, bits, moved)
    if (count < 0) return false
    this.liveCount = count
    if (moved === undefined) return true
    if (from.objects !== undefined) copyMovedObjects(from.objects, this.objects!, moved)
    if (from.frozen !== undefined) copyMovedBits(from.frozen, this.frozen!, moved)
    return true
  }

  /** Forgets all entries; of one that is being filled from another. */
  emptyFor(from: Partition): void {
    this.i32.fill(0)
    this.objects?.fill(undefined)
    this.liveCount = 0
    this.trackLike(from)
  }

  /** Room for `bytes` of a key; returns their offset. The caller writes them. */
  reserveKey(bytes: number): number {
    if (this.arenaUsed + bytes > this.arena!.length) this.#growArena(bytes)
    const offset = this.arenaUsed
    this.arenaUsed += bytes
    return offset
  }

  /** Gives the memory back; only a snapshot under way may still read the content. */
  release(): void {
    this.#release(this.#chargedBytes)
    this.recycle()
  }

  /** The records are no longer in use, unless a snapshot still has to write some. */
  recycle(): void {
    if (this.mode === Mode.Frozen) return
    giveRecordBuffer(this.i32.buffer as ArrayBuffer)
    this.i32 = none.i32
    this.f64 = none.f64
    this.i64 = none.i64
    this.places = 0
  }

  #allocate(capacity: number, tail: number): void {
    const places = capacity + Math.min(tail, Math.max(tailMin, capacity))
    const bytes = recordBytes(this.layout, places)
    this.#charge(bytes)
    const buffer = takeRecordBuffer(Math.ceil((places * this.layout.strideWords) / 2) * 8)
    this.i32 = new Int32Array(buffer)
    this.f64 = new Float64Array(buffer)
    this.i64 = new BigInt64Array(buffer)
    this.capacity = capacity
    this.#limitEntries()
    this.places = places
    this.#setHomes(capacity)
  }

  #limitEntries(): void {
    this.liveMax = Math.ceil(this.capacity * loadMax)
    this.#fewCount = this.capacity < shrunkCapacityMin ? -1 : this.liveMax >>> 2
  }

  /** Capacities are 2^k, or 2^k + 2^(k-1): two shifts, the second one switched off by the mask. */
  #setHomes(capacity: number): void {
    const log = 31 - Math.clz32(capacity)
    this.shiftA = 32 - log
    this.shiftB = Math.min(33 - log, 31)
    this.maskB = capacity === 1 << log ? 0 : -1
  }

  /** The content as it is, to be read (or taken back) after this partition got other arrays. */
  #shell(): Partition {
    return Object.assign(Object.create(Partition.prototype) as Partition, this)
  }

  /** Gets new arrays and fills them; false where the tail turned out too short. */
  #takeAll(old: Partition, capacity: number, tail: number, hashAt: HashAt): boolean {
    this.#allocate(capacity, tail)
    this.objects = old.objects === undefined ? undefined : filled(this.places)
    this.liveCount = 0
    this.trackLike(old)
    if (hashAt === int32HashAt) {
      if (this.takeInt32s(old, 0, 0)) return true
      this.#release(recordBytes(this.layout, this.places))
      return false
    }
    const stride = this.layout.strideWords
    const { i32, places } = old
    for (let place = 0, base = 0; place < places; place++, base += stride) {
      if (i32[base] === 0 && i32[base + 1] === 0) continue
      if (this.copyFrom(old, place, hashAt(old, base))) continue
      this.#release(recordBytes(this.layout, this.places))
      return false
    }
    return true
  }

  #move(from: number, to: number): void {
    const stride = this.layout.strideWords
    copyWords(this.i32, from * stride, this.i32, to * stride, stride)
    if (this.objects !== undefined) this.objects[to] = this.objects[from]
    if (this.mode === Mode.Untracked) return
    if (this.frozen !== undefined) this.frozen[to >>> 5]! &= ~(1 << (to & 31))
    if (this.stamp !== 0) {
      const blocks = this.blocks!
      const stamp = blocks[from >>> blockShift]!
      if (stamp > blocks[to >>> blockShift]!) blocks[to >>> blockShift] = stamp
      return
    }
    moveBit(this.dirty!, from, to)
    moveBit(this.persisted!, from, to)
    for (const { bits } of this.written) moveBit(bits, from, to)
  }

  #copyKey(from: Partition, source: number, to: number): void {
    const start = from.i32[source + 1]! - 1
    const bytes = keyArenaBytes(from, source)
    const offset = this.reserveKey(bytes)
    from.arena!.copy(this.arena!, offset, start, start + bytes)
    this.i32[to + 1] = offset + 1
  }

  /** Room for so many bytes more of keys; what removed ones have left is gone. */
  #growArena(bytes: number): void {
    const old = this.arena!
    const used = this.arenaUsed - this.#arenaDead
    const length = Math.max(used + bytes + ((used + bytes) >>> 1), arenaBytesMin)
    this.#charge(length)
    const arena = newArena(length)
    if (this.#arenaDead === 0) old.copy(arena, 0, 0, this.arenaUsed)
    else this.arenaUsed = this.#copyKeysTo(arena)
    this.#arenaDead = 0
    this.arena = arena
    this.#release(old.length)
  }

  #copyKeysTo(arena: NativeBuffer): number {
    const stride = this.layout.strideWords
    let used = 0
    for (let place = 0; place < this.places; place++) {
      const base = place * stride
      if (this.isEmptyAt(place) || this.i32[base + 1] === 0) continue
      const start = this.i32[base + 1]! - 1
      const bytes = keyArenaBytes(this, base)
      this.arena!.copy(arena, used, start, start + bytes)
      this.i32[base + 1] = used + 1
      used += bytes
    }
    return used
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
