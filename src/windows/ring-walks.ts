/**
 * Walks over the totals of a sliding window, as `RingTotals` keeps them: one for each way in which a key's total is
 * made. They end where the totals change. Hot per result.
 */
import type { Incremental } from './incremental.ts'
import type { RingStacks } from './ring-stacks.ts'
import type { TotalsWalk } from './window-totals.ts'

/** Keys by number, and which slots of its ring each uses. */
export interface Rings {
  readonly keys: readonly unknown[]
  /** A bit per slot in use; 0 where the number is free. */
  readonly masks: Int32Array
  readonly size: number
  /** From one number's place in the values, and from one slot's, to the next. */
  readonly numberStride: number
  readonly slotStride: number
  /** Slot of the window's first slice. */
  readonly firstSlot: number
}

/** The keys in use, one after another. */
abstract class KeyWalk {
  key: unknown = undefined
  protected readonly rings: Rings
  protected mask = 0
  #number = -1

  constructor(rings: Rings) {
    this.rings = rings
  }

  /** Number of the next key, -1 at the end. */
  protected step(): number {
    const { keys, masks } = this.rings
    const count = keys.length
    let number = this.#number + 1
    while (number < count && masks[number] === 0) number++
    this.#number = number
    if (number >= count) return -1
    this.key = keys[number]
    this.mask = masks[number]!
    return number
  }

  /** The slot after another, around the ring. */
  protected after(slot: number): number {
    return slot + 1 === this.rings.size ? 0 : slot + 1
  }
}

/** Totals of objects in rings of many slots. */
export class StackWalk<In, Acc, Mid> extends KeyWalk implements TotalsWalk<Acc> {
  accumulator: Acc = undefined as Acc
  readonly #stacks: RingStacks<In, Acc, Mid>

  constructor(rings: Rings, stacks: RingStacks<In, Acc, Mid>) {
    super(rings)
    this.#stacks = stacks
  }

  next(): boolean {
    const number = this.step()
    if (number < 0) return false
    this.accumulator = this.#stacks.total(number, this.mask, this.rings.firstSlot)
    return true
  }
}

/** Running totals. */
export class SumWalk extends KeyWalk implements TotalsWalk<number> {
  accumulator = 0
  readonly #sums: Float64Array

  constructor(rings: Rings, sums: Float64Array) {
    super(rings)
    this.#sums = sums
  }

  next(): boolean {
    const number = this.step()
    if (number < 0) return false
    this.accumulator = this.#sums[number]!
    return true
  }
}

/** All slots merged, oldest first; numbers stay unboxed. */
export class NumberWalk extends KeyWalk implements TotalsWalk<number> {
  accumulator = 0
  readonly #merge: (left: number, right: number) => number
  readonly #values: Float64Array

  constructor(rings: Rings, merge: (left: number, right: number) => number, values: Float64Array) {
    super(rings)
    this.#merge = merge
    this.#values = values
  }

  next(): boolean {
    const number = this.step()
    if (number < 0) return false
    const { size, firstSlot, numberStride, slotStride } = this.rings
    const merge = this.#merge
    const values = this.#values
    const base = number * numberStride
    let total = 0
    let isEmpty = true
    for (let i = 0, slot = firstSlot; i < size; i++, slot = this.after(slot)) {
      if (((this.mask >>> slot) & 1) === 0) continue
      const value = values[base + slot * slotStride]!
      total = isEmpty ? value : +merge(total, value)
      isEmpty = false
    }
    this.accumulator = total
    return true
  }
}

/** As `NumberWalk`, for all other accumulators. */
export class RingWalk<In, Acc, Mid> extends KeyWalk implements TotalsWalk<Acc> {
  accumulator: Acc = undefined as Acc
  readonly #incremental: Incremental<In, Acc, Mid>
  readonly #values: readonly Acc[]

  constructor(rings: Rings, incremental: Incremental<In, Acc, Mid>, values: readonly Acc[]) {
    super(rings)
    this.#incremental = incremental
    this.#values = values
  }

  next(): boolean {
    const number = this.step()
    if (number < 0) return false
    const { size, firstSlot } = this.rings
    const { merge, fresh } = this.#incremental
    const base = number * size
    let total: Acc | undefined
    let isEmpty = true
    for (let i = 0, slot = firstSlot; i < size; i++, slot = this.after(slot)) {
      if (((this.mask >>> slot) & 1) === 0) continue
      const value = this.#values[base + slot]!
      total = isEmpty ? fresh(value) : merge!(total as Acc, value)
      isEmpty = false
    }
    this.accumulator = total as Acc
    return true
  }
}
