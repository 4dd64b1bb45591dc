/**
 * Totals of sliding windows of few slices: per key a ring with the accumulators of the window's slices, beside each
 * other in one array. A slice enters with one look-up per key; a total is merged when it is asked for, in one pass over
 * memory that lies in order; leaving costs a bit. For windows of up to 32 slices this beats running totals (two
 * look-ups per key and slice) and two stacks (whose suffix totals outlive the young generation).
 *
 * Layout: `values[number * ringSize + slot]`, slot = slice number modulo ringSize; `masks[number]` has a bit per slot in
 * use, 0 where the number is free.
 */
import type { AccumulatorState } from '../state/keyed-state-backend.ts'
import type { Incremental } from './incremental.ts'
import { KeyIndex } from './key-index.ts'
import type { SliceGeometry } from './slice-geometry.ts'
import type { SlicePart, TotalsWalk, WindowTotals } from './window-totals.ts'

/** Bits of a mask. */
export const ringSlicesMax = 32

type Values<Acc> = Acc[] | Float64Array

export class RingTotals<In, Acc, Mid> implements WindowTotals<Acc> {
  readonly ownsTotals: boolean = true
  readonly #slices: AccumulatorState<Acc>
  readonly #incremental: Incremental<In, Acc, Mid>
  readonly #geometry: SliceGeometry
  readonly #ringSize: number
  readonly #index = new KeyIndex()
  #masks = new Int32Array(64)
  #values: Values<Acc> = []
  /** Slot of the window's first slice. */
  #firstSlot = 0

  constructor(slices: AccumulatorState<Acc>, incremental: Incremental<In, Acc, Mid>, geometry: SliceGeometry) {
    this.#slices = slices
    this.#incremental = incremental
    this.#geometry = geometry
    this.#ringSize = geometry.slicesPerWindow
  }

  enter(slices: readonly number[]): void {
    for (const slice of slices) {
      const slot = this.#slotOf(slice)
      const cursor = this.#slices.openCursor(slice)
      while (cursor.next()) this.#put(this.#numberOf(cursor.key), slot, cursor.accumulator)
    }
  }

  leave(slices: readonly number[], remaining: readonly number[]): boolean {
    let keeps = 0
    for (const slice of remaining) keeps |= 1 << this.#slotOf(slice)
    if (slices.length > 0) this.#keepSlots(keeps)
    return true
  }

  rebuild(key: unknown, parts: readonly SlicePart<Acc>[]): void {
    const number = this.#numberOf(key)
    this.#masks[number] = 0
    for (const { sliceMs, accumulator } of parts) this.#put(number, this.#slotOf(sliceMs), accumulator)
  }

  beginAt(windowStartMs: number): void {
    this.#firstSlot = this.#slotOf(windowStartMs)
  }

  walk(): TotalsWalk<Acc> {
    const { keys } = this.#index
    return new RingWalk(this.#incremental, keys, this.#masks, this.#values, this.#ringSize, this.#firstSlot)
  }

  #keepSlots(keeps: number): void {
    const masks = this.#masks
    const { keys } = this.#index
    for (let number = 0; number < keys.length; number++) {
      if (masks[number] === 0) continue
      masks[number]! &= keeps
      if (masks[number] === 0) this.#index.remove(number)
    }
  }

  #numberOf(key: unknown): number {
    const found = this.#index.find(key)
    if (found >= 0) return found
    const number = this.#index.add(key)
    if (number >= this.#masks.length) this.#grow()
    return number
  }

  #put(number: number, slot: number, accumulator: Acc): void {
    if (this.#values.length === 0) this.#values = this.#emptyValues(accumulator)
    this.#masks[number]! |= 1 << slot
    this.#values[number * this.#ringSize + slot] = accumulator as Acc & number
  }

  #emptyValues(first: Acc): Values<Acc> {
    const length = this.#masks.length * this.#ringSize
    return typeof first === 'number' ? new Float64Array(length) : Array.from<Acc>({ length })
  }

  #grow(): void {
    const masks = new Int32Array(this.#masks.length * 2)
    masks.set(this.#masks)
    this.#masks = masks
    if (!(this.#values instanceof Float64Array)) return
    const values = new Float64Array(this.#values.length * 2)
    values.set(this.#values)
    this.#values = values
  }

  #slotOf(sliceMs: number): number {
    const slot = this.#geometry.sliceNumber(sliceMs) % this.#ringSize
    return slot < 0 ? slot + this.#ringSize : slot
  }
}

class RingWalk<In, Acc, Mid> implements TotalsWalk<Acc> {
  key: unknown = undefined
  accumulator: Acc = undefined as Acc
  readonly #incremental: Incremental<In, Acc, Mid>
  readonly #keys: readonly unknown[]
  readonly #masks: Int32Array
  readonly #values: Values<Acc>
  readonly #ringSize: number
  readonly #firstSlot: number
  #number = -1

  constructor(
    incremental: Incremental<In, Acc, Mid>,
    keys: readonly unknown[],
    masks: Int32Array,
    values: Values<Acc>,
    ringSize: number,
    firstSlot: number,
  ) {
    this.#incremental = incremental
    this.#keys = keys
    this.#masks = masks
    this.#values = values
    this.#ringSize = ringSize
    this.#firstSlot = firstSlot
  }

  next(): boolean {
    const count = this.#keys.length
    const masks = this.#masks
    let number = this.#number + 1
    while (number < count && masks[number] === 0) number++
    this.#number = number
    if (number >= count) return false
    this.key = this.#keys[number]
    this.accumulator = this.#merged(number * this.#ringSize, masks[number]!)
    return true
  }

  /** Oldest slice first. */
  #merged(base: number, mask: number): Acc {
    const { merge, fresh } = this.#incremental
    const values = this.#values as Acc[]
    const size = this.#ringSize
    let slot = this.#firstSlot
    let left = size
    while (((mask >>> slot) & 1) === 0) {
      slot = slot + 1 === size ? 0 : slot + 1
      left--
    }
    let total = fresh(values[base + slot]!)
    while (--left > 0) {
      slot = slot + 1 === size ? 0 : slot + 1
      if (((mask >>> slot) & 1) !== 0) total = merge!(total, values[base + slot]!)
    }
    return total
  }
}
