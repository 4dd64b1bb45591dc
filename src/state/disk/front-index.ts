/**
 * Where numeric keys are in a table of entries: an open-addressing index that grows a few entries at a time.
 *
 * Invariants
 * 1. While the index grows, entries from `moved` on stand in `oldIndex`, later ones in both or the new one only: a few are
 *    moved with each that is added, since moving millions at once would stop the slot for a second.
 */
import { hashKey } from '../../data/key-groups.ts'
import { freeMemory } from './free-memory.ts'

/** Bits of an entry's state. */
export const live = 1
export const hasByteKey = 2
/** A table above has taken the key over, and will be merged onto this one. A hint: unset where nobody has told. */
export const superseded = 4

/** Hashes, then entries that are being touched. Not reentrant. */
let touched = new Int32Array(256)
/** Entries that each addition moves to the new index; a larger index is wanted after as many additions as there are entries. */
export const movedPerAddition = 8
/** Fewer are moved at once. */
const movedAtOnceMax = 16 * 1024
/** Slots of the index per entry at the least: what collides costs a look at another row. */
export const indexSlack = 2

export abstract class FrontIndex {
  /** Entries, deleted ones included. */
  count = 0
  deletedCount = 0
  /**
   * A row per entry, so that a look-up and its value meet the same cache line: the numeric key, or the offset into the
   * byte keys where the entry has one; then the value's words. `i64` is another view of it.
   */
  f64: Float64Array
  i64: BigInt64Array
  /** Words of a row. */
  readonly stride: number
  protected capacity: number
  states: Uint8Array
  /**
   * Per slot: entry + 1 in the low bits, as many of the key's hash as are left above them; 0: empty. So the row of another
   * key is hardly ever read on the way.
   */
  protected index: Int32Array
  protected mask: number
  protected tagMask: number
  /** The index before it grew, until all of its entries are moved. */
  protected oldIndex: Int32Array | undefined
  protected oldTagMask: number = 0
  protected moved: number = 0
  protected numberCount: number = 0
  /** What touching has read: kept so that nobody can leave the reading out. */
  touched = 0

  constructor(capacity: number, stride: number, slots: number) {
    this.stride = stride
    this.capacity = capacity
    this.f64 = new Float64Array(capacity * stride)
    this.i64 = new BigInt64Array(this.f64.buffer)
    this.states = new Uint8Array(capacity)
    this.index = new Int32Array(slots)
    this.mask = slots - 1
    this.tagMask = tagMaskOf(slots, capacity)
  }

  /** Something has got another size. */
  protected abstract countBytes(): void

  /** The entry of a number, -1 where it is not here. */
  protected findNumber(key: number): number {
    const hash = slotOf(key)
    const entry = this.findIn(this.index, this.tagMask, key, hash)
    return entry >= 0 || this.oldIndex === undefined ? entry : this.findIn(this.oldIndex, this.oldTagMask, key, hash)
  }

