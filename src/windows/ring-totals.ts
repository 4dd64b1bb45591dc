/**
 * Totals of sliding windows of up to 32 slices: per key a ring with the accumulators of the window's slices, beside each
 * other in one array. A slice enters with one look-up per key and leaves with a bit.
 *
 * Numbers are merged when a total is asked for, in one pass over memory that lies in order; with `retract` a running
 * total per key (`sums`) goes along. Where merging makes objects, fewer merges are worth more: see `RingStacks`.
 *
 * Layout: `values[number * ringSize + slot]`, slot = slice number modulo ringSize; beside running totals `values[slot * capacity + number]`: a slice then enters and leaves through memory that lies in order (keys come
 * in about the order of their numbers). `masks[number]` has a bit per slot in use, 0 where the number is free; its length
 * is the capacity.
 */
import type { AccumulatorState } from '../state/keyed-state-backend.ts'
import type { Incremental } from './incremental.ts'
import { KeyIndex } from './key-index.ts'
import { RingStacks } from './ring-stacks.ts'
import { NumberWalk, type Rings, RingWalk, StackWalk, SumWalk } from './ring-walks.ts'
import type { SliceGeometry } from './slice-geometry.ts'
import type { SlicePart, TotalsWalk, WindowTotals } from './window-totals.ts'

