/** Named sums of a slot's operators, reported to the coordinator. */
import type { Accumulators } from '../operators/operator.ts'

export class AccumulatorTotals implements Accumulators {
  readonly #totals = new Map<string, number>()

  add(name: string, amount: number): void {
    this.#totals.set(name, (this.#totals.get(name) ?? 0) + amount)
  }

  toPlain(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#totals)
  }
}
