/** Counts records; a sliding window takes slices out of its running count again. */
import { type AggregateFunction, types } from '../../src/index.ts'

export const count: AggregateFunction<unknown, number, number> = {
  createAccumulator: () => 0,
  add: (_, total) => total + 1,
  getResult: (total) => total,
  merge: (left, right) => left + right,
  retract: (total, part) => total - part,
  accumulatorType: types.float64(),
}
