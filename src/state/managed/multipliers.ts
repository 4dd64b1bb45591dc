/** Multipliers of hash tables: another one for every table, so that no table's order of keys is the worst of the next. */
import { mix32 } from '../../data/key-groups.ts'

let multiplierCount = 0
/** In use by tables that came with theirs. */
const taken: Set<number> = new Set()

/** An odd number with bits all over it; the same sequence in every run. */
export function nextMultiplier(): number {
  let multiplier = mix32(++multiplierCount) | 1
  while (taken.has(multiplier)) multiplier = mix32(++multiplierCount) | 1
  return multiplier
}

/** A table takes the multiplier of the one that it is restored from: no other table is to get it. */
export function takeMultiplier(multiplier: number): void {
  taken.add(multiplier)
}

/** Begins the sequence somewhere: a simulation's order of keys must follow from its seed alone. */
export function seedMultipliers(seed: number): void {
  multiplierCount = seed | 0
  taken.clear()
}
