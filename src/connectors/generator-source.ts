/**
 * Records made from their numbers. Subtask s of p makes n = s, s + p, s + 2p, …: any record can be made again from its
 * number alone, so the source replays exactly from the numbers in its snapshot, at any parallelism.
 */
import { MillraceError } from '../common/errors.ts'
import { Progress } from '../common/progress.ts'
import type { TypeInformation } from '../data/types.ts'
import type { OperatorContext, ReaderOutput } from '../operators/operator.ts'
import { Alarm } from './alarm.ts'
import { RateLimit } from './rate-limit.ts'
import type { Source, SourceReader } from './source.ts'
import { type StrideSplit, StrideReading, strideSplits } from './stride-split.ts'

/** Which records are made, how many and how fast. */
export interface GeneratorOptions<T> {
  /** How many records in all, over all subtasks. Absent: without end. */
  readonly count?: number
  /** Makes record `index`, 0 … count - 1. Called again for the same index after a recovery: it must be deterministic. */
  readonly make: (index: number) => T
  /** At most so many records per second in all, over all subtasks. Default: as fast as possible. */
  readonly ratePerSecond?: number
  readonly type?: TypeInformation<T>
}

/**
 * A source of made records.
 * MR_CONFIG_INVALID_VALUE where `count` is not a whole number from 0 or `ratePerSecond` is not positive.
 * @example env.source(generator({ count: 1_000_000, make: (n) => ({ id: n, key: n % 10 }) }))
 */
export function generator<T>(options: GeneratorOptions<T>): Source<T, StrideSplit> {
  const { count, make, ratePerSecond, type } = options
  if (count !== undefined && (!Number.isSafeInteger(count) || count < 0)) {
    throw new MillraceError('MR_CONFIG_INVALID_VALUE', `generator count must be a whole number >= 0, got ${count}`)
  }
  if (ratePerSecond !== undefined && !(ratePerSecond > 0)) {
    throw new MillraceError('MR_CONFIG_INVALID_VALUE', `ratePerSecond must be > 0, got ${ratePerSecond}`)
  }
  return {
    name: count === undefined ? 'generator' : `generator(${count})`,
    boundedness: count === undefined ? 'unbounded' : 'bounded',
    type,
    assignment: 'all',
    enumerateSplits: ({ parallelism }) => strideSplits(parallelism, count ?? -1),
    createReader: (context) => new GeneratorReader(make, ratePerSecond, context),
  }
}

class GeneratorReader<T> implements SourceReader<T, StrideSplit> {
  readonly #make: (index: number) => T
  readonly #strides = new StrideReading()
  readonly #limit: RateLimit | undefined
  readonly #alarm: Alarm

  constructor(make: (index: number) => T, ratePerSecond: number | undefined, context: OperatorContext) {
    this.#make = make
    this.#alarm = new Alarm(context)
    if (ratePerSecond !== undefined) {
      this.#limit = new RateLimit(ratePerSecond / context.task.parallelism, context.clock)
    }
  }

  addSplits(splits: readonly StrideSplit[]): void {
    this.#strides.add(splits)
  }

  noMoreSplits(): void {
    this.#strides.complete()
  }

  needsSplit(): boolean {
    return this.#strides.needsSplit
  }

  poll(output: ReaderOutput<T>, recordsMax: number): Progress {
    const granted = this.#limit?.grant(recordsMax) ?? recordsMax
    if (granted === 0) {
      this.#alarm.set(this.#limit?.delayMs() ?? 0)
      return Progress.Idle
    }
    const strides = this.#strides
    if (!strides.select(granted)) {
      this.#limit?.giveBack(granted)
      return strides.progressWhenEmpty
    }
    const make = this.#make
    const target = strides.outputFor(output)
    const { step, stop } = strides
    let { next } = strides
    while (next < stop && !target.isFull()) {
      target.collect(make(next))
      next += step
    }
    this.#limit?.giveBack(granted - (next - strides.next) / step)
    strides.next = next
    return Progress.Working
  }

  pauseOrResumeSplits(splitsToPause: readonly string[], splitsToResume: readonly string[]): void {
    this.#strides.pauseOrResume(splitsToPause, splitsToResume)
  }

  snapshot(): readonly StrideSplit[] {
    return this.#strides.snapshot()
  }

  close(): void {
    this.#alarm.clear()
  }
}
