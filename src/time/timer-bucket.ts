/**
 * The timers of one stretch of time. Until the stretch is due a bucket is a log: registrations and deletions are
 * appended as they come and settled (duplicates and deleted timers go) when it has grown, when it is opened or when
 * somebody wants to know. That way registering touches the ends of a few arrays only. Once open, entries are in order
 * of time, and what is added later is looked up and put into a heap.
 *
 * Invariants
 * 1. A dead entry's time is NaN. Entries [0, settledCount) of a closed bucket are live and differ from each other.
 * 2. `#deletions` are the positions of deletions in the log, ascending; a settled bucket has none.
 * 3. Once open, entries never move; `#slots` (pairs of hash and index + 1, 0: empty) finds them, made when first needed.
 * 4. Entries are [0, count) of the columns; what lies beyond is nobody's. Dead ones hold no key and no text.
 */
import { encodedKey, isEncodedKey } from '../state/encoded-key.ts'
import type { Namespace } from '../state/keyed-state-backend.ts'
import type { TimerColumns } from './timer-columns.ts'

/** A log is settled beyond this many entries, and whenever it has grown by this factor since. */
const settleEntriesMin = 4096
const settleFactor = 4

let serialCount = 0

export class TimerBucket {
  /** The buckets of a queue are numbered by their time. */
  readonly id: number
  /** Different for all buckets of a thread. */
  readonly serial: number = ++serialCount
  /** Number of the last snapshot that has encoded the bucket. */
  savedBy: number
  readonly columns: TimerColumns
  /** Entries, dead ones included. */
  count = 0
  #deletions: number[] = []
  #settledCount = 0
  #settleAt = settleEntriesMin
  /** Of an open bucket. */
  #liveCount = 0
  #slots: Int32Array | undefined = undefined
  /** Entries in order of firing, from the moment the bucket is opened. */
  #order: Uint32Array | undefined = undefined
  #next = 0
  /** Entries added after that: a heap by time, then by registration. Entries that die keep their place in it. */
  #late: number[] = []
  /** Times of the heap's entries, whether they are dead or not. */
  #lateMs: number[] = []

  /** The columns are the bucket's until it is dropped. */
  constructor(id: number, savedBy: number, columns: TimerColumns) {
    this.id = id
    this.savedBy = savedBy
    this.columns = columns
  }

  get isOpen(): boolean {
    return this.#order !== undefined
  }

