/** Multipliers of hash tables: another one for every table, so that no table's order of keys is the worst of the next. */
import { mix32 } from '../../data/key-groups.ts'

let multiplierCount = 0

/** An odd number with bits all over it; the same sequence in every run. */
export function nextMultiplier(): number {
  return mix32(++multiplierCount) | 1
}

/** Begins the sequence somewhere: a simulation's order of keys must follow from its seed alone. */
export function seedMultipliers(seed: number): void {
  multiplierCount = seed | 0
}
