/** What process functions see beside the record. One object per operator; it follows the record at hand. */
import { noTimestamp } from '../common/limits.ts'
import type { OperatorContext, Output } from './operator.ts'
import type { OutputTag } from './output-tag.ts'

/** Where user functions put their results. */
export interface Collector<T> {
  collect(value: T): void
}

/** What a process function knows of the record at hand, and its side outputs. */
export interface ProcessContext {
  /** Event time of the record or timer at hand, in ms; undefined where it has none. */
  timestamp(): number | undefined
  /** Clock of this machine, ms since the epoch. */
  currentProcessingTime(): number
  /** Event time that the operator has reached, in ms. */
  currentWatermark(): number
  /** Emits to a side output, with the timestamp of the record at hand. */
  output<S>(tag: OutputTag<S>, value: S): void
}

export function processContext(context: OperatorContext, output: Output<never>): ProcessContext {
  const { record, clock } = context
  return {
    timestamp: () => (record.timestampMs === noTimestamp ? undefined : record.timestampMs),
    currentProcessingTime: () => clock.nowMs(),
    currentWatermark: () => context.currentWatermarkMs(),
    output: (tag, value) => output.collectSide(tag, value),
  }
}
