/**
 * Records and events that a writer holds back, in order. Records are copied: a program may go on changing the object
 * that it emitted. Bounded by its user: callers stop soon after `isFull`. Cold: it is used where credit has run out, and
 * before a schema is known.
 */
import { copyValue } from '../data/copy-value.ts'
import type { StreamEvent } from './stream-event.ts'

class HeldEvent {
  readonly event: StreamEvent

  constructor(event: StreamEvent) {
    this.event = event
  }
}

export interface HeldRecords {
  readonly values: unknown[]
  readonly timestampsMs: number[]
}

export class HeldQueue {
  #values: unknown[] = []
  #timestampsMs: number[] = []
  #head = 0

  get length(): number {
    return this.#values.length - this.#head
  }

  addRecord(value: unknown, timestampMs: number): void {
    this.#values.push(copyValue(value))
    this.#timestampsMs.push(timestampMs)
  }

  addEvent(event: StreamEvent): void {
    this.#values.push(new HeldEvent(event))
    this.#timestampsMs.push(0)
  }

  /** The event at the head; undefined where a record is (or nothing). */
  headEvent(): StreamEvent | undefined {
    const head = this.#values[this.#head]
    return head instanceof HeldEvent ? head.event : undefined
  }

  headValue(): unknown {
    return this.#values[this.#head]
  }

  headTimestampMs(): number {
    return this.#timestampsMs[this.#head]!
  }

  shift(): void {
    this.#values[this.#head] = undefined
    this.#head++
    if (this.#head === this.#values.length) this.clear()
  }

  clear(): void {
    this.#values = []
    this.#timestampsMs = []
    this.#head = 0
  }

  /** All records (there are no events among samples), and the queue is empty. */
  takeRecords(): HeldRecords {
    const taken = { values: this.#values.slice(this.#head), timestampsMs: this.#timestampsMs.slice(this.#head) }
    this.clear()
    return taken
  }

  /** Records in front of the barrier of a checkpoint, or all where it is not in the queue. */
  recordsBefore(checkpointId: number): HeldRecords {
    const found: HeldRecords = { values: [], timestampsMs: [] }
    for (let i = this.#head; i < this.#values.length; i++) {
      const value = this.#values[i]
      if (isBarrier(value, checkpointId)) break
      if (value instanceof HeldEvent) continue
      found.values.push(value)
      found.timestampsMs.push(this.#timestampsMs[i]!)
    }
    return found
  }

  removeBarrier(checkpointId: number): void {
    const index = this.#values.findIndex((value) => isBarrier(value, checkpointId))
    if (index < 0) return
    this.#values.splice(index, 1)
    this.#timestampsMs.splice(index, 1)
  }
}

function isBarrier(value: unknown, checkpointId: number): boolean {
  return (
    value instanceof HeldEvent && value.event.type === 'barrier' && value.event.barrier.checkpointId === checkpointId
  )
}
