/**
 * What snapshots have to know of the entries of a partition. Keys that are int32 are tracked by stamps in their records
 * (stamps.ts), all others by bits:
 *
 *   dirty      changed since the last snapshot          persisted   in an earlier snapshot
 *   written    by checkpoints not confirmed yet         frozen      the snapshot under way still has to write it
 *
 * Invariants
 * 1. Bits of empty places mean nothing, but in `persisted`, where they are 0. They are undefined while nobody needs them,
 *    and `mode` says so at once.
 * 2. With stamps there are only `frozen`, in snapshots that do not track (savepoints), and `blocks`.
 * 3. `isWhole` is given up only when a snapshot that tracks has written all entries: until then they may have changed
 *    without a note.
 */
import { hasBit, type WrittenEntries, type Zeros } from './bits.ts'
import { none } from './partition-size.ts'
import type { RecordLayout } from './record-layout.ts'
import { blocksOf, blockShift, never } from './stamps.ts'

/** What a change has to do besides changing. */
export const Mode = {
  /** Nothing: the next snapshot writes all of the partition, as none has seen it yet or as it is taken whole. */
  Untracked: 0,
  /** Note it in `dirty`. */
  Tracked: 1,
  /** A snapshot is under way: hand the entry to it first. */
  Frozen: 2,
  /** Stamp it. */
  Stamped: 3,
} as const
export type Mode = (typeof Mode)[keyof typeof Mode]

/** No stamps are up to the one, all are up to the other. */
const none32 = -0x80000000
const all32 = 0x7fffffff

/** Most entries. */
const wholeShareMin = 7 / 8
const samples = 32
const sampledPlaces = 4
/** V8 notes what code does from its tenth run or so on. */
const notedForNothingMax = 64

export class Tracking {
  readonly layout: RecordLayout
  places = 0
  i32: Int32Array = none.i32
  liveCount = 0
  mode: Mode = Mode.Untracked
  /** What changes are stamped with; 0: tracked by bits. */
  stamp: number
  /**
   * Changes of entries stamped up to this have to be noted (`mark`); of those stamped later one has been. The extremes of
   * int32 mean none and all, also where what is beside the key is no stamp; a change noted for nothing does no harm. The
   * first ones are, so that V8 has seen it before it compiles all of a chain around it (`noteNothing`).
   */
  unnoted: number = all32
  /** Stamps of blocks of places; undefined while untracked. */
  blocks: Int32Array | undefined = undefined
  /** The snapshot under way that tracks writes what is stamped after the one and before the other, its own stamp. */
  frozenAfter: number = never
  frozenBefore: number = never
  /** With stamps: the next snapshot that tracks takes all of it for changed. */
  isWhole = false
  /** So many snapshots that track are to take it whole, one that is under way not counted. */
  wholeSnapshots = 0
  dirty: Int32Array | undefined = undefined
  frozen: Int32Array | undefined = undefined
  persisted: Int32Array | undefined = undefined
  written: WrittenEntries[] = []
  /** Of the snapshot under way that has frozen entries. */
  owner: object | undefined = undefined
  #notedForNothing = 0
  /** Arrays of bits to be used again: one of zeros, one of anything. */
  #zeroed: Int32Array | undefined = undefined
  #scrap: Int32Array | undefined = undefined

  constructor(layout: RecordLayout, stamp: number) {
    this.layout = layout
    this.stamp = stamp
  }

  /** Notes that an entry changes; of one that is tracked, and handed to a snapshot under way before. */
  noteChange(entry: number): void {
    if (this.stamp === 0) {
      this.dirty![entry >>> 5]! |= 1 << (entry & 31)
      return
    }
    const at = entry * this.layout.strideWords + 1
    this.i32[at] = this.stamp | (this.i32[at]! & 1)
    this.blocks![entry >>> blockShift] = this.stamp
  }

