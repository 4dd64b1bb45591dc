/**
 * Counts result rows and adds up what the workload's check says. Exact over crashes: the sums are part of the snapshot
 * and reach the job's accumulators `rows` and `sum` at the end, or, where they were restored, at once: a run after the
 * last checkpoint has nothing left to write.
 */
import { Progress } from '../../src/common/progress.ts'
import type { Sink } from '../../src/index.ts'

interface Sums {
  readonly rows: number
  readonly sum: number
}

export function checkSink<T>(valueOf: (row: T) => number): Sink<T, never, Sums> {
  return {
    name: 'check',
    createWriter({ accumulators }) {
      let rows = 0
      let sum = 0
      let reported: Sums = { rows, sum }
      const report = (): void => {
        accumulators.add('rows', rows - reported.rows)
        accumulators.add('sum', sum - reported.sum)
        reported = { rows, sum }
      }
      return {
        restoreState(states) {
          for (const state of states) {
            rows += state.rows
            sum += state.sum
          }
          report()
        },
        write(row) {
          rows++
          sum += valueOf(row)
        },
        flush(endOfInput) {
          if (endOfInput) report()
          return Progress.Done
        },
        snapshotState: () => [{ rows, sum }],
      }
    },
  }
}
