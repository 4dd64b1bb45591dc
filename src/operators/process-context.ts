/** What process functions see beside the record. One object per operator; it follows the record at hand. */
import { MillraceError } from '../common/errors.ts'
import { noTimestamp } from '../common/limits.ts'
import type { OperatorContext, Output } from './operator.ts'
import type { OutputTag } from './output-tag.ts'
import { requireKeyedState } from './runtime-context.ts'

/** Where user functions put their results. */
export interface Collector<T> {
  collect(value: T): void
}

/** Timers of the current key: one per time and domain, however often it is registered. Without keys: MR_STATE_NO_KEY. */
export interface TimerService {
  /** Clock of this machine, ms since the epoch. */
  currentProcessingTime(): number
  /** Event time that the operator has reached, ms. */
  currentWatermark(): number
  registerEventTimeTimer(timeMs: number): void
  registerProcessingTimeTimer(timeMs: number): void
  deleteEventTimeTimer(timeMs: number): void
  deleteProcessingTimeTimer(timeMs: number): void
}

/** What a process function knows of the record at hand, and its side outputs. */
export interface ProcessContext {
  /** Event time of the record or timer at hand, in ms; undefined where it has none. */
  timestamp(): number | undefined
  /** Clock of this machine, ms since the epoch. */
  currentProcessingTime(): number
  /** Event time that the operator has reached, in ms. */
  currentWatermark(): number
  /** Times; and, where the input is keyed, timers. */
  timerService(): TimerService
  /** Emits to a side output, with the timestamp of the record at hand. */
  output<S>(tag: OutputTag<S>, value: S): void
}

export function processContext(context: OperatorContext, output: Output<never>): ProcessContext {
  const { record, clock } = context
  const timers = timesOnly(context)
  return {
    timerService: () => timers,
    timestamp: () => (record.timestampMs === noTimestamp ? undefined : record.timestampMs),
    currentProcessingTime: () => clock.nowMs(),
    currentWatermark: () => context.currentWatermarkMs(),
    output: (tag, value) => output.collectSide(tag, value),
  }
}

/** Tells the time, and refuses timers. */
function timesOnly(context: OperatorContext): TimerService {
  const refuse = (): void => {
    requireKeyedState(context)
    const { operatorName } = context.task
    throw new MillraceError('MR_STATE_NO_KEY', `${operatorName} sets a timer for a record that has no key`, {
      context: { operator: operatorName },
    })
  }
  return {
    currentProcessingTime: () => context.clock.nowMs(),
    currentWatermark: () => context.currentWatermarkMs(),
    registerEventTimeTimer: refuse,
    registerProcessingTimeTimer: refuse,
    deleteEventTimeTimer: refuse,
    deleteProcessingTimeTimer: refuse,
  }
}