  /** Of partitions that are not tracked: a change was noted for nothing. After some, no more are. */
  noteNothing(): void {
    if (++this.#notedForNothing >= notedForNothingMax) this.unnoted = none32
  }

  /** Whether the snapshot under way still has to write an entry. */
  isFrozenAt(entry: number): boolean {
    if (this.mode !== Mode.Frozen) return false
    if (this.frozen !== undefined) return hasBit(this.frozen, entry)
    const stamp = this.i32[entry * this.layout.strideWords + 1]!
    return stamp > this.frozenAfter && stamp < this.frozenBefore
  }

  /** The snapshot under way has got a frozen entry. */
  thawAt(entry: number): void {
    const word = entry >>> 5
    const bit = 1 << (entry & 31)
    if (this.frozen === undefined) {
      this.i32[entry * this.layout.strideWords + 1] = this.frozenBefore | 1
      return
    }
    this.frozen[word]! &= ~bit
    if (this.persisted !== undefined) this.persisted[word]! |= bit
  }

  isPersisted(entry: number): boolean {
    if (this.stamp !== 0) return (this.i32[entry * this.layout.strideWords + 1]! & 1) !== 0
    return this.persisted !== undefined && hasBit(this.persisted, entry)
  }

  /** Tracks changes from now on; where `isAllNew`, what is there is taken for changed. Answers whether anything is. */
  track(isAllNew: boolean, zeros: Zeros): boolean {
    if (this.stamp !== 0) {
      if (this.blocks === undefined) this.#stampAll()
      return false
    }
    if (this.dirty !== undefined) return this.hasChanges()
    const words = (this.places + 31) >>> 5
    this.dirty = zeros.take(words)
    if (isAllNew && this.liveCount > 0) this.dirty.fill(-1)
    this.persisted = zeros.take(words)
    this.#scrap = zeros.take(words)
    this.mode = Mode.Tracked
    this.unnoted = all32
    return isAllNew && this.liveCount > 0
  }

  hasChanges(): boolean {
    const dirty = this.dirty!
    for (let i = 0; i < dirty.length; i++) if (dirty[i] !== 0) return true
    return false
  }

  /** Of partitions with stamps: whether anything may be stamped after this. */
  hasChangedAfter(stamp: number): boolean {
    const blocks = this.blocks!
    for (let i = 0; i < blocks.length; i++) if (blocks[i]! > stamp) return true
    return false
  }

  /**
   * Of partitions with stamps whose changes have been noted: whether most entries have changed in this period, as far as
   * a few places tell. New entries do not count: a table that is being filled is not one that changes all the time.
   */
  hasMostlyChanged(): boolean {
    const { i32, stamp, places } = this
    const { strideWords } = this.layout
    let used = 0
    let changed = 0
    for (let sample = 0; sample < samples; sample++) {
      const first = Math.floor((sample * places) / samples)
      const end = Math.min(first + sampledPlaces, places)
      for (let place = first; place < end; place++) {
        const held = i32[place * strideWords + 1]!
        if ((i32[place * strideWords]! | held) === 0) continue
        used++
        if (held === (stamp | 1)) changed++
      }
    }
    return changed > 0 && changed >= used * wholeShareMin
  }

  /** A snapshot has to write some of it: what these bits say, or what is stamped as `frozenAfter` and `frozenBefore` say. */
  freeze(bits: Int32Array | undefined): void {
    this.frozen = bits
    this.mode = Mode.Frozen
    this.unnoted = bits === undefined ? this.stamp - 1 : all32
  }

  /** Of partitions with stamps: there is nothing to write, and another period begins. */
  notePeriod(): void {
    this.unnoted = this.stamp - 1
  }

  /** Of partitions with stamps. */
  #stampAll(): void {
    this.blocks = new Int32Array(blocksOf(this.places)).fill(this.stamp)
    if (this.mode !== Mode.Untracked) return
    this.mode = Mode.Stamped
    this.unnoted = this.stamp - 1
  }

  /** Words of zeros that `track` takes. */
  get untrackedWords(): number {
    return this.stamp === 0 && this.dirty === undefined ? 3 * ((this.places + 31) >>> 5) : 0
  }

  /** Tracks what another partition tracks; its entries are copied afterwards. */
  trackLike(from: Tracking): void {
    this.stamp = from.stamp
    this.unnoted = from.unnoted
    this.isWhole = from.isWhole
    this.wholeSnapshots = from.wholeSnapshots
    if (from.mode === Mode.Untracked) return
    this.mode = from.mode
    this.frozen = from.frozen === undefined ? undefined : this.#noBits()
    if (this.stamp !== 0) {
      // Which entries come to lie in which blocks is not known yet.
      this.#stampAll()
      this.frozenAfter = from.frozenAfter
      this.frozenBefore = from.frozenBefore
      return
    }
    this.dirty = this.#noBits()
    this.persisted = this.#noBits()
    this.written = from.written.map(({ checkpointId }) => ({ checkpointId, bits: this.#noBits() }))
  }

  /** An array of so many zeros. */
  takeZeroed(words: number): Int32Array {
    const zeroed = this.#zeroed
    this.#zeroed = undefined
    return zeroed?.length === words ? zeroed : new Int32Array(words)
  }

  /** An array to be overwritten. */
  takeScrap(words: number): Int32Array {
    const scrap = this.#scrap
    this.#scrap = undefined
    return scrap?.length === words ? scrap : new Int32Array(words)
  }

  /** The checkpoints up to this one are complete. */
  forgetWritten(checkpointId: number): void {
    for (const written of this.written) if (written.checkpointId <= checkpointId) this.#scrap = written.bits
    this.written = this.written.filter((written) => written.checkpointId > checkpointId)
  }

  /** The snapshot is done with this partition; `isWritten` where all of it has been written. */
  thaw(isWritten: boolean): void {
    if (this.mode !== Mode.Frozen) return
    this.owner = undefined
    if (this.stamp !== 0) {
      const isTakenWhole = this.isWhole && !(isWritten && this.frozen === undefined)
      this.isWhole = isTakenWhole || this.wholeSnapshots > 0
      this.mode = this.isWhole ? Mode.Untracked : Mode.Stamped
      this.unnoted = this.isWhole ? none32 : this.stamp - 1
      if (this.isWhole) this.blocks = undefined
    } else {
      if (isWritten) this.#zeroed = this.frozen
      this.mode = Mode.Tracked
    }
    this.frozen = undefined
  }

  #noBits(): Int32Array {
    return new Int32Array((this.places + 31) >>> 5)
  }
}