  /** Number of timers; settles. */
  liveCount(): number {
    if (this.#order !== undefined) return this.#liveCount
    this.settle()
    return this.count
  }

  /** Closed: registers a timer; returns where in the log. */
  append(key: unknown, namespace: Namespace, timeMs: number, hash: number): number {
    const index = this.#put(key, namespace, timeMs, hash)
    if (index >= this.#settleAt) this.settle()
    return index
  }

  /** Closed: deletes a timer, if it is there. */
  appendDeletion(key: unknown, namespace: Namespace, timeMs: number, hash: number): void {
    if (this.count === 0) return
    this.#deletions.push(this.count)
    this.append(key, namespace, timeMs, hash)
  }

  /** Open: registers a timer unless it is there. */
  add(key: unknown, namespace: Namespace, timeMs: number, hash: number): void {
    const slots = this.#openSlots()
    const mask = slots.length - 1
    let at = (hash << 1) & mask
    for (let held = slots[at + 1]!; held !== 0; held = slots[at + 1]!) {
      if (slots[at] === hash && this.isAt(held - 1, key, namespace, timeMs)) return
      at = (at + 2) & mask
    }
    const index = this.#put(key, namespace, timeMs, hash)
    slots[at] = hash
    slots[at + 1] = index + 1
    this.#liveCount++
    this.#pushLate(index, timeMs)
    if (this.count * 3 > slots.length) this.#slots = undefined
  }

  /** Open: deletes a timer, if it is there. */
  delete(key: unknown, namespace: Namespace, timeMs: number, hash: number): void {
    const slots = this.#openSlots()
    const mask = slots.length - 1
    let at = (hash << 1) & mask
    for (let held = slots[at + 1]!; held !== 0; held = slots[at + 1]!) {
      if (slots[at] === hash && this.isAt(held - 1, key, namespace, timeMs)) return this.kill(held - 1)
      at = (at + 2) & mask
    }
  }

  isAt(index: number, key: unknown, namespace: Namespace, timeMs: number): boolean {
    if (index >= this.count) return false
    const { times, keys, namespaces } = this.columns
    return times[index] === timeMs && namespaces[index] === namespace && isSameKey(keys[index], key)
  }

  /** Open: the entry has fired, or was deleted. */
  kill(index: number): void {
    this.columns.kill(index)
    this.#liveCount--
  }

  /** Index of the next live entry in order of time, -1 where none is left. Opens the bucket. */
  peek(): number {
    if (this.#order === undefined) this.#open()
    const order = this.#order!
    const { times } = this.columns
    while (this.#next < order.length && isDead(times[order[this.#next]!]!)) this.#next++
    while (this.#late.length > 0 && isDead(times[this.#late[0]!]!)) this.#popLate()
    const ordered = this.#next < order.length ? order[this.#next]! : -1
    if (this.#late.length === 0) return ordered
    const late = this.#late[0]!
    return ordered < 0 || times[late]! < times[ordered]! ? late : ordered
  }

  /** Open: keys of the next entries, up to `untilMs` or another namespace, and as many as there is room for; how many. */
  dueKeys(untilMs: number, namespace: Namespace, keys: unknown[]): number {
    const order = this.#order!
    const { columns } = this
    let count = 0
    for (let at = this.#next; at < order.length && count < keys.length; at++) {
      const index = order[at]!
      const timeMs = columns.times[index]!
      if (isDead(timeMs)) continue
      if (timeMs > untilMs || columns.namespaces[index] !== namespace) break
      keys[count++] = columns.keys[index]
    }
    return count
  }

  /** Closed: takes duplicates and deleted timers out of the log. */
  settle(): void {
    const { times, keys, namespaces, hashes } = this.columns
    const { count } = this
    if (count === this.#settledCount || this.#order !== undefined) return
    const slots = scratchSlots(count)
    const mask = slots.length - 1
    let kept = 0
    let deletion = 0
    let deadCount = 0
    for (let i = 0; i < count; i++) {
      const hash = hashes[i]!
      const timeMs = times[i]!
      const key = keys[i]
      const namespace = namespaces[i]!
      let at = (hash << 1) & mask
      let found = -1
      for (let held = slots[at + 1]!; held !== 0; held = slots[at + 1]!) {
        if (slots[at] === hash && i >= this.#settledCount && this.isAt(held - 1, key, namespace, timeMs)) {
          found = held - 1
          break
        }
        at = (at + 2) & mask
      }
      if (this.#deletions[deletion] === i) {
        deletion++
        if (found < 0) continue
        times[found] = Number.NaN
        deadCount++
        continue
      }
      if (found >= 0) continue
      slots[at] = hash
      slots[at + 1] = kept + 1
      times[kept] = timeMs
      keys[kept] = key
      namespaces[kept] = namespace
      hashes[kept] = hash
      kept++
    }
    this.#deletions = []
    this.#truncate(deadCount === 0 ? kept : this.#dropDead(kept))
    this.#settledCount = this.count
    this.#settleAt = Math.max(this.count * settleFactor, settleEntriesMin)
  }

  #put(key: unknown, namespace: Namespace, timeMs: number, hash: number): number {
    const { columns } = this
    const index = this.count++
    if (index === columns.capacity) columns.grow()
    columns.times[index] = timeMs
    columns.keys[index] = key
    columns.namespaces[index] = namespace
    columns.hashes[index] = hash
    return index
  }

  #dropDead(count: number): number {
    const { times, keys, namespaces, hashes } = this.columns
    let kept = 0
    for (let i = 0; i < count; i++) {
      if (isDead(times[i]!)) continue
      times[kept] = times[i]!
      keys[kept] = keys[i]
      namespaces[kept] = namespaces[i]!
      hashes[kept] = hashes[i]!
      kept++
    }
    return kept
  }

  #truncate(count: number): void {
    for (let i = count; i < this.count; i++) this.columns.kill(i)
    this.count = count
  }

  #open(): void {
    this.settle()
    this.#liveCount = this.count
    this.#order = orderOf(this.columns.times.subarray(0, this.count))
  }

  /** Slots of all live entries, with room for more. */
  #openSlots(): Int32Array {
    if (this.#slots !== undefined) return this.#slots
    const { times, hashes } = this.columns
    const slots = new Int32Array(slotWords(this.count * 2))
    const mask = slots.length - 1
    for (let i = 0; i < this.count; i++) {
      if (isDead(times[i]!)) continue
      const hash = hashes[i]!
      let at = (hash << 1) & mask
      while (slots[at + 1] !== 0) at = (at + 2) & mask
      slots[at] = hash
      slots[at + 1] = i + 1
    }
    this.#slots = slots
    return slots
  }

  #pushLate(index: number, timeMs: number): void {
    const late = this.#late
    const lateMs = this.#lateMs
    let at = late.length
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (!isBefore(timeMs, index, lateMs[parent]!, late[parent]!)) break
      late[at] = late[parent]!
      lateMs[at] = lateMs[parent]!
      at = parent
    }
    late[at] = index
    lateMs[at] = timeMs
  }

  #popLate(): void {
    const late = this.#late
    const lateMs = this.#lateMs
    const index = late.pop()!
    const timeMs = lateMs.pop()!
    const count = late.length
    if (count === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= count) break
      const other = child + 1
      if (other < count && isBefore(lateMs[other]!, late[other]!, lateMs[child]!, late[child]!)) child = other
      if (!isBefore(lateMs[child]!, late[child]!, timeMs, index)) break
      late[at] = late[child]!
      lateMs[at] = lateMs[child]!
      at = child
    }
    late[at] = index
    lateMs[at] = timeMs
  }
}

