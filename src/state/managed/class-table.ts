/**
 * The keys of one class under one namespace of one state: an extendible hash table. The leading bits of a key's hash
 * choose a partition; one that is full is split in two, so that growing never takes longer than a partition does.
 *
 * Invariants
 * 1. `directory` has 2^depth places; a partition of depth d stands in 2^(depth - d) neighbouring ones.
 * 2. `directory[(hash >>> 1) >>> shift]` is the partition of a hash; shift is 31 - depth. (Generated code knows this.)
 */
import { hashKey, mix32 } from '../../data/key-groups.ts'
import { type KeyClass, KeyClass as Class } from '../key-class.ts'
import type { Namespace } from '../keyed-state-backend.ts'
import type { StateAccount } from '../state-budget.ts'
import { hashAt, isPreparedAt, isTextAt, prepared, preparedArenaBytes, storePrepared } from './key-words.ts'
import { type HashAt, int32HashAt, Partition } from './partition.ts'
import type { RecordLayout } from './record-layout.ts'
import type { Stamps } from './stamps.ts'

/** Splitting beyond this many leading bits means that the hashes are equal, not that there are too many keys. */
const depthMax = 16
/** Where many entries are expected, partitions are made this full, so that none is split soon after. */
const fillExpected = 0.8
/** A guess, for short keys. */
const arenaBytesPerEntry = 12
const arenaBytesMax = 8 * 1024 * 1024

export interface TableOptions {
  readonly layout: RecordLayout
  readonly account: StateAccount
  readonly stamps: Stamps
  /** A partition with more entries is split. */
  readonly partitionEntriesMax: number
  /** Told of the two partitions that take the place of one. */
  readonly onSplit: (from: Partition, left: Partition, right: Partition) => void
}

export class ClassTable {
  readonly keyClass: KeyClass
  readonly namespace: Namespace
  directory: Partition[]
  shift = 31
  /** Set by `find` and `insert`. */
  partition: Partition
  /** Keys (as values) that are gone and that an earlier snapshot may contain. */
  graves: unknown[] = []
  /** What an entry takes in snapshots, as seen in the last block; 0: none has been written yet. */
  entryBytes = 0
  readonly #options: TableOptions
  readonly #stride: number
  readonly #hashAt: HashAt
  #depth = 0

