/**
 * Totals of a sliding window over slices, per key, carried from one window to the next: slices enter at the front and
 * leave at the back. A cache on the heap of the task, rebuilt from the slices where need be; never in snapshots.
 *
 * Two ways: `RunningTotals` takes a leaving slice out of the total (`retract`): two changes per key and slice.
 * `TwoStackTotals` only merges, three times per key and slice: entered slices accumulate in `back`; when the first of
 * them has to leave, all are turned into suffix totals (`front`), from which a leaving slice is popped.
 */
import { encodedKey } from '../state/encoded-key.ts'
import type { AccumulatorState } from '../state/keyed-state-backend.ts'
import type { Incremental } from './incremental.ts'

export interface WindowTotals<Acc> {
  /** Slices, given by their starts in ascending order, join the window. They lie after all that are in it. */
  enter(slices: readonly number[]): void
  /** Slices leave; `remaining` are those still in the window, ascending. False: cannot be told exactly; start anew. */
  leave(slices: readonly number[], remaining: readonly number[]): boolean
  /** A key's content changed in slices that are in the window: `parts` holds its accumulator in each that has it. */
  rebuild(key: unknown, parts: readonly SlicePart<Acc>[]): void
  /** Totals of all keys. The walk ends where totals change. */
  walk(): TotalsWalk<Acc>
  /** True where the totals of a walk are the caller's own. */
  readonly ownsTotals: boolean
  /** The window begins with this slice. */
  beginAt(windowStartMs: number): void
}

export interface SlicePart<Acc> {
  readonly sliceMs: number
  readonly accumulator: Acc
}

export interface TotalsWalk<Acc> {
  next(): boolean
  readonly key: unknown
  readonly accumulator: Acc
}

/** Maps of keys of any type; rows and the like by value. */
class KeyMap<C> {
  readonly #cells = new Map<unknown, C>()

  get(key: unknown): C | undefined {
    return this.#cells.get(identityOf(key))
  }

  set(key: unknown, cell: C): void {
    this.#cells.set(identityOf(key), cell)
  }

  delete(key: unknown): void {
    this.#cells.delete(identityOf(key))
  }

  values(): Iterator<C> {
    return this.#cells.values()
  }
}

function identityOf(key: unknown): unknown {
  return typeof key === 'object' ? `\u0000${encodedKey(key)}` : key
}

class RunningCell<Acc> {
  readonly key: unknown
  total: Acc
  /** Slices of the window in which the key occurs. */
  sliceCount = 1

  constructor(key: unknown, total: Acc) {
    this.key = key
    this.total = total
  }
}

export class RunningTotals<In, Acc, Mid> implements WindowTotals<Acc> {
  readonly ownsTotals: boolean = false
  readonly #slices: AccumulatorState<Acc>
  readonly #incremental: Incremental<In, Acc, Mid>
  readonly #cells = new KeyMap<RunningCell<Acc>>()

  constructor(slices: AccumulatorState<Acc>, incremental: Incremental<In, Acc, Mid>) {
    this.#slices = slices
    this.#incremental = incremental
  }

  enter(slices: readonly number[]): void {
    const merge = this.#incremental.merge!
    for (const slice of slices) {
      const cursor = this.#slices.openCursor(slice)
      while (cursor.next()) {
        const { key, accumulator } = cursor
        const cell = this.#cells.get(key)
        if (cell === undefined) this.#cells.set(key, new RunningCell(key, this.#incremental.fresh(accumulator)))
        else {
          cell.total = merge(cell.total, accumulator)
          cell.sliceCount++
        }
      }
    }
  }

  leave(slices: readonly number[]): boolean {
    const retract = this.#incremental.retract!
    for (const slice of slices) {
      const cursor = this.#slices.openCursor(slice)
      while (cursor.next()) {
        const { key, accumulator } = cursor
        const cell = this.#cells.get(key)!
        if (cell.sliceCount === 1) {
          this.#cells.delete(key)
          continue
        }
        const total = retract(cell.total, accumulator)
        if (total === undefined) return false
        cell.total = total
        cell.sliceCount--
      }
    }
    return true
  }

  rebuild(key: unknown, parts: readonly SlicePart<Acc>[]): void {
    let total = this.#incremental.fresh(parts[0]!.accumulator)
    for (let i = 1; i < parts.length; i++) total = this.#incremental.merge!(total, parts[i]!.accumulator)
    const cell = new RunningCell(key, total)
    cell.sliceCount = parts.length
    this.#cells.set(key, cell)
  }

  beginAt(): void {}

  walk(): TotalsWalk<Acc> {
    return new RunningWalk(this.#cells.values())
  }
}

class RunningWalk<Acc> implements TotalsWalk<Acc> {
  key: unknown = undefined
  accumulator: Acc = undefined as Acc
  readonly #cells: Iterator<RunningCell<Acc>>

  constructor(cells: Iterator<RunningCell<Acc>>) {
    this.#cells = cells
  }