/** Bits of a mask. */
export const ringSlicesMax = 32
/** Windows of fewer slices are merged anew, whatever the accumulators are. */
const stackedSlicesMin = 5

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
  /** In place of `#values`: objects in windows of many slices. */
  #stacks: RingStacks<In, Acc, Mid> | undefined
  /** Float64Array by number: running totals of numbers that can be retracted. */
  #sums: Float64Array | undefined
  /** From one number's place in `values`, and from one slot's, to the next. */
  #numberStride: number
  #slotStride = 1

  constructor(slices: AccumulatorState<Acc>, incremental: Incremental<In, Acc, Mid>, geometry: SliceGeometry) {
    this.#slices = slices
    this.#incremental = incremental
    this.#geometry = geometry
    this.#ringSize = this.#numberStride = geometry.slicesPerWindow
  }

  enter(slices: readonly number[]): void {
    for (const slice of slices) {
      const slot = this.#slotOf(slice)
      const cursor = this.#slices.openCursor(slice)
      while (cursor.next()) {
        const number = this.#numberOf(cursor.key)
        this.#put(number, slot, cursor.accumulator)
        if (this.#stacks !== undefined) this.#stacks.push(number, cursor.accumulator)
        else if (this.#sums !== undefined) this.#addTo(this.#sums, number, cursor.accumulator)
      }
    }
  }

  leave(slices: readonly number[], remaining: readonly number[]): boolean {
    if (slices.length === 0) return true
    let keeps = 0
    for (const slice of remaining) keeps |= 1 << this.#slotOf(slice)
    const stacks = this.#stacks
    const isBackReached = stacks !== undefined && slices.some((slice) => !stacks.inFront(this.#slotOf(slice)))
    stacks?.keep(keeps, isBackReached)
    this.#keepSlots(keeps)
    if (isBackReached) stacks.turn(this.#masks, this.#index.bound, this.#newestFirst(remaining))
    return true
  }

  rebuild(key: unknown, parts: readonly SlicePart<Acc>[]): void {
    const number = this.#numberOf(key)
    this.#masks[number] = 0
    for (const { sliceMs, accumulator } of parts) {
      this.#put(number, this.#slotOf(sliceMs), accumulator)
      if (this.#sums !== undefined) this.#addTo(this.#sums, number, accumulator)
    }
    const stacks = this.#stacks
    if (stacks === undefined) return
    stacks.dropBack(number)
    const inFront = ({ sliceMs }: SlicePart<Acc>): boolean => stacks.inFront(this.#slotOf(sliceMs))
    stacks.turnOne(number, this.#masks[number]!, this.#newestFirst(parts.filter(inFront).map(({ sliceMs }) => sliceMs)))
    for (const part of parts) if (!inFront(part)) stacks.push(number, part.accumulator)
  }

  beginAt(windowStartMs: number): void {
    this.#firstSlot = this.#slotOf(windowStartMs)
  }

  walk(): TotalsWalk<Acc> {
    const incremental = this.#incremental
    const rings: Rings = {
      keys: this.#index.keys,
      masks: this.#masks,
      size: this.#ringSize,
      numberStride: this.#numberStride,
      slotStride: this.#slotStride,
      firstSlot: this.#firstSlot,
    }
    if (this.#stacks !== undefined) return new StackWalk(rings, this.#stacks)
    const values = this.#values
    if (!(values instanceof Float64Array)) return new RingWalk(rings, incremental, values)
    const walk =
      this.#sums === undefined
        ? new NumberWalk(rings, incremental.merge as never, values)
        : new SumWalk(rings, this.#sums)
    return walk as TotalsWalk<unknown> as TotalsWalk<Acc>
  }

  /** The key's slot has been put already. */
  #addTo(sums: Float64Array, number: number, accumulator: Acc): void {
    const isFirst = (this.#masks[number]! & (this.#masks[number]! - 1)) === 0
    const merge = this.#incremental.merge as unknown as (left: number, right: number) => number
    sums[number] = isFirst ? (accumulator as number) : merge(sums[number]!, accumulator as number)
  }

  /** Takes the slots of `leaving` out of a running total; false where that cannot be told. */
  #subtractFrom(sums: Float64Array, number: number, leaving: number): boolean {
    const retract = this.#incremental.retract as unknown as (total: number, part: number) => number | undefined
    const base = number * this.#numberStride
    for (let bits = leaving; bits !== 0; bits &= bits - 1) {
      const slot = 31 - Math.clz32(bits & -bits)
      const total = retract(sums[number]!, (this.#values as Float64Array)[base + slot * this.#slotStride]!)
      if (total === undefined) return false
      sums[number] = total
    }
    return true
  }

  #newestFirst(slices: readonly number[]): number[] {
    return slices.map((slice) => this.#slotOf(slice)).reverse()
  }

  #keepSlots(keeps: number): void {
    const masks = this.#masks
    const { keys } = this.#index
    for (let number = 0; number < keys.length; number++) {
      const mask = masks[number]!
      if (mask === 0) continue
      const kept = mask & keeps
      masks[number] = kept
      if (kept !== 0) {
        if (this.#sums === undefined || kept === mask) continue
        if (!this.#subtractFrom(this.#sums, number, mask & ~keeps)) this.#sums = undefined
        continue
      }
      this.#index.remove(number)
      this.#stacks?.dropBack(number)
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
    if (this.#values.length === 0 && this.#stacks === undefined) this.#begin(accumulator)
    this.#masks[number]! |= 1 << slot
    if (this.#stacks !== undefined) return this.#stacks.put(number, slot, accumulator)
    this.#values[number * this.#numberStride + slot * this.#slotStride] = accumulator as Acc & number
  }

  #begin(first: Acc): void {
    const capacity = this.#masks.length
    if (typeof first === 'object' && this.#ringSize >= stackedSlicesMin) {
      this.#stacks = new RingStacks(this.#incremental, first, this.#ringSize, capacity)
      return
    }
    const length = capacity * this.#ringSize
    this.#values = typeof first === 'number' ? new Float64Array(length) : Array.from<Acc>({ length })
    if (typeof first === 'number' && this.#incremental.retract !== undefined) {
      this.#sums = new Float64Array(capacity)
      this.#numberStride = 1
      this.#slotStride = capacity
    }
  }

  #grow(): void {
    const masks = new Int32Array(this.#masks.length * 2)
    masks.set(this.#masks)
    this.#masks = masks
    this.#stacks?.grow(masks.length)
    if (!(this.#values instanceof Float64Array)) return
    this.#growValues(this.#values)
    if (this.#sums === undefined) return
    const sums = new Float64Array(masks.length)
    sums.set(this.#sums)
    this.#sums = sums
  }

  #growValues(values: Float64Array): void {
    const wider = new Float64Array(values.length * 2)
    const stride = this.#slotStride
    if (stride === 1) wider.set(values)
    else {
      for (let at = 0; at < values.length; at += stride) wider.set(values.subarray(at, at + stride), at * 2)
      this.#slotStride = stride * 2
    }
    this.#values = wider
  }

  #slotOf(sliceMs: number): number {
    const slot = this.#geometry.sliceNumber(sliceMs) % this.#ringSize
    return slot < 0 ? slot + this.#ringSize : slot
  }
}
