/**
 * The timers of one stretch of time, in no order until the stretch is due. Windows register very many timers for one
 * timestamp, and each again with every record: registering is one look-up, firing one walk.
 *
 * Invariants
 * 1. A live entry's time is a number, a dead one's is NaN. At most one live entry per (key, namespace, time).
 * 2. `slots` finds every live entry by its hash (linear probing; 0 is empty, else index + 1); it stays undefined while
 *    there are so few entries that looking at all is faster.
 * 3. Once opened, entries fire in order of time, then of registration; entries never move from then on.
 */
import { encodedKey, isEncodedKey } from '../state/encoded-key.ts'
import type { Namespace } from '../state/keyed-state-backend.ts'

/** Up to this many entries are searched one by one. */
const scannedEntriesMax = 8
/** Dead entries that are not worth a clean-up. */
const deadEntriesMin = 32

export class TimerBucket {
  /** The buckets of a queue are numbered by their time. */
  readonly id: number
  /** Number of the last snapshot that has encoded the bucket. */
  savedBy: number
  liveCount = 0
  times: number[] = []
  keys: unknown[] = []
  namespaces: Namespace[] = []
  #hashes: number[] = []
  #slots: Int32Array | undefined = undefined
  /** Entries in order of firing, from the moment the bucket is opened. */
  #order: Uint32Array | undefined = undefined
  #next = 0
  /** Entries added after that: a heap by time, then by registration. */
  #late: number[] = []
  /** Times of the late entries, also of those that died: the heap's order must not change under it. */
  #lateTimes = new Map<number, number>()

  constructor(id: number, savedBy: number) {
    this.id = id
    this.savedBy = savedBy
  }

  get isOpen(): boolean {
    return this.#order !== undefined
  }

