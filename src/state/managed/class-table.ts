/**
 * The keys of one class under one namespace of one state: an extendible hash table. The leading bits of a key's hash
 * choose a partition; one that is full is split in two, so that growing never takes longer than a partition does.
 *
 * Invariants
 * 1. `directory` has 2^depth places; a partition of depth d stands in 2^(depth - d) neighbouring ones.
 * 2. `directory[(hash >>> 1) >>> shift]` is the partition of a hash; shift is 31 - depth. (Generated code knows this.)
 * 3. A partition has room for another entry before an entry is looked for in order to be inserted.
 */
import { type KeyClass, KeyClass as Class } from '../key-class.ts'
import type { Namespace } from '../keyed-state-backend.ts'
import type { StateAccount } from '../state-budget.ts'
import { hashAt, isPreparedAt, preparedArenaBytes, prepared, storePrepared } from './key-words.ts'
import { entryBits, entryMask, Partition } from './partition.ts'
import type { RecordLayout } from './record-layout.ts'

/** Splitting beyond this many leading bits means that the hashes are equal, not that there are too many keys. */
const depthMax = 20
const arenaBytesMax = 8 * 1024 * 1024

export interface TableOptions {
  readonly layout: RecordLayout
  readonly account: StateAccount
  /** A partition with more entries is split. */
  readonly partitionEntriesMax: number
  /** Whether new partitions track changes. */
  readonly isTracked: () => boolean
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
  readonly #options: TableOptions
  readonly #stride: number
  #depth = 0

  constructor(keyClass: KeyClass, namespace: Namespace, options: TableOptions, expectedEntries: number) {
    this.keyClass = keyClass
    this.namespace = namespace
    this.#options = options
    this.#stride = options.layout.strideWords
    const capacity = Math.min(expectedEntries, options.partitionEntriesMax)
    this.partition = this.#newPartition(0, capacity, 0)
    if (options.isTracked()) this.partition.track()
    this.directory = [this.partition]
  }

  get hasArena(): boolean {
    return this.keyClass >= Class.Text
  }

  /** Entry of the prepared key, -1 where there is none; `partition` is where it is. */
  find(): number {
    const hash = prepared.hash
    const partition = this.directory[(hash >>> 1) >>> this.shift]!
    this.partition = partition
    const { slots, slotMask } = partition
    const tag = (hash >>> 8) << entryBits
    let at = Math.imul(hash, 0x9e3779b1) >>> partition.slotShift
    for (let slot = slots[at]!; slot !== 0; slot = slots[at]!) {
      if (((slot ^ tag) & ~entryMask) === 0) {
        const entry = (slot & entryMask) - 1
        if (isPreparedAt(this.keyClass, partition, entry * this.#stride)) return entry
      }
      at = (at + 1) & slotMask
    }
    return -1
  }

  /** A new entry for the prepared key, which must be absent; its value is still zero. */
  insert(): number {
    const hash = prepared.hash
    let partition = this.directory[(hash >>> 1) >>> this.shift]!
    while (this.#isFull(partition)) {
      this.#split(partition, hash)
      partition = this.directory[(hash >>> 1) >>> this.shift]!
    }
    if (partition.needsSlots) partition.growSlots((entry) => hashAt(this.keyClass, partition, entry * this.#stride))
    const entry = partition.allocate()
    try {
      storePrepared(this.keyClass, partition, entry * this.#stride)
    } catch (error) {
      partition.i32[entry * this.#stride + 1] = 0
      partition.discard(entry)
      throw error
    }
    partition.link(entry, hash)
    this.partition = partition
    return entry
  }

  remove(partition: Partition, entry: number): void {
    const hashOf = (each: number): number => hashAt(this.keyClass, partition, each * this.#stride)
    partition.unlink(entry, hashOf(entry), hashOf)
    partition.free(entry)
  }

  entryCount(): number {
    let count = 0
    for (const partition of this.partitions()) count += partition.liveCount
    return count
  }

  /** Each partition once. */
  *partitions(): Generator<Partition, void> {
    for (let at = 0; at < this.directory.length;) {
      const partition = this.directory[at]!
      yield partition
      at += 1 << (this.#depth - partition.depth)
    }
  }

  release(): void {
    for (const partition of this.partitions()) partition.release()
  }

  #isFull(partition: Partition): boolean {
    const isLarge =
      partition.liveCount >= this.#options.partitionEntriesMax ||
      (this.hasArena &&
        partition.liveCount > 1 &&
        partition.arenaUsed + preparedArenaBytes(this.keyClass) > arenaBytesMax)
    return isLarge && partition.depth < depthMax
  }

  #split(from: Partition, hash: number): void {
    if (from.depth === this.#depth) this.#doubleDirectory()
    const depth = from.depth + 1
    const room = Math.ceil(from.liveCount * 0.6) + 32
    const arenaBytes = this.hasArena ? Math.ceil(from.arenaUsed * 0.6) : 0
    const left = this.#newPartition(depth, room, arenaBytes)
    const right = this.#newSibling(left, room, arenaBytes)
    try {
      this.#distribute(from, left, right)
    } catch (error) {
      left.release()
      right.release()
      throw error
    }
    const width = 1 << (this.#depth - depth)
    const first = Math.floor(((hash >>> 1) >>> this.shift) / (2 * width)) * 2 * width
    this.directory.fill(left, first, first + width)
    this.directory.fill(right, first + width, first + 2 * width)
    from.release()
    this.#options.onSplit(from, left, right)
  }

  #doubleDirectory(): void {
    this.directory = this.directory.flatMap((partition) => [partition, partition])
    this.#depth++
    this.shift = 31 - this.#depth
  }

  /** Moves all entries by the bit of their hash that follows the bits they share. */
  #distribute(from: Partition, left: Partition, right: Partition): void {
    const stride = this.#stride
    const bit = 31 - from.depth
    for (const to of [left, right]) to.trackLike(from)
    for (let entry = 0; entry < from.count; entry++) {
      if (!from.isLive(entry)) continue
      const base = entry * stride
      const hash = hashAt(this.keyClass, from, base)
      const to = ((hash >>> bit) & 1) === 0 ? left : right
      if (to.needsSlots) to.growSlots((each) => hashAt(this.keyClass, to, each * stride))
      const moved = to.allocate()
      to.copyEntry(moved, from, entry)
      to.link(moved, hash)
    }
  }

  #newSibling(left: Partition, room: number, arenaBytes: number): Partition {
    try {
      return this.#newPartition(left.depth, room, arenaBytes)
    } catch (error) {
      left.release()
      throw error
    }
  }

  #newPartition(depth: number, capacity: number, arenaBytes: number): Partition {
    return new Partition(this.#options.layout, depth, capacity, this.hasArena, this.#options.account, arenaBytes)
  }
}