  next(): boolean {
    const { done, value } = this.#cells.next()
    if (done === true) return false
    this.key = value.key
    this.accumulator = value.total
    return true
  }
}

class TwoStackCell<Acc> {
  readonly key: unknown
  /** Merged slices that entered since the last turn. */
  back: Acc | undefined = undefined
  /** Starts of the slices before that, newest first, each with the total from there to the turn. */
  frontSlices: number[] = []
  frontTotals: Acc[] = []

  constructor(key: unknown) {
    this.key = key
  }
}

export class TwoStackTotals<In, Acc, Mid> implements WindowTotals<Acc> {
  readonly ownsTotals: boolean = false
  readonly #slices: AccumulatorState<Acc>
  readonly #incremental: Incremental<In, Acc, Mid>
  #cells = new KeyMap<TwoStackCell<Acc>>()
  /** Slices from here on are in `back`. */
  #frontToMs = Number.NEGATIVE_INFINITY

  constructor(slices: AccumulatorState<Acc>, incremental: Incremental<In, Acc, Mid>) {
    this.#slices = slices
    this.#incremental = incremental
  }

  enter(slices: readonly number[]): void {
    for (const slice of slices) {
      const cursor = this.#slices.openCursor(slice)
      while (cursor.next()) this.#pushBack(this.#cellOf(cursor.key), cursor.accumulator)
    }
  }

  leave(slices: readonly number[], remaining: readonly number[]): boolean {
    if (slices.length === 0) return true
    if (slices.at(-1)! > this.#frontToMs) {
      this.#turn(remaining)
      return true
    }
    for (const slice of slices) {
      const cursor = this.#slices.openCursor(slice)
      while (cursor.next()) this.#pop(cursor.key, slice)
    }
    return true
  }

  rebuild(key: unknown, parts: readonly SlicePart<Acc>[]): void {
    const cell = new TwoStackCell<Acc>(key)
    for (let i = parts.length - 1; i >= 0; i--) {
      if (parts[i]!.sliceMs <= this.#frontToMs) this.#pushFront(cell, parts[i]!.sliceMs, parts[i]!.accumulator)
    }
    for (const { sliceMs, accumulator } of parts) if (sliceMs > this.#frontToMs) this.#pushBack(cell, accumulator)
    this.#cells.set(key, cell)
  }

  beginAt(): void {}

  walk(): TotalsWalk<Acc> {
    return new TwoStackWalk(this.#cells.values(), this.#incremental)
  }

  /** All slices of the window become suffix totals. */
  #turn(remaining: readonly number[]): void {
    this.#cells = new KeyMap()
    for (let i = remaining.length - 1; i >= 0; i--) {
      const slice = remaining[i]!
      const cursor = this.#slices.openCursor(slice)
      while (cursor.next()) this.#pushFront(this.#cellOf(cursor.key), slice, cursor.accumulator)
    }
    this.#frontToMs = remaining.at(-1) ?? this.#frontToMs
  }

  #cellOf(key: unknown): TwoStackCell<Acc> {
    let cell = this.#cells.get(key)
    if (cell === undefined) this.#cells.set(key, (cell = new TwoStackCell<Acc>(key)))
    return cell
  }

  #pushBack(cell: TwoStackCell<Acc>, accumulator: Acc): void {
    const { fresh, merge } = this.#incremental
    cell.back = cell.back === undefined ? fresh(accumulator) : merge!(cell.back, accumulator)
  }

  #pushFront(cell: TwoStackCell<Acc>, slice: number, accumulator: Acc): void {
    const { fresh, merge } = this.#incremental
    const { frontSlices, frontTotals } = cell
    const total = fresh(accumulator)
    frontTotals.push(frontTotals.length === 0 ? total : merge!(total, frontTotals[frontTotals.length - 1]!))
    frontSlices.push(slice)
  }

  #pop(key: unknown, slice: number): void {
    const cell = this.#cells.get(key)!
    if (cell.frontSlices[cell.frontSlices.length - 1] !== slice) return
    cell.frontSlices.pop()
    cell.frontTotals.pop()
    if (cell.frontSlices.length === 0 && cell.back === undefined) this.#cells.delete(key)
  }
}

class TwoStackWalk<In, Acc, Mid> implements TotalsWalk<Acc> {
  key: unknown = undefined
  accumulator: Acc = undefined as Acc
  readonly #cells: Iterator<TwoStackCell<Acc>>
  readonly #incremental: Incremental<In, Acc, Mid>

  constructor(cells: Iterator<TwoStackCell<Acc>>, incremental: Incremental<In, Acc, Mid>) {
    this.#cells = cells
    this.#incremental = incremental
  }

  next(): boolean {
    const { done, value } = this.#cells.next()
    if (done === true) return false
    const { key, back, frontTotals } = value
    this.key = key
    if (frontTotals.length === 0) this.accumulator = back!
    else {
      const front = frontTotals[frontTotals.length - 1]!
      this.accumulator = back === undefined ? front : this.#incremental.merge!(this.#incremental.fresh(front), back)
    }
    return true
  }
}
