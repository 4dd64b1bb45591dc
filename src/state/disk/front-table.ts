/**
 * One table of entries in memory: the memtable and the cache of the backends on disk. Keys are found through an open
 * addressing index (numbers) or Maps (everything else); entries stand densely in the order of their arrival, so that a
 * walk by entry number sees additions and survives growth. Values are one off-heap column where they are numbers,
 * otherwise the user's own objects.
 *
 * Hot: `find` and `addNumber` run for every record.
 * Invariants
 * 1. An entry's number never changes, except by `compact`.
 * 2. A deleted entry stays, as the knowledge that the key is absent here and in everything beneath.
 * 3. `bytes` counts what is allocated, objects by estimate.
 */
import { hashKey } from '../../data/key-groups.ts'
import { detached, detachedText, estimatedBytes } from '../detached-value.ts'
import { encodedKey, isEncodedKey } from '../encoded-key.ts'

export const EntryState = { Live: 1, Deleted: 2 } as const

const entriesMin = 8
/** Slots of the index per entry at the least: a load of 2/3. */
const indexSlack = 1.5
/** A Map's slot, the key's pointer and its boxed number. */
const otherKeyBytes = 72

export class FrontTable {
  /** Entries, deleted ones included. */
  count = 0
  deletedCount = 0
  bytes = 0
  /** Numeric keys by entry; NaN where the key stands in `otherKeys`. */
  keys: Float64Array
  otherKeys: unknown[] | undefined
  keyGroups: Uint16Array
  states: Uint8Array
  /** Values, where they are numbers. */
  readonly holdsNumbers: boolean
  numbers: Float64Array
  objects: unknown[]
  #index: Int32Array
  #mask: number
  #others: Map<unknown, number> | undefined
  #encoded: Map<string, number> | undefined
  #objectBytes = 0

  constructor(holdsNumbers: boolean, expectedEntries = 0) {
    const capacity = powerOfTwo(Math.max(expectedEntries, entriesMin))
    this.holdsNumbers = holdsNumbers
    this.keys = new Float64Array(capacity)
    this.keyGroups = new Uint16Array(capacity)
    this.states = new Uint8Array(capacity)
    this.numbers = holdsNumbers ? new Float64Array(capacity) : noNumbers
    this.objects = []
    this.#index = new Int32Array(powerOfTwo(capacity * indexSlack))
    this.#mask = this.#index.length - 1
    this.#countBytes()
  }

  get liveCount(): number {
    return this.count - this.deletedCount
  }

  /** The entry of a key, live or deleted; -1 where nothing is known of it here. */
  find(key: unknown): number {
    if (typeof key !== 'number' || key !== key) return this.#findOther(key)
    const index = this.#index
    const mask = this.#mask
    for (let slot = slotOf(key) & mask; ; slot = (slot + 1) & mask) {
      const entry = index[slot]! - 1
      if (entry < 0 || this.keys[entry] === key) return entry
    }
  }

  isLive(entry: number): boolean {
    return this.states[entry] === EntryState.Live
  }

  keyOf(entry: number): unknown {
    const key = this.keys[entry]!
    return key === key ? key : this.otherKeys![entry]
  }

  valueOf(entry: number): unknown {
    return this.holdsNumbers ? this.numbers[entry] : this.objects[entry]
  }

  /** Adds a key that `find` does not find. Returns the entry. */
  add(key: unknown, keyGroup: number, value: unknown): number {
    const entry = this.#append(key, keyGroup, EntryState.Live)
    if (this.holdsNumbers) this.numbers[entry] = value as number
    else this.#placeObject(entry, detached(value))
    return entry
  }

  addDeleted(key: unknown, keyGroup: number): number {
    const entry = this.#append(key, keyGroup, EntryState.Deleted)
    this.deletedCount++
    if (!this.holdsNumbers) this.objects[entry] = undefined
    return entry
  }

