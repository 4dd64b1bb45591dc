/**
 * Totals of objects in rings of many slots, with three merges per key and slice: entered slices accumulate in a back; when
 * the first of them has to leave, all are turned once into suffix totals (fronts), and a total is the suffix from the
 * window's start, merged with the back.
 *
 * Layout, by number of the key: its slots, their suffix totals, its back. Hot per (key, slice).
 */
import { AccumulatorColumns } from './accumulator-columns.ts'
import type { Incremental } from './incremental.ts'

export class RingStacks<In, Acc, Mid> {
  readonly #incremental: Incremental<In, Acc, Mid>
  readonly #size: number
  readonly #stride: number
  readonly #places: AccumulatorColumns<Acc>
  /** By number: 1 where there is a back. */
  #hasBack: Uint8Array
  /** Slots with suffix totals; the others are merged in backs. */
  #frontBits = 0

  /** For accumulators like `first`, rings of `size` slots and `capacity` keys. */
  constructor(incremental: Incremental<In, Acc, Mid>, first: Acc, size: number, capacity: number) {
    this.#incremental = incremental
    this.#size = size
    this.#stride = 2 * size + 1
    this.#places = new AccumulatorColumns(first, capacity * this.#stride)
    this.#hasBack = new Uint8Array(capacity)
  }

  grow(capacity: number): void {
    this.#places.grow(capacity * this.#stride)
    const wider = new Uint8Array(capacity)
    wider.set(this.#hasBack)
    this.#hasBack = wider
  }

  put(number: number, slot: number, accumulator: Acc): void {
    this.#places.set(number * this.#stride + slot, accumulator)
  }

  /** What a slot that comes after all others holds joins the back. */
  push(number: number, accumulator: Acc): void {
    const at = this.#backOf(number)
    const places = this.#places
    if (this.#hasBack[number] === 1) places.set(at, this.#merge(places.get(at), accumulator, true))
    else places.set(at, places.copies ? accumulator : this.#incremental.fresh(accumulator))
    this.#hasBack[number] = 1
  }

  dropBack(number: number): void {
    this.#hasBack[number] = 0
  }

  inFront(slot: number): boolean {
    return ((this.#frontBits >>> slot) & 1) !== 0
  }

  /** Only the slots in `keeps` stay. Where one has left that was merged in backs, `turn` must follow. */
  keep(keeps: number, isBackReached: boolean): void {
    this.#frontBits = isBackReached ? keeps : this.#frontBits & keeps
  }

  /** All slots of the window become suffix totals. */
  turn(masks: Int32Array, bound: number, newestFirst: readonly number[]): void {
    this.#hasBack.fill(0)
    for (let number = 0; number < bound; number++) {
      if (masks[number] !== 0) this.turnOne(number, masks[number]!, newestFirst)
    }
  }

  turnOne(number: number, mask: number, newestFirst: readonly number[]): void {
    const places = this.#places
    const base = number * this.#stride
    let total: Acc | undefined
    for (const slot of newestFirst) {
      if (((mask >>> slot) & 1) === 0) continue
      const value = places.get(base + slot)
      total = total === undefined ? value : this.#merge(value, total, false)
      places.set(base + this.#size + slot, total)
    }
  }

  /** Of the slots in `mask`, for the caller to keep; `firstSlot` is the window's first. */
  total(number: number, mask: number, firstSlot: number): Acc {
    const places = this.#places
    const inFront = mask & this.#frontBits
    if (inFront === 0) return this.#own(places.get(this.#backOf(number)))
    let slot = firstSlot
    while (((inFront >>> slot) & 1) === 0) slot = slot + 1 === this.#size ? 0 : slot + 1
    const front = places.get(number * this.#stride + this.#size + slot)
    if (this.#hasBack[number] === 0) return this.#own(front)
    return this.#merge(front, places.get(this.#backOf(number)), false)
  }

  #backOf(number: number): number {
    return number * this.#stride + 2 * this.#size
  }

  #own(accumulator: Acc): Acc {
    return this.#places.copies ? accumulator : this.#incremental.fresh(accumulator)
  }

  #merge(left: Acc, right: Acc, isOwned: boolean): Acc {
    return this.#incremental.merge!(isOwned ? left : this.#own(left), right)
  }
}
