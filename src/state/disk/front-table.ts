/**
 * One table of entries in memory: the memtable and the cache of the backends on disk. Keys are found through an open
 * addressing index (numbers) or as bytes (everything else); entries stand densely in the order of their arrival, so
 * that a walk by entry number sees additions and survives growth.
 *
 * Hot: `find` runs for every record.
 * Invariants
 * 1. An entry's number never changes, except by `compact`, which tells the walks that are under way.
 * 2. A deleted entry stays, as the knowledge that the key is absent here and in everything beneath.
 * 3. `bytes` counts what is allocated, objects by estimate.
 * 4. What a part that has frozen the table in place has yet to encode is encoded before it changes (`preserve`).
 */
import type { ByteWriter } from '../../data/bytes.ts'
import { detached, estimatedBytes } from '../detached-value.ts'
import { KeyClass } from '../key-class.ts'
import { ByteKeys } from './byte-keys.ts'
import { freeMemory } from './free-memory.ts'
import { FrontIndex, hasByteKey, indexSlack, live, movedPerAddition, powerOfTwo, superseded } from './front-index.ts'
import type { FrozenPart } from './generation.ts'
import type { ValueLayout } from './value-layout.ts'

const entriesMin = 8
const indexSlotsMin = 16
const sparseEntriesMin = 64
/**
 * A larger table's rows are made for as many entries as its memory could hold, once, and not copied again: memory that
 * nobody has used is none. It is counted as it comes into use, for so many entries at a time.
 */
const wholeEntriesMax = 128 * 1024
const countedEntriesStep = 8192
/** That many times at once: what is made, though unused, the collector sees. */
const growthMax = 16
/** A walk by entry number. */
export interface EntryWalk {
  /** The next entry, and the first that the walk does not see. */
  next: number
  count: number
}

export class FrontTable extends FrontIndex {
  bytes = 0
  /** Of all that were ever added. */
  hasInt32KeysOnly = true
  keyGroups: Uint16Array
  readonly layout: ValueLayout
  objects: unknown[]
  /** Entries that have, or may use, memory that is counted. */
  #countedEntries: number
  /** No more fit into the memory given. */
  readonly #entriesMax: number
  #byteKeys: ByteKeys | undefined
  #byteKeyBytes = 0
  #objectBytes = 0
  #supersededCount = 0
  /** Entries below this number were there when the table was last frozen; what comes after is fresh. */
  #frozenCount = 0
  #freshDeletedCount = 0
  /** A bit per entry: changed since the table was last frozen. Undefined: it never was, all of it is new. */
  #changes: Int32Array | undefined
  /** Parts that write entries of this table, as they were when frozen. */
  readonly readers: FrozenPart[] = []
  readonly walks: Set<EntryWalk> = new Set()
  /** It is being merged: `release` does nothing. */
  isHeld = false

  /** `memoryBytes`: what all tables together may take, as far as is known. */
  constructor(layout: ValueLayout, expectedEntries = 0, memoryBytes = 0) {
    const capacity = powerOfTwo(Math.max(expectedEntries, entriesMin))
    const slots = expectedEntries > entriesMin ? powerOfTwo(capacity * indexSlack) : indexSlotsMin
    super(capacity, 1 + layout.width, slots)
    this.layout = layout
    this.keyGroups = new Uint16Array(capacity)
    this.objects = []
    this.#countedEntries = capacity <= wholeEntriesMax ? capacity : 0
    this.#entriesMax = Math.floor(memoryBytes / this.#rowBytes / 8) * 8
    this.countBytes()
  }

  get liveCount(): number {
    return this.count - this.deletedCount
  }