  /** Replaces the value of an entry, which is live afterwards. */
  replace(entry: number, value: unknown): void {
    if (this.states[entry] !== EntryState.Live) {
      this.states[entry] = EntryState.Live
      this.deletedCount--
      if (!this.holdsNumbers) this.#charge(estimatedBytes(value))
    }
    if (this.holdsNumbers) this.numbers[entry] = value as number
    else this.objects[entry] = value
  }

  /** Turns a live entry into a deleted one. */
  delete(entry: number): void {
    this.states[entry] = EntryState.Deleted
    this.deletedCount++
    if (this.holdsNumbers) return
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
    if (own < 0) {
      const keyGroup = from.keyGroups[entry]!
      if (isLive) this.add(key, keyGroup, from.valueOf(entry))
      else this.addDeleted(key, keyGroup)
    } else if (isLive) this.replace(own, from.valueOf(entry))
    else if (this.isLive(own)) this.delete(own)
  }

  /** Forgets deleted entries. For tables with nothing beneath. */
  compact(): void {
    const kept = new FrontTable(this.holdsNumbers, this.liveCount)
    for (let entry = 0; entry < this.count; entry++) if (this.isLive(entry)) kept.take(this, entry)
    this.count = kept.count
    this.deletedCount = 0
    this.keys = kept.keys
    this.otherKeys = kept.otherKeys
    this.keyGroups = kept.keyGroups
    this.states = kept.states
    this.numbers = kept.numbers
    this.objects = kept.objects
    this.#index = kept.#index
    this.#mask = kept.#mask
    this.#others = kept.#others
    this.#encoded = kept.#encoded
    this.#objectBytes = kept.#objectBytes
    this.bytes = kept.bytes
  }

  #findOther(key: unknown): number {
    if (isEncodedKey(key)) return this.#encoded === undefined ? -1 : (this.#encoded.get(encodedKey(key)) ?? -1)
    return this.#others?.get(key) ?? -1
  }

  #append(key: unknown, keyGroup: number, state: number): number {
    if (this.count === this.keys.length) this.#grow()
    const entry = this.count++
    this.keyGroups[entry] = keyGroup
    this.states[entry] = state
    if (typeof key === 'number' && key === key) {
      this.keys[entry] = key + 0
      this.#place(entry, key)
    } else this.#addOther(entry, key)
    return entry
  }

  #addOther(entry: number, key: unknown): void {
    this.keys[entry] = NaN
    this.otherKeys ??= []
    const own = typeof key === 'string' ? detachedText(key) : key
    this.otherKeys[entry] = own
    if (isEncodedKey(key)) (this.#encoded ??= new Map()).set(encodedKey(key), entry)
    else (this.#others ??= new Map()).set(own, entry)
    this.#charge(otherKeyBytes + estimatedBytes(key))
  }

  #placeObject(entry: number, value: unknown): void {
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
    const capacity = this.keys.length * 2
    this.keys = grown(this.keys, new Float64Array(capacity))
    this.keyGroups = grown(this.keyGroups, new Uint16Array(capacity))
    this.states = grown(this.states, new Uint8Array(capacity))
    if (this.holdsNumbers) this.numbers = grown(this.numbers, new Float64Array(capacity))
    this.#index = new Int32Array(powerOfTwo(capacity * indexSlack))
    this.#mask = this.#index.length - 1
    for (let entry = 0; entry < this.count; entry++) {
      const key = this.keys[entry]!
      if (key === key) this.#place(entry, key)
    }
    this.#countBytes()
  }

  #countBytes(): void {
    const columns = this.keys.byteLength + this.keyGroups.byteLength + this.states.byteLength
    const values = this.holdsNumbers ? this.numbers.byteLength : this.keys.length * 8
    this.bytes = columns + values + this.#index.byteLength + this.#objectBytes
  }

  #charge(bytes: number): void {
    this.#objectBytes += bytes
    this.bytes += bytes
  }
}

const noNumbers = new Float64Array(0)

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
