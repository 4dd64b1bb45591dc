/**
 * One table of entries in memory: the memtable and the cache of the backends on disk. Keys are found through an open
 * addressing index (numbers) or as bytes (everything else); entries stand densely in the order of their arrival, so
 * that a walk by entry number sees additions and survives growth.
 *
 * Hot: `find` runs for every record.
 * Invariants
 * 1. An entry's number never changes, except by `compact`.
 * 2. A deleted entry stays, as the knowledge that the key is absent here and in everything beneath.
 * 3. `bytes` counts what is allocated, objects by estimate.
 */
import type { ByteWriter } from '../../data/bytes.ts'
import { hashKey } from '../../data/key-groups.ts'
import { detached, estimatedBytes } from '../detached-value.ts'
import { KeyClass } from '../key-class.ts'
import { ByteKeys } from './byte-keys.ts'
import type { ValueLayout } from './value-layout.ts'

/** Bits of an entry's state. */
const live = 1
const hasByteKey = 2
/** A table above has taken the key over, and will be merged onto this one. A hint: unset where nobody has told. */
const superseded = 4

const entriesMin = 8
const indexSlotsMin = 16
/** Entries that are being touched. Not reentrant. */
let touched = new Int32Array(256)
/** Slots of the index per entry at the least: what collides costs a look at another row. */
const indexSlack = 2

export class FrontTable {
  /** Entries, deleted ones included. */
  count = 0
  deletedCount = 0
  bytes = 0
  /**
   * A row per entry, so that a look-up and its value meet the same cache line: the numeric key, or the offset into the
   * byte keys where the entry has one; then the value's words. `i64` is another view of it.
   */
  f64: Float64Array
  i64: BigInt64Array
  readonly #stride: number
  #capacity: number
  keyGroups: Uint16Array
  states: Uint8Array
  readonly layout: ValueLayout
  objects: unknown[]
  #index: Int32Array
  #mask: number
  #numberCount = 0
  #byteKeys: ByteKeys | undefined
  #byteKeyBytes = 0
  #objectBytes = 0
  #supersededCount = 0
  /** What touching has read: kept so that nobody can leave the reading out. */
  touched = 0

