/** Fires once, when the input has ended (the maximal watermark). */
import { type Trigger, TriggerResult } from '../trigger.ts'
import type { Window } from '../window.ts'

/** Fires once, when the input has ended. */
export function endOfStreamTrigger<T, W extends Window = Window>(): Trigger<T, W> {
  return {
    name: 'EndOfStreamTrigger',
    onElement: (_, _timestampMs, window, context) => {
      context.registerEventTimeTimer(window.maxTimestampMs)
      return TriggerResult.Continue
    },
    onEventTime: (timeMs, window) => (timeMs === window.maxTimestampMs ? TriggerResult.Fire : TriggerResult.Continue),
    onProcessingTime: () => TriggerResult.Continue,
    onMerge: (window, context) => context.registerEventTimeTimer(window.maxTimestampMs),
    clear: (window, context) => context.deleteEventTimeTimer(window.maxTimestampMs),
  }
}