function isBefore(leftMs: number, left: number, rightMs: number, right: number): boolean {
  return leftMs < rightMs || (leftMs === rightMs && left < right)
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

/** Words of a table of pairs, a power of two, for so many entries at two thirds full at most. */
function slotWords(entries: number): number {
  let words = 64
  while (words * 3 < entries * 8 * 2) words *= 2
  return words
}

let scratch: Int32Array = new Int32Array(0)
/** Whole times that span fewer ms than this, or than twice their number, are ordered by counting. */
const countedTimesMin = 1024

/** Larger tables are not kept. */
const scratchWordsMax = 1 << 20

function scratchSlots(entries: number): Int32Array {
  const words = slotWords(entries)
  if (words > scratchWordsMax) return new Int32Array(words)
  if (scratch.length < words) scratch = new Int32Array(words)
  return scratch.length === words ? scratch.fill(0) : scratch.subarray(0, words).fill(0)
}

/** Indexes of `times` by time, equal times in their order. No time is NaN. */
function orderOf(times: Float64Array): Uint32Array {
  const count = times.length
  const order = new Uint32Array(count)
  let min = Infinity
  let max = -Infinity
  let areWhole = true
  for (let i = 0; i < count; i++) {
    order[i] = i
    const timeMs = times[i]!
    if (timeMs < min) min = timeMs
    if (timeMs > max) max = timeMs
    if (Math.floor(timeMs) !== timeMs) areWhole = false
  }
  if (!(min < max)) return order
  if (areWhole && max - min < Math.max(count * 2, countedTimesMin))
    return orderByCount(times, min, max - min + 1, order)
  const scale = 2 ** Math.ceil(Math.log2(count + 1))
  if (!areWhole || (max - min + 1) * scale > Number.MAX_SAFE_INTEGER) {
    return order.sort((left, right) => times[left]! - times[right]! || left - right)
  }
  // Time and index fit into one double: a native sort of numbers, ten times as fast as one with a function.
  const packed = new Float64Array(count)
  for (let i = 0; i < count; i++) packed[i] = (times[i]! - min) * scale + i
  packed.sort()
  for (let i = 0; i < count; i++) order[i] = packed[i]! % scale
  return order
}

/** Where times lie so close together that each has its place in an array. */
function orderByCount(times: Float64Array, minMs: number, span: number, order: Uint32Array): Uint32Array {
  const next = new Uint32Array(span)
  for (const timeMs of times) next[timeMs - minMs]!++
  let at = 0
  for (let offset = 0; offset < span; offset++) {
    const count = next[offset]!
    next[offset] = at
    at += count
  }
  for (let i = 0; i < times.length; i++) order[next[times[i]! - minMs]!++] = i
  return order
}
