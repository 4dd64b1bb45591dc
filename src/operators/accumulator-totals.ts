/**
 * Named accumulators (Flink's counters, minimum, maximum and average): kept per slot, sent as plain data, merged by the
 * coordinator over all slots. `add` may run per record.
 */
import { MillraceError } from '../common/errors.ts'
import type { Accumulators } from './operator.ts'

/** One accumulator of one slot, as it travels. */
export interface PlainAccumulator {
  readonly kind: 'sum' | 'min' | 'max' | 'average'
  readonly value: number
  /** Amounts that went into it. */
  readonly count: number
}

export type PlainAccumulators = Readonly<Record<string, PlainAccumulator>>

interface Cell {
  readonly kind: PlainAccumulator['kind']
  value: number
  count: number
}

export class AccumulatorTotals implements Accumulators {
  readonly #cells = new Map<string, Cell>()
  /** Changes with every amount. */
  #version = 0

  get version(): number {
    return this.#version
  }

  add(name: string, amount: number): void {
    const cell = this.#cellOf(name, 'sum', 0)
    cell.value += amount
    cell.count++
  }

  min(name: string, amount: number): void {
    const cell = this.#cellOf(name, 'min', Number.POSITIVE_INFINITY)
    if (amount < cell.value) cell.value = amount
    cell.count++
  }

  max(name: string, amount: number): void {
    const cell = this.#cellOf(name, 'max', Number.NEGATIVE_INFINITY)
    if (amount > cell.value) cell.value = amount
    cell.count++
  }

  average(name: string, amount: number): void {
    const cell = this.#cellOf(name, 'average', 0)
    cell.value += amount
    cell.count++
  }

  toPlain(): PlainAccumulators {
    return Object.fromEntries([...this.#cells].map(([name, { kind, value, count }]) => [name, { kind, value, count }]))
  }

  #cellOf(name: string, kind: Cell['kind'], initial: number): Cell {
    this.#version++
    let cell = this.#cells.get(name)
    if (cell === undefined) this.#cells.set(name, (cell = { kind, value: initial, count: 0 }))
    if (cell.kind === kind) return cell
    throw new MillraceError('MR_PLAN_INVALID', `accumulator '${name}' is a ${cell.kind}, not a ${kind}`)
  }
}

/** What the accumulators of several slots come to. */
export function mergedAccumulators(all: Iterable<PlainAccumulators>): Record<string, number> {
  const merged = new Map<string, PlainAccumulator>()
  for (const one of all) {
    for (const [name, right] of Object.entries(one)) {
      const left = merged.get(name)
      merged.set(name, left === undefined ? right : merge(left, right))
    }
  }
  return Object.fromEntries(
    [...merged].map(([name, { kind, value, count }]) => [name, kind === 'average' ? value / count : value]),
  )
}

function merge(left: PlainAccumulator, right: PlainAccumulator): PlainAccumulator {
  const count = left.count + right.count
  if (left.kind === 'min') return { kind: 'min', value: Math.min(left.value, right.value), count }
  if (left.kind === 'max') return { kind: 'max', value: Math.max(left.value, right.value), count }
  return { kind: left.kind, value: left.value + right.value, count }
}