  constructor(keyClass: KeyClass, namespace: Namespace, options: TableOptions, expectedEntries: number) {
    this.keyClass = keyClass
    this.namespace = namespace
    this.#options = options
    this.#stride = options.layout.strideWords
    this.#hashAt = keyClass === Class.Int32 ? int32HashAt : (partition, base) => hashAt(keyClass, partition, base)
    const { partitionEntriesMax } = options
    while (this.#depth < depthMax && expectedEntries > fillExpected * partitionEntriesMax * 2 ** this.#depth)
      this.#depth++
    this.shift = 31 - this.#depth
    this.directory = []
    const entries = expectedEntries / 2 ** this.#depth
    for (let i = 0; i < 2 ** this.#depth; i++) this.directory.push(this.#newPartition(Math.ceil(entries)))
    this.partition = this.directory[0]!
  }

  get hasArena(): boolean {
    return this.keyClass >= Class.Text
  }

  /** Entry of the prepared key, -1 where there is none; `partition` is where it is. */
  find(): number {
    const hash = prepared.hash
    const partition = this.directory[(hash >>> 1) >>> this.shift]!
    this.partition = partition
    const stride = this.#stride
    const { i32 } = partition
    let entry = partition.homeOf(hash)
    for (let base = entry * stride; i32[base] !== 0 || i32[base + 1] !== 0; base += stride) {
      if (isPreparedAt(this.keyClass, partition, base)) return entry
      entry++
    }
    return -1
  }

  /** Like `find`, for a text that has not been prepared. */
  findText(text: string): number {
    const hash = hashKey(text)
    const partition = this.directory[(hash >>> 1) >>> this.shift]!
    this.partition = partition
    const stride = this.#stride
    const { i32 } = partition
    let entry = partition.homeOf(hash)
    for (let base = entry * stride; i32[base + 1] !== 0; base += stride) {
      if (i32[base] === hash && isTextAt(partition.arena!, i32[base + 1]! - 1, text)) return entry
      entry++
    }
    return -1
  }

  /** Entry of an int32 key, its complement (below 0) where it has just been made: its value is still zero then. */
  findOrInsertInt32(key: number): number {
    const hash = mix32(key)
    const partition = this.directory[(hash >>> 1) >>> this.shift]!
    this.partition = partition
    const stride = this.#stride
    const { i32 } = partition
    let entry = partition.homeOf(hash)
    for (let base = entry * stride; i32[base + 1] !== 0 || i32[base] !== 0; base += stride) {
      if (i32[base] === key) return entry
      entry++
    }
    prepared.hash = hash
    prepared.low = key
    prepared.high = 1
    return ~this.insert()
  }

  /** A new entry for the prepared key, which must be absent; its value is still zero. */
  insert(): number {
    const hash = prepared.hash
    let partition = this.directory[(hash >>> 1) >>> this.shift]!
    if (partition.liveMax === 0) partition.shrink(this.#hashAt)
    while (this.#isToBeSplit(partition)) {
      this.#split(partition, hash)
      partition = this.directory[(hash >>> 1) >>> this.shift]!
    }
    if (partition.isFull) partition.grow(this.#hashAt)
    let entry = partition.findPlace(hash)
    while (entry < 0) {
      partition.grow(this.#hashAt)
      entry = partition.findPlace(hash)
    }
    if (partition.scramble(entry, hash, this.#hashAt)) return this.insert()
    storePrepared(this.keyClass, partition, entry * this.#stride)
    partition.claim(entry)
    this.partition = partition
    return entry
  }

  /** Other entries may move; `beforeMove` is told of those that a snapshot still has to write. */
  remove(partition: Partition, entry: number, beforeMove: (entry: number) => void): void {
    partition.remove(entry, this.#hashAt, beforeMove)
  }

  /** The partition in which `prefix` (leading bits of a hash, 0 … 2^31 - 1) is; undefined beyond the last one. */
  partitionAt(prefix: number): Partition | undefined {
    return prefix > 0x7fffffff ? undefined : this.directory[prefix >>> this.shift]
  }

  /** The prefix that follows a partition's: where to go on after it, whatever has been split meanwhile. */
  prefixAfter(prefix: number, partition: Partition): number {
    const width = 2 ** (31 - partition.depth)
    return (Math.floor(prefix / width) + 1) * width
  }

  /** Each partition once. */
  *partitions(): Generator<Partition, void> {
    for (let at = 0; at < this.directory.length;) {
      const partition = this.directory[at]!
      yield partition
      at += 1 << (this.#depth - partition.depth)
    }
  }

  entryCount(): number {
    let count = 0
    for (const partition of this.partitions()) count += partition.liveCount
    return count
  }

  recordBytes(): number {
    let bytes = 0
    for (const partition of this.partitions()) bytes += partition.i32.byteLength
    return bytes
  }

  release(): void {
    for (const partition of this.partitions()) partition.release()
  }

  #newPartition(entries: number): Partition {
    const { layout, account, stamps } = this.#options
    const stamp = this.keyClass === Class.Int32 ? stamps.now : 0
    const arenaBytes = this.hasArena ? entries * arenaBytesPerEntry : undefined
    try {
      return new Partition(layout, this.#depth, entries, arenaBytes, account, stamp)
    } catch (error) {
      for (const each of this.directory) each.release()
      throw error
    }
  }

  #isToBeSplit(partition: Partition): boolean {
    if (partition.depth >= depthMax) return false
    const { partitionEntriesMax } = this.#options
    // One that would have to be split before long is not grown any more.
    if (partition.liveCount >= partitionEntriesMax) return true
    if (partition.isFull && partition.nextLiveMax > partitionEntriesMax) return true
    if (!this.hasArena || partition.liveCount < 2) return false
    return partition.arenaUsed + preparedArenaBytes(this.keyClass) > arenaBytesMax
  }

  #split(from: Partition, hash: number): void {
    if (from.depth === this.#depth) this.#doubleDirectory()
    const [left, right] = this.#halves(from)
    const width = 1 << (this.#depth - left.depth)
    const first = Math.floor(((hash >>> 1) >>> this.shift) / (2 * width)) * 2 * width
    this.directory.fill(left, first, first + width)
    this.directory.fill(right, first + width, first + 2 * width)
    from.release()
    this.#options.onSplit(from, left, right)
  }

  #halves(from: Partition): [left: Partition, right: Partition] {
    const halves: Partition[] = []
    try {
      const left = this.#half(from)
      halves.push(left)
      const right = this.#half(from)
      halves.push(right)
      const bit = 31 - from.depth
      const isDone =
        this.#hashAt === int32HashAt && left.takeInt32s(from, 1 << bit, 0) && right.takeInt32s(from, 1 << bit, 1 << bit)
      if (!isDone) this.#distribute(from, left, right)
      return [left, right]
    } catch (error) {
      for (const half of halves) half.release()
      throw error
    }
  }

  #half(from: Partition): Partition {
    const { layout, account } = this.#options
    const arenaBytes = this.hasArena ? Math.ceil(from.arenaUsed * 0.6) : undefined
    const half = new Partition(
      layout,
      from.depth + 1,
      Math.ceil(from.liveCount * 0.55),
      arenaBytes,
      account,
      from.stamp,
      from.multiplier,
    )
    half.trackLike(from)
    return half
  }

  #doubleDirectory(): void {
    // Not `flatMap`: its array is of another kind to V8, and all that looks into the directory would be compiled again.
    const directory: Partition[] = []
    for (const partition of this.directory) directory.push(partition, partition)
    this.directory = directory
    this.#depth++
    this.shift = 31 - this.#depth
  }

  /** Copies all entries by the bit of their hash that follows the bits they share. */
  #distribute(from: Partition, left: Partition, right: Partition): void {
    const stride = this.#stride
    const bit = 31 - from.depth
    left.emptyFor(from)
    right.emptyFor(from)
    for (let place = 0; place < from.places; place++) {
      if (from.isEmptyAt(place)) continue
      const hash = this.#hashAt(from, place * stride)
      const to = ((hash >>> bit) & 1) === 0 ? left : right
      if (to.isFull) to.grow(this.#hashAt)
      while (!to.copyFrom(from, place, hash)) to.grow(this.#hashAt)
    }
  }
}