  constructor(layout: ValueLayout, expectedEntries = 0) {
    const capacity = powerOfTwo(Math.max(expectedEntries, entriesMin))
    this.layout = layout
    this.#stride = 1 + layout.width
    this.#capacity = capacity
    this.f64 = new Float64Array(capacity * this.#stride)
    this.keyGroups = new Uint16Array(capacity)
    this.states = new Uint8Array(capacity)
    this.i64 = new BigInt64Array(this.f64.buffer)
    this.objects = []
    this.#index = new Int32Array(expectedEntries > entriesMin ? powerOfTwo(capacity * indexSlack) : indexSlotsMin)
    this.#mask = this.#index.length - 1
    this.#countBytes()
  }

  get liveCount(): number {
    return this.count - this.deletedCount
  }

  /** The entry of a key, live or deleted; -1 where nothing is known of it here. */
  find(key: unknown): number {
    if (typeof key !== 'number' || key !== key) {
      return this.#byteKeys === undefined ? -1 : this.#byteKeys.find(key, this.f64, this.#stride)
    }
    const index = this.#index
    const mask = this.#mask
    const f64 = this.f64
    const stride = this.#stride
    for (let slot = slotOf(key) & mask; ; slot = (slot + 1) & mask) {
      const entry = index[slot]! - 1
      if (entry < 0 || f64[entry * stride] === key) return entry
    }
  }

  /**
   * Reads what `find` and a look at the value of each key will read, all at once, so that the memory's answers overlap.
   * Numbers only. Those that are not here are put into `missing`; answers how many.
   */
  touch(keys: ArrayLike<unknown>, count: number, missing: unknown[]): number {
    const index = this.#index
    const mask = this.#mask
    const entries = touched.length < count ? (touched = new Int32Array(count * 2)) : touched
    for (let i = 0; i < count; i++) {
      const key = keys[i]
      entries[i] = typeof key === 'number' ? index[slotOf(key) & mask]! : -1
    }
    const f64 = this.f64
    const stride = this.#stride
    let missed = 0
    let seen = 0
    for (let i = 0; i < count; i++) {
      const entry = entries[i]! - 1
      if (entry >= 0) seen += f64[entry * stride]!
      else if (entry === -1) missing[missed++] = keys[i]
    }
    this.touched = seen
    return missed
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
    const key = this.f64[entry * this.#stride]!
    return (this.states[entry]! & hasByteKey) === 0 ? key : this.#byteKeys!.keyAt(key)
  }

  /** Appends key class and key, as they end a key on disk. */
  writeKey(entry: number, out: ByteWriter): void {
    const key = this.f64[entry * this.#stride]!
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
    const key = this.f64[entry * this.#stride]!
    return (key | 0) === key && (this.states[entry]! & hasByteKey) === 0
  }

  get stride(): number {
    return this.#stride
  }

  valueOf(entry: number): unknown {
    const { width } = this.layout
    return width === 0 ? this.objects[entry] : this.layout.read(this.f64, this.i64, entry * this.#stride + 1)
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
    if (this.layout.width === 0) this.objects[entry] = undefined
    return entry
  }

  /** Replaces the value of an entry, which is live afterwards. */
  replace(entry: number, value: unknown): void {
    if (!this.isLive(entry)) {
      this.states[entry]! |= live
      this.deletedCount--
      return this.#write(entry, value)
    }
    if (this.layout.width === 0) this.objects[entry] = value
    else this.layout.write(this.f64, this.i64, entry * this.#stride + 1, value)
  }

  /** Turns a live entry into a deleted one. */
  delete(entry: number): void {
    this.states[entry]! &= ~live
    this.deletedCount++
    if (this.layout.width > 0) return
    this.#charge(-estimatedBytes(this.objects[entry]))
    this.objects[entry] = undefined
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

  /** Forgets deleted entries. For tables with nothing beneath. */
  compact(): void {
    const kept = new FrontTable(this.layout, this.liveCount)
    for (let entry = 0; entry < this.count; entry++) if (this.isLive(entry)) kept.take(this, entry)
    this.count = kept.count
    this.deletedCount = 0
    this.#capacity = kept.#capacity
    this.keyGroups = kept.keyGroups
    this.states = kept.states
    this.f64 = kept.f64
    this.i64 = kept.i64
    this.objects = kept.objects
    this.#index = kept.#index
    this.#mask = kept.#mask
    this.#numberCount = kept.#numberCount
    this.#byteKeys = kept.#byteKeys
    this.#byteKeyBytes = kept.#byteKeyBytes
    this.#objectBytes = kept.#objectBytes
    this.bytes = kept.bytes
  }

  #append(key: unknown, keyGroup: number, state: number): number {
    if (this.count === this.#capacity) this.#grow()
    const entry = this.count++
    this.keyGroups[entry] = keyGroup
    if (typeof key === 'number' && key === key) {
      this.states[entry] = state
      this.f64[entry * this.#stride] = key + 0
      if (++this.#numberCount * 2 > this.#index.length) this.#growIndex()
      else this.#place(entry, key)
    } else {
      this.states[entry] = state | hasByteKey
      this.#byteKeys ??= new ByteKeys()
      this.f64[entry * this.#stride] = this.#byteKeys.add(key, entry)
      const grown = this.#byteKeys.bytes - this.#byteKeyBytes
      this.#byteKeyBytes += grown
      this.bytes += grown
    }
    return entry
  }

  #write(entry: number, value: unknown): void {
    const { width } = this.layout
    if (width > 0) return this.layout.write(this.f64, this.i64, entry * this.#stride + 1, value)
    this.objects[entry] = value
    this.#charge(estimatedBytes(value))
  }

  #place(entry: number, key: number): void {
    const mask = this.#mask
    let slot = slotOf(key) & mask
    while (this.#index[slot] !== 0) slot = (slot + 1) & mask
    this.#index[slot] = entry + 1
  }

  #grow(): void {
    const capacity = this.#capacity * 2
    this.#capacity = capacity
    this.f64 = grown(this.f64, new Float64Array(capacity * this.#stride))
    this.i64 = new BigInt64Array(this.f64.buffer)
    this.keyGroups = grown(this.keyGroups, new Uint16Array(capacity))
    this.states = grown(this.states, new Uint8Array(capacity))
    this.#countBytes()
  }

  #growIndex(): void {
    this.bytes += this.#index.byteLength
    this.#index = new Int32Array(this.#index.length * 2)
    this.#mask = this.#index.length - 1
    for (let entry = 0; entry < this.count; entry++) {
      if ((this.states[entry]! & hasByteKey) === 0) this.#place(entry, this.f64[entry * this.#stride]!)
    }
  }

  #countBytes(): void {
    const columns = this.f64.byteLength + this.keyGroups.byteLength + this.states.byteLength
    const objects = this.layout.width > 0 ? 0 : this.#capacity * 8
    this.bytes = columns + objects + this.#index.byteLength + this.#byteKeyBytes + this.#objectBytes
  }

  #charge(bytes: number): void {
    this.#objectBytes += bytes
    this.bytes += bytes
  }
}

function slotOf(key: number): number {
  const int = key | 0
  if (int !== key) return hashKey(key)
  const h = Math.imul(int ^ (int >>> 16), 0x85ebca6b)
  return Math.imul(h ^ (h >>> 13), 0xc2b2ae35) ^ (h >>> 15)
}

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(atLeast))
}

function grown<T extends Float64Array | Uint16Array | Uint8Array>(old: T, fresh: T): T {
  fresh.set(old as never)
  return fresh
}
