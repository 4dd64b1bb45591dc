/** Fire every interval while a window holds records: by event time (and at the window's end), or by processing time. */
import { MillraceError } from '../../common/errors.ts'
import { types } from '../../data/types.ts'
import type { ReducingStateDescriptor } from '../../state/keyed-state-backend.ts'
import { type Trigger, type TriggerContext, TriggerResult } from '../trigger.ts'
import type { Window } from '../window.ts'
import { windowStartMs } from '../window.ts'

const nextFire: ReducingStateDescriptor<number> = {
  kind: 'reducing',
  name: 'fire-time',
  type: types.float64(),
  reduce: Math.min,
}

/** Fires at every whole interval of event time, and at the end of the window. */
export function continuousEventTimeTrigger<T, W extends Window = Window>(intervalMs: number): Trigger<T, W> {
  requireInterval('ContinuousEventTimeTrigger', intervalMs)
  const registerNext = (afterMs: number, window: W, context: TriggerContext): void => {
    const timeMs = Math.min(afterMs + intervalMs, window.maxTimestampMs)
    context.getPartitionedState(nextFire).add(timeMs)
    context.registerEventTimeTimer(timeMs)
  }
  return {
    name: `ContinuousEventTimeTrigger(${intervalMs})`,
    onElement: (_, timestampMs, window, context) => {
      if (window.maxTimestampMs <= context.getCurrentWatermark()) return TriggerResult.Fire
      context.registerEventTimeTimer(window.maxTimestampMs)
      if (context.getPartitionedState(nextFire).get() === undefined) {
        registerNext(windowStartMs(timestampMs, 0, intervalMs), window, context)
      }
      return TriggerResult.Continue
    },
    onEventTime: (timeMs, window, context) => {
      if (timeMs === window.maxTimestampMs) return TriggerResult.Fire
      const state = context.getPartitionedState(nextFire)
      if (state.get() !== timeMs) return TriggerResult.Continue
      state.clear()
      registerNext(timeMs, window, context)
      return TriggerResult.Fire
    },
    onProcessingTime: () => TriggerResult.Continue,
    onMerge: (_, context) => {
      context.mergePartitionedState(nextFire)
      const timeMs = context.getPartitionedState(nextFire).get()
      if (timeMs !== undefined) context.registerEventTimeTimer(timeMs)
    },
    clear: (_, context) => {
      const state = context.getPartitionedState(nextFire)
      const timeMs = state.get()
      if (timeMs === undefined) return
      context.deleteEventTimeTimer(timeMs)
      state.clear()
    },
  }
}

/** Fires at every whole interval of processing time. */
export function continuousProcessingTimeTrigger<T, W extends Window = Window>(intervalMs: number): Trigger<T, W> {
  requireInterval('ContinuousProcessingTimeTrigger', intervalMs)
  const registerNext = (afterMs: number, window: W, context: TriggerContext): void => {
    const timeMs = Math.min(afterMs + intervalMs, window.maxTimestampMs)
    context.getPartitionedState(nextFire).add(timeMs)
    context.registerProcessingTimeTimer(timeMs)
  }
  return {
    name: `ContinuousProcessingTimeTrigger(${intervalMs})`,
    onElement: (_, _timestampMs, window, context) => {
      if (context.getPartitionedState(nextFire).get() === undefined) {
        registerNext(windowStartMs(context.getCurrentProcessingTime(), 0, intervalMs), window, context)
      }
      return TriggerResult.Continue
    },
    onEventTime: () => TriggerResult.Continue,
    onProcessingTime: (timeMs, window, context) => {
      const state = context.getPartitionedState(nextFire)
      if (state.get() !== timeMs) return TriggerResult.Continue
      state.clear()
      registerNext(timeMs, window, context)
      return TriggerResult.Fire
    },
    onMerge: (_, context) => {
      context.mergePartitionedState(nextFire)
      const timeMs = context.getPartitionedState(nextFire).get()
      if (timeMs !== undefined) context.registerProcessingTimeTimer(timeMs)
    },
    clear: (_, context) => {
      const state = context.getPartitionedState(nextFire)
      const timeMs = state.get()
      if (timeMs === undefined) return
      context.deleteProcessingTimeTimer(timeMs)
      state.clear()
    },
  }
}

function requireInterval(name: string, intervalMs: number): void {
  if (Number.isInteger(intervalMs) && intervalMs > 0) return
  throw new MillraceError('MR_TIME_INVALID', `${name} needs an interval of whole milliseconds > 0, got ${intervalMs}`)
}