  private findIn(index: Int32Array, tagMask: number, key: number, hash: number): number {
    const mask = index.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const word = index[slot]!
      if (word === 0) return -1
      if (((word ^ hash) & tagMask) !== 0) continue
      const entry = (word & ~tagMask) - 1
      if (this.f64[entry * this.stride] === key) return entry
    }
  }

  /**
   * Reads what `find` and a look at the value of each key will read, all at once, so that the memory's answers overlap.
   * Numbers only. Those that are not here are put into `missing`; answers how many.
   */
  touch(keys: ArrayLike<unknown>, count: number, missing: unknown[]): number {
    const index = this.index
    const mask = this.mask
    const hashes = touched.length < count ? (touched = new Int32Array(count * 2)) : touched
    let asked = 0
    let missed = 0
    // Each loop is short and without surprises, so that the processor has many of its loads under way.
    for (let i = 0; i < count; i++) {
      const key = keys[i]
      if (typeof key !== 'number') continue
      hashes[asked] = slotOf(key)
      missing[asked++] = key
    }
    let seen = 0
    for (let i = 0; i < asked; i++) seen ^= index[hashes[i]! & mask]!
    let found = 0
    for (let i = 0; i < asked; i++) {
      const word = this.wordOf(hashes[i]!)
      if (word === 0) missing[missed++] = missing[i]
      else hashes[found++] = word
    }
    const entryMask = ~this.tagMask
    const f64 = this.f64
    const stride = this.stride
    for (let i = 0; i < found; i++) seen += f64[((hashes[i]! & entryMask) - 1) * stride]!
    // A row of more than a key and a number may lie in two lines of the cache.
    if (stride > 2) for (let i = 0; i < found; i++) seen += f64[(hashes[i]! & entryMask) * stride - 1]!
    if (this.deletedCount > 0) {
      const { states } = this
      for (let i = 0; i < found; i++) seen += states[(hashes[i]! & entryMask) - 1]!
    }
    this.touched = seen | 0
    return missed
  }

  /** The first word of the index with the hash's tag; 0: the key is not here. */
  private wordOf(hash: number): number {
    const index = this.index
    const mask = this.mask
    const tagMask = this.tagMask
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const word = index[slot]!
      if (word === 0 || ((word ^ hash) & tagMask) === 0) return word
    }
  }

  protected place(entry: number, key: number): void {
    const mask = this.mask
    const hash = slotOf(key)
    let slot = hash & mask
    while (this.index[slot] !== 0) slot = (slot + 1) & mask
    this.index[slot] = (hash & this.tagMask) | (entry + 1)
  }

  /** What the index takes for a moment, beyond what it has, to be large enough for so many more. */
  protected indexGrowthBytes(entries: number): number {
    let slots = this.index.length
    while ((this.numberCount + entries) * 2 > slots) slots *= 2
    if (slots === this.index.length) return 0
    const isMovedAtOnce = this.index.length / 2 < movedAtOnceMax
    return slots * 4 - (isMovedAtOnce ? this.index.byteLength : 0)
  }

  /** `newest`: the entry that is being added. */
  protected growIndex(newest: number): void {
    const slots = this.index.length * 2
    if (this.numberCount <= movedAtOnceMax || this.oldIndex !== undefined) this.fillIndex(slots)
    else {
      this.oldIndex = this.index
      this.oldTagMask = this.tagMask
      this.moved = 0
      this.index = new Int32Array(slots)
      this.mask = slots - 1
      this.tagMask = tagMaskOf(slots, this.capacity)
      this.place(newest, this.f64[newest * this.stride]!)
    }
    this.countBytes()
  }

  protected fillIndex(slots: number): void {
    this.dropOldIndex()
    freeMemory(this.index)
    this.index = new Int32Array(slots)
    this.mask = slots - 1
    this.tagMask = tagMaskOf(slots, this.capacity)
    for (let entry = 0; entry < this.count; entry++) {
      if ((this.states[entry]! & hasByteKey) === 0) this.place(entry, this.f64[entry * this.stride]!)
    }
  }

  /** Moves some entries to the new index. What was added since it grew may be there already. */
  protected move(entries: number): void {
    const end = Math.min(this.moved + entries, this.count)
    for (let entry = this.moved; entry < end; entry++) {
      if ((this.states[entry]! & hasByteKey) === 0) this.placeOnce(entry, this.f64[entry * this.stride]!)
    }
    this.moved = end
    if (end < this.count) return
    this.dropOldIndex()
    this.countBytes()
  }

  protected dropOldIndex(): void {
    if (this.oldIndex === undefined) return
    freeMemory(this.oldIndex)
    this.oldIndex = undefined
  }

  private placeOnce(entry: number, key: number): void {
    const mask = this.mask
    const hash = slotOf(key)
    const wanted = (hash & this.tagMask) | (entry + 1)
    let slot = hash & mask
    for (; this.index[slot] !== 0; slot = (slot + 1) & mask) if (this.index[slot] === wanted) return
    this.index[slot] = wanted
  }
}

export function slotOf(key: number): number {
  const int = key | 0
  if (int !== key) return hashKey(key)
  const h = Math.imul(int ^ (int >>> 16), 0x85ebca6b)
  return Math.imul(h ^ (h >>> 13), 0xc2b2ae35) ^ (h >>> 15)
}

/** The bits of a slot that entry + 1 does not need, for as long as neither of the two doubles. */
function tagMaskOf(slots: number, capacity: number): number {
  return ~(Math.max(2 * slots, 2 * powerOfTwo(capacity)) - 1)
}

export function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(atLeast))
}
