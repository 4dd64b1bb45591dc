/**
 * Timers as columns, and those that nobody uses any more: buckets come and go with the time, and their arrays would keep
 * the garbage collector busy (a scavenge copies what lives, and timers do).
 */
import type { Namespace } from '../state/keyed-state-backend.ts'

const capacityMin = 64
/** Timers' worth of columns that a queue keeps to be used again. */
const keptEntriesMax = 65_536

export class TimerColumns {
  capacity: number = capacityMin
  /** NaN: dead. */
  times: Float64Array = new Float64Array(capacityMin)
  hashes: Int32Array = new Int32Array(capacityMin)
  readonly keys: unknown[] = []
  readonly namespaces: Namespace[] = []

  constructor() {
    this.#extendTo(capacityMin)
  }

  grow(): void {
    const { times, hashes } = this
    this.capacity *= 2
    this.times = new Float64Array(this.capacity)
    this.hashes = new Int32Array(this.capacity)
    this.times.set(times)
    this.hashes.set(hashes)
    this.#extendTo(this.capacity)
  }

  /** The entry is dead; its key may go. */
  kill(index: number): void {
    this.times[index] = Number.NaN
    this.keys[index] = undefined
    this.namespaces[index] = 0
  }

  #extendTo(capacity: number): void {
    const { keys, namespaces } = this
    while (keys.length < capacity) {
      keys.push(undefined)
      namespaces.push(0)
    }
  }
}

/** Columns of one queue that wait for their next bucket. */
export class ColumnPool {
  readonly #kept: TimerColumns[] = []
  #keptEntries = 0

  take(): TimerColumns {
    const columns = this.#kept.pop()
    if (columns === undefined) return new TimerColumns()
    this.#keptEntries -= columns.capacity
    return columns
  }

  /** All of their entries are dead. */
  give(columns: TimerColumns): void {
    if (this.#keptEntries + columns.capacity > keptEntriesMax) return
    this.#keptEntries += columns.capacity
    this.#kept.push(columns)
  }
}
