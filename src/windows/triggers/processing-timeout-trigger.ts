/** Fires where another trigger does, or once `timeoutMs` of processing time have passed since the first (or last) record. */
import { MillraceError } from '../../common/errors.ts'
import { types } from '../../data/types.ts'
import type { ValueStateDescriptor } from '../../state/keyed-state-backend.ts'
import { isFire, isPurge, type Trigger, type TriggerContext, TriggerResult } from '../trigger.ts'
import type { Window } from '../window.ts'

/** What a time-out does besides firing. */
export interface ProcessingTimeoutOptions {
  /** Count the time-out from the last record instead of the first. Default false. */
  readonly resetTimerOnNewRecord?: boolean
  /** Clear the inner trigger's state when the time-out fires. Default true. */
  readonly shouldClearOnTimeout?: boolean
}

const timeout: ValueStateDescriptor<number> = { kind: 'value', name: 'timeout', type: types.float64() }

/** Fires where another trigger does, or after a time-out of processing time. */
export function processingTimeoutTrigger<T, W extends Window = Window>(
  inner: Trigger<T, W>,
  timeoutMs: number,
  { resetTimerOnNewRecord = false, shouldClearOnTimeout = true }: ProcessingTimeoutOptions = {},
): Trigger<T, W> {
  if (!(Number.isInteger(timeoutMs) && timeoutMs > 0)) {
    throw new MillraceError('MR_TIME_INVALID', `ProcessingTimeoutTrigger needs a time-out > 0 ms, got ${timeoutMs}`)
  }
  const clear = (window: W, context: TriggerContext): void => {
    const state = context.getPartitionedState(timeout)
    const timeMs = state.value()
    if (timeMs !== undefined) {
      context.deleteProcessingTimeTimer(timeMs)
      state.clear()
    }
    inner.clear(window, context)
  }
  const onTimer = (result: TriggerResult, window: W, context: TriggerContext): TriggerResult => {
    if (shouldClearOnTimeout) clear(window, context)
    return isPurge(result) ? TriggerResult.FireAndPurge : TriggerResult.Fire
  }
  return {
    name: `ProcessingTimeoutTrigger(${inner.name}, ${timeoutMs})`,
    onElement: (value, timestampMs, window, context) => {
      const result = inner.onElement(value, timestampMs, window, context)
      if (isFire(result)) {
        clear(window, context)
        return result
      }
      const state = context.getPartitionedState(timeout)
      const timeMs = state.value()
      if (timeMs !== undefined && resetTimerOnNewRecord) context.deleteProcessingTimeTimer(timeMs)
      if (timeMs === undefined || resetTimerOnNewRecord) {
        const nextMs = context.getCurrentProcessingTime() + timeoutMs
        state.update(nextMs)
        context.registerProcessingTimeTimer(nextMs)
      }
      return result
    },
    onProcessingTime: (timeMs, window, context) =>
      onTimer(inner.onProcessingTime(timeMs, window, context), window, context),
    onEventTime: (timeMs, window, context) => onTimer(inner.onEventTime(timeMs, window, context), window, context),
    clear,
  }
}
