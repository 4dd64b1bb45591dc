/** A source of ascending numbers, their own event time, of which every poll emits a given number while it may. */
import { Progress } from '../../src/common/progress.ts'
import type { Source } from '../../src/connectors/source.ts'

export interface StepSourceOptions {
  readonly count: number
  readonly perPoll: number
  /** False: idle for now. */
  readonly mayRead?: () => boolean
  /** True ends the source early. */
  readonly isOver?: () => boolean
  /** Told once, before the first record. */
  readonly startsIdle?: boolean
  readonly onCheckpoint?: (checkpointId: number) => void
}

export function stepSource(name: string, options: StepSourceOptions): Source<number, number> {
  const { count, perPoll, mayRead = () => true, isOver = () => false, startsIdle = false, onCheckpoint } = options
  return {
    name,
    boundedness: 'bounded',
    assignment: 'all',
    enumerateSplits: () => [0],
    createReader() {
      let next = count
      let hasToldIdle = !startsIdle
      return {
        addSplits: ([from]) => void (next = from ?? next),
        noMoreSplits() {},
        needsSplit: () => false,
        poll(output, recordsMax) {
          if (!hasToldIdle) output.emitStatus((hasToldIdle = true))
          if (next >= count || isOver()) return Progress.Done
          if (!mayRead()) return Progress.Idle
          const to = Math.min(count, next + Math.min(perPoll, recordsMax))
          while (next < to && !output.isFull()) output.collectAt(next, next++)
          return Progress.Working
        },
        snapshot: () => [next],
        ...(onCheckpoint !== undefined && { notifyCheckpointComplete: onCheckpoint }),
      }
    },
  }
}