  /** False where the timer is registered already. */
  add(key: unknown, namespace: Namespace, timeMs: number, hash: number): boolean {
    if (this.#slots === undefined) {
      if (this.#scan(key, namespace, timeMs, hash) >= 0) return false
      if (this.times.length >= scannedEntriesMax) this.#makeRoom()
    }
    const slots = this.#slots
    const index = this.times.length
    if (slots !== undefined) {
      const mask = slots.length - 1
      let at = hash & mask
      for (let held = slots[at]!; held !== 0; held = slots[at]!) {
        if (this.#isAt(held - 1, key, namespace, timeMs, hash)) return false
        at = (at + 1) & mask
      }
      slots[at] = index + 1
    }
    this.times.push(timeMs)
    this.keys.push(key)
    this.namespaces.push(namespace)
    this.#hashes.push(hash)
    this.liveCount++
    if (this.#order !== undefined) this.#pushLate(index)
    if (slots !== undefined && this.times.length * 2 > slots.length) this.#makeRoom()
    return true
  }

  /** False where the timer is not registered. */
  delete(key: unknown, namespace: Namespace, timeMs: number, hash: number): boolean {
    const index = this.#find(key, namespace, timeMs, hash)
    if (index < 0) return false
    this.kill(index)
    const dead = this.times.length - this.liveCount
    if (dead > deadEntriesMin && dead > this.liveCount && this.#order === undefined) this.#makeRoom()
    return true
  }

  /** The entry dies: it has fired, or was deleted. */
  kill(index: number): void {
    this.times[index] = Number.NaN
    this.keys[index] = 0
    this.liveCount--
  }

  /** Index of the next live entry in order of time, -1 where none is left. Opens the bucket. */
  peek(): number {
    if (this.#order === undefined) this.#open()
    const order = this.#order!
    const times = this.times
    while (this.#next < order.length && isDead(times[order[this.#next]!]!)) this.#next++
    while (this.#late.length > 0 && isDead(times[this.#late[0]!]!)) this.#popLate()
    const ordered = this.#next < order.length ? order[this.#next]! : -1
    if (this.#late.length === 0) return ordered
    const late = this.#late[0]!
    return ordered < 0 || times[late]! < times[ordered]! ? late : ordered
  }

  #find(key: unknown, namespace: Namespace, timeMs: number, hash: number): number {
    const slots = this.#slots
    if (slots === undefined) return this.#scan(key, namespace, timeMs, hash)
    const mask = slots.length - 1
    let at = hash & mask
    for (let held = slots[at]!; held !== 0; held = slots[at]!) {
      if (this.#isAt(held - 1, key, namespace, timeMs, hash)) return held - 1
      at = (at + 1) & mask
    }
    return -1
  }

  #scan(key: unknown, namespace: Namespace, timeMs: number, hash: number): number {
    for (let i = 0; i < this.times.length; i++) if (this.#isAt(i, key, namespace, timeMs, hash)) return i
    return -1
  }

  #isAt(index: number, key: unknown, namespace: Namespace, timeMs: number, hash: number): boolean {
    return (
      this.#hashes[index] === hash &&
      this.times[index] === timeMs &&
      this.namespaces[index] === namespace &&
      isSameKey(this.keys[index], key)
    )
  }

  /** Leaves the dead behind (unless the bucket is open) and makes a table of slots with room to grow. */
  #makeRoom(): void {
    if (this.#order === undefined && this.liveCount < this.times.length) this.#compact()
    const count = this.times.length
    if (count < scannedEntriesMax) {
      this.#slots = undefined
      return
    }
    let capacity = 32
    while (capacity < count * 4) capacity *= 2
    const slots = new Int32Array(capacity)
    const mask = capacity - 1
    for (let i = 0; i < count; i++) {
      if (isDead(this.times[i]!)) continue
      let at = this.#hashes[i]! & mask
      while (slots[at] !== 0) at = (at + 1) & mask
      slots[at] = i + 1
    }
    this.#slots = slots
  }

  #compact(): void {
    const live: number[] = []
    for (let i = 0; i < this.times.length; i++) if (!isDead(this.times[i]!)) live.push(i)
    this.times = live.map((i) => this.times[i]!)
    this.keys = live.map((i) => this.keys[i])
    this.namespaces = live.map((i) => this.namespaces[i]!)
    this.#hashes = live.map((i) => this.#hashes[i]!)
  }

  #open(): void {
    if (this.liveCount < this.times.length) this.#compact()
    this.#order = orderOf(this.times)
    if (this.#slots !== undefined) this.#makeRoom()
  }

  #pushLate(index: number): void {
    const late = this.#late
    let at = late.length
    this.#lateTimes.set(index, this.times[index]!)
    late.push(index)
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (!this.#isBefore(index, late[parent]!)) break
      late[at] = late[parent]!
      at = parent
    }
    late[at] = index
  }

  #popLate(): void {
    const late = this.#late
    this.#lateTimes.delete(late[0]!)
    const index = late.pop()!
    const count = late.length
    if (count === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= count) break
      if (child + 1 < count && this.#isBefore(late[child + 1]!, late[child]!)) child++
      if (!this.#isBefore(late[child]!, index)) break
      late[at] = late[child]!
      at = child
    }
    late[at] = index
  }

  #isBefore(left: number, right: number): boolean {
    const leftMs = this.#lateTimes.get(left)!
    const rightMs = this.#lateTimes.get(right)!
    return leftMs < rightMs || (leftMs === rightMs && left < right)
  }
}

function isDead(timeMs: number): boolean {
  return timeMs !== timeMs
}

export function isSameKey(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (typeof left !== typeof right) return false
  if (isEncodedKey(left)) return encodedKey(left) === encodedKey(right)
  return left !== left && right !== right
}

/** Indexes of `times` by time, equal times in their order. No time is NaN. */
function orderOf(times: readonly number[]): Uint32Array {
  const count = times.length
  const order = new Uint32Array(count)
  let min = Infinity
  let max = -Infinity
  for (let i = 0; i < count; i++) {
    order[i] = i
    const timeMs = times[i]!
    if (timeMs < min) min = timeMs
    if (timeMs > max) max = timeMs
  }
  if (min === max) return order
  const scale = 2 ** Math.ceil(Math.log2(count + 1))
  if ((max - min + 1) * scale > Number.MAX_SAFE_INTEGER || !times.every(Number.isInteger)) {
    return order.sort((left, right) => times[left]! - times[right]! || left - right)
  }
  // Time and index fit into one double: a native sort of numbers, ten times as fast as one with a function.
  const packed = new Float64Array(count)
  for (let i = 0; i < count; i++) packed[i] = (times[i]! - min) * scale + i
  packed.sort()
  for (let i = 0; i < count; i++) order[i] = packed[i]! % scale
  return order
}