  /** What so many more entries take, while the table grows for them: for a moment some of it stands twice. */
  growthBytes(entries: number): number {
    const count = this.count + entries
    let bytes = this.indexGrowthBytes(entries)
    if (count <= this.#countedEntries) return bytes
    let capacity = this.capacity
    while (capacity < count) capacity = this.#grownCapacity(capacity)
    bytes += (countedOf(count, capacity) - this.#countedEntries) * this.#rowBytes
    const isCopied = capacity > this.capacity && this.capacity > wholeEntriesMax
    return isCopied ? bytes + this.count * this.#rowBytes : bytes
  }

  /** The same for the entries of another table. */
  bytesToTake(from: FrontTable): number {
    return this.growthBytes(from.freshCount) + from.#byteKeyBytes + from.#objectBytes
  }

  /** The table is done with: gives its memory back, unless somebody still reads it. It knows no key afterwards. */
  release(): void {
    if (this.isHeld || this.walks.size > 0 || this.readers.length > 0) return
    this.#freeColumns()
    this.#byteKeys?.release()
    const empty = new FrontTable(this.layout)
    this.#become(empty)
    this.#supersededCount = 0
    this.#changes = undefined
  }

  /** Most of it is deleted entries. */
  get isSparse(): boolean {
    return this.deletedCount > sparseEntriesMin && this.deletedCount > this.count >>> 1
  }

  /** Most of it is entries that came and were deleted since the table was last frozen. */
  get isFreshSparse(): boolean {
    return this.#freshDeletedCount > sparseEntriesMin && this.#freshDeletedCount > this.count >>> 1
  }

  /** The entry of a key, live or deleted; -1 where nothing is known of it here. */
  find(key: unknown): number {
    if (typeof key !== 'number' || key !== key) {
      return this.#byteKeys === undefined ? -1 : this.#byteKeys.find(key, this.f64, this.stride)
    }
    return this.findNumber(key)
  }

  /** A table above has taken the entry's key over. */
  supersede(entry: number): void {
    if ((this.states[entry]! & superseded) !== 0) return
    this.states[entry]! |= superseded
    this.#supersededCount++
  }

  /** Entries that no table above has taken over, as far as is known. */
  get freshCount(): number {
    return this.count - this.#supersededCount
  }

  isSuperseded(entry: number): boolean {
    return (this.states[entry]! & superseded) !== 0
  }

  isLive(entry: number): boolean {
    // Mostly there is nothing deleted, and a look at the states would be one more miss of the processor's cache.
    return this.deletedCount === 0 || (this.states[entry]! & live) !== 0
  }

  keyOf(entry: number): unknown {
    const key = this.f64[entry * this.stride]!
    return (this.states[entry]! & hasByteKey) === 0 ? key : this.#byteKeys!.keyAt(key)
  }

  /** Appends key class and key, as they end a key on disk. */
  writeKey(entry: number, out: ByteWriter): void {
    const key = this.f64[entry * this.stride]!
    if ((this.states[entry]! & hasByteKey) !== 0) return this.#byteKeys!.writeTo(key, out)
    if ((key | 0) === key) {
      out.u8(KeyClass.Int32)
      out.i32(key)
    } else {
      out.u8(KeyClass.Float64)
      out.f64(key)
    }
  }

  /** Whether the entry's key is an int32; it is `f64[entry * stride]` then. */
  hasInt32Key(entry: number): boolean {
    const key = this.f64[entry * this.stride]!
    return (key | 0) === key && (this.states[entry]! & hasByteKey) === 0
  }

  override valueOf(entry: number): unknown {
    const { width } = this.layout
    return width === 0 ? this.objects[entry] : this.layout.read(this.f64, this.i64, entry * this.stride + 1)
  }

  /** Adds a key that `find` does not find. Returns the entry. */
  add(key: unknown, keyGroup: number, value: unknown): number {
    const entry = this.#append(key, keyGroup, live)
    this.#write(entry, this.layout.width === 0 ? detached(value) : value)
    return entry
  }

  addDeleted(key: unknown, keyGroup: number): number {
    const entry = this.#append(key, keyGroup, 0)
    this.deletedCount++
    this.#freshDeletedCount++
    if (this.layout.width === 0) this.objects[entry] = undefined
    return entry
  }

  /** Replaces the value of an entry, which is live afterwards. False: it was not before. */
  replace(entry: number, value: unknown): boolean {
    if (this.#changes !== undefined) this.mark(entry)
    return this.rewrite(entry, value)
  }

  /** The same where values are numbers. */
  replaceNumber(entry: number, value: number): boolean {
    if (this.#changes !== undefined) this.mark(entry)
    if (!this.isLive(entry)) return this.rewrite(entry, value)
    this.f64[entry * 2 + 1] = value
    return true
  }

  /** The same for what is on its way to disk like this already. */
  rewrite(entry: number, value: unknown): boolean {
    if (!this.isLive(entry)) {
      this.states[entry]! |= live
      this.deletedCount--
      if (entry >= this.#frozenCount) this.#freshDeletedCount--
      this.#write(entry, value)
      return false
    }
    if (this.layout.width === 0) this.objects[entry] = value
    else this.layout.write(this.f64, this.i64, entry * this.stride + 1, value)
    return true
  }

  /** Turns a live entry into a deleted one. False: it was deleted. */
  delete(entry: number): boolean {
    if (this.#changes !== undefined) this.mark(entry)
    if (!this.isLive(entry)) return false
    this.erase(entry)
    return true
  }

  /** The same for a live entry that is on its way to disk as deleted. */
  erase(entry: number): void {
    this.states[entry]! &= ~live
    this.deletedCount++
    if (entry >= this.#frozenCount) this.#freshDeletedCount++
    if (this.layout.width > 0) return
    this.#charge(-estimatedBytes(this.objects[entry]))
    this.objects[entry] = undefined
  }

  /** An entry is about to change, or has changed after it was preserved. */
  mark(entry: number): void {
    const changes = this.#changes
    if (changes === undefined) return
    const bits = changes[entry >>> 5]!
    const bit = 1 << (entry & 31)
    // What has changed since the last freeze was preserved then.
    if ((bits & bit) !== 0) return
    if (this.readers.length > 0) this.preserve(entry)
    changes[entry >>> 5] = bits | bit
  }

  /** To be called before an entry changes, or its object is handed out and may. */
  preserve(entry: number): void {
    for (let i = 0; i < this.readers.length; i++) this.readers[i]!.encodeEarly(entry)
  }

  /** To be called before the value of an entry is handed out. */
  expose(entry: number): void {
    if (this.layout.width === 0 && this.readers.length > 0) this.preserve(entry)
  }

  hasChanges(): boolean {
    const changes = this.#changes
    if (changes === undefined) return this.count > 0
    const words = wordsOf(this.count)
    for (let word = 0; word < words; word++) if (changes[word] !== 0) return true
    return false
  }

  /** A bit for each entry that has changed since the last freeze. `goOn`: the table goes on, from now on with no changes. */
  takeChanges(goOn: boolean): Int32Array {
    const taken = this.#changes ?? allBits(this.count)
    this.#changes = goOn ? new Int32Array(wordsOf(this.capacity)) : undefined
    this.#frozenCount = this.count
    this.#freshDeletedCount = 0
    this.countBytes()
    return taken
  }

  /** An object grew in place. */
  grewBy(bytes: number): void {
    this.#charge(bytes)
  }

  /** Takes an entry of another table over, live or deleted. */
  take(from: FrontTable, entry: number): void {
    const key = from.keyOf(entry)
    const own = this.find(key)
    const isLive = from.isLive(entry)
    if (own >= 0 && this.isSuperseded(own)) {
      this.states[own]! &= ~superseded
      this.#supersededCount--
    }
    if (own < 0) {
      const keyGroup = from.keyGroups[entry]!
      if (isLive) this.add(key, keyGroup, from.valueOf(entry))
      else this.addDeleted(key, keyGroup)
    } else if (isLive) this.replace(own, from.valueOf(entry))
    else if (this.isLive(own)) this.delete(own)
  }

  /**
   * Forgets deleted entries: those that have not changed since the last freeze, and fresh ones where nothing elsewhere can
   * know their keys. Nobody may be reading it. `forget` is told each key.
   */
  compact(forgetsFresh: boolean, forget: (key: unknown) => void = () => {}): void {
    const kept = new FrontTable(this.layout, this.liveCount, this.#entriesMax * this.#rowBytes)
    const changes = this.#changes
    if (changes !== undefined) kept.#changes = new Int32Array(wordsOf(kept.capacity))
    const walks = [...this.walks].map((walk) => ({ walk, next: -1, count: -1 }))
    for (let entry = 0; entry < this.count; entry++) {
      for (const moved of walks) moved.next = moved.walk.next === entry ? kept.count : moved.next
      for (const moved of walks) moved.count = moved.walk.count === entry ? kept.count : moved.count
      const hasChanged = changes !== undefined && (changes[entry >>> 5]! & (1 << (entry & 31))) !== 0
      const isFresh = entry >= this.#frozenCount
      const isLive = this.isLive(entry)
      if (isLive || (hasChanged && !(isFresh && forgetsFresh))) {
        kept.#copy(this, entry, hasChanged)
        if (!isLive && isFresh) kept.#freshDeletedCount++
      } else forget(this.keyOf(entry))
      if (!isFresh) kept.#frozenCount = kept.count
    }
    for (const { walk, next, count } of walks) {
      walk.next = next < 0 ? kept.count : next
      walk.count = count < 0 ? kept.count : count
    }
    this.#freeColumns()
    this.#become(kept)
  }

  #freeColumns(): void {
    for (const array of [this.f64, this.keyGroups, this.states, this.index]) freeMemory(array)
    if (this.oldIndex !== undefined) freeMemory(this.oldIndex)
  }

  #become(kept: FrontTable): void {
    this.count = kept.count
    this.deletedCount = kept.deletedCount
    this.hasInt32KeysOnly = kept.hasInt32KeysOnly
    this.#changes = kept.#changes
    this.#frozenCount = kept.#frozenCount
    this.#freshDeletedCount = kept.#freshDeletedCount
    this.capacity = kept.capacity
    this.keyGroups = kept.keyGroups
    this.states = kept.states
    this.f64 = kept.f64
    this.i64 = kept.i64
    this.objects = kept.objects
    this.index = kept.index
    this.mask = kept.mask
    this.tagMask = kept.tagMask
    this.oldIndex = kept.oldIndex
    this.oldTagMask = kept.oldTagMask
    this.moved = kept.moved
    this.#countedEntries = kept.#countedEntries
    this.numberCount = kept.numberCount
    this.#byteKeys = kept.#byteKeys
    this.#byteKeyBytes = kept.#byteKeyBytes
    this.#objectBytes = kept.#objectBytes
    this.bytes = kept.bytes
  }

  #append(key: unknown, keyGroup: number, state: number): number {
    if (this.count >= this.#countedEntries) this.#makeRoom()
    const entry = this.count++
    if (this.#changes !== undefined) this.#changes[entry >>> 5]! |= 1 << (entry & 31)
    this.keyGroups[entry] = keyGroup
    if (typeof key === 'number' && key === key) {
      if ((key | 0) !== key) this.hasInt32KeysOnly = false
      this.states[entry] = state
      this.f64[entry * this.stride] = key + 0
      if (++this.numberCount * 2 > this.index.length) this.growIndex(entry)
      else this.place(entry, key)
      if (this.oldIndex !== undefined) this.move(movedPerAddition)
    } else {
      this.hasInt32KeysOnly = false
      this.states[entry] = state | hasByteKey
      this.#byteKeys ??= new ByteKeys()
      this.f64[entry * this.stride] = this.#byteKeys.add(key, entry)
      const grown = this.#byteKeys.bytes - this.#byteKeyBytes
      this.#byteKeyBytes += grown
      this.bytes += grown
    }
    return entry
  }

  #copy(from: FrontTable, entry: number, hasChanged: boolean): void {
    const state = from.states[entry]! & live
    const at = this.#append(from.keyOf(entry), from.keyGroups[entry]!, state)
    if (!hasChanged && this.#changes !== undefined) this.#changes[at >>> 5]! &= ~(1 << (at & 31))
    if (state === 0) this.deletedCount++
    const { width } = this.layout
    if (width === 0) {
      this.objects[at] = from.objects[entry]
      if (state !== 0) this.#charge(estimatedBytes(this.objects[at]))
    }
    for (let i = 1; i <= width; i++) this.i64[at * this.stride + i] = from.i64[entry * this.stride + i]!
  }

  #write(entry: number, value: unknown): void {
    const { width } = this.layout
    if (width > 0) return this.layout.write(this.f64, this.i64, entry * this.stride + 1, value)
    this.objects[entry] = value
    this.#charge(estimatedBytes(value))
  }

  #makeRoom(): void {
    if (this.count === this.capacity) this.#grow()
    this.#countedEntries = countedOf(this.count, this.capacity)
    this.countBytes()
  }

  #grow(): void {
    const capacity = this.#grownCapacity(this.capacity)
    // Another thread may be packing the rows.
    const freesOld = this.readers.length === 0
    this.capacity = capacity
    this.f64 = grown(this.f64, new Float64Array(capacity * this.stride), freesOld)
    this.i64 = new BigInt64Array(this.f64.buffer)
    this.keyGroups = grown(this.keyGroups, new Uint16Array(capacity), freesOld)
    this.states = grown(this.states, new Uint8Array(capacity), freesOld)
    if (this.#changes !== undefined) this.#changes = grown(this.#changes, new Int32Array(wordsOf(capacity)), true)
    // There may be far more entries than the index has bits for.
    if (capacity > ~this.tagMask) this.fillIndex(this.index.length)
  }

  /** A multiple of eight. */
  #grownCapacity(capacity: number): number {
    if (capacity < wholeEntriesMax) return capacity * 2
    return Math.max(capacity + (capacity >>> 5) * 8, Math.min(capacity * growthMax, this.#entriesMax))
  }

  /** Of an entry, without its value where that is an object. */
  get #rowBytes(): number {
    return this.stride * 8 + (this.layout.width === 0 ? 8 : 0) + 3
  }

  protected override countBytes(): void {
    const changes = this.#changes?.byteLength ?? 0
    const index = this.index.byteLength + (this.oldIndex?.byteLength ?? 0)
    const rows = this.#countedEntries * this.#rowBytes
    this.bytes = rows + changes + index + this.#byteKeyBytes + this.#objectBytes
  }

  #charge(bytes: number): void {
    this.#objectBytes += bytes
    this.bytes += bytes
  }
}

function wordsOf(entries: number): number {
  return (entries + 31) >>> 5
}

function allBits(entries: number): Int32Array {
  const bits = new Int32Array(wordsOf(entries)).fill(-1)
  if ((entries & 31) !== 0) bits[entries >>> 5] = (1 << (entries & 31)) - 1
  return bits
}

/** Entries whose memory is counted in a table of `count`, and one more. */
function countedOf(count: number, capacity: number): number {
  return capacity <= wholeEntriesMax ? capacity : Math.min(capacity, count + countedEntriesStep)
}

function grown<T extends Float64Array | Int32Array | Uint16Array | Uint8Array>(old: T, fresh: T, freesOld: boolean): T {
  fresh.set(old as never)
  if (freesOld) freeMemory(old)
  return fresh
}
