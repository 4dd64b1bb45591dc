/** Fires when the watermark passes the end of the window, and at once for late records. Keeps the contents. */
import { type Trigger, TriggerResult } from '../trigger.ts'
import type { Window } from '../window.ts'

/** Fires when the watermark passes the end of the window, and with each late record after it. */
export function eventTimeTrigger<T, W extends Window = Window>(): Trigger<T, W> {
  return {
    name: 'EventTimeTrigger()',
    onElement: (_, _timestampMs, window, context) => {
      if (window.maxTimestampMs <= context.getCurrentWatermark()) return TriggerResult.Fire
      context.registerEventTimeTimer(window.maxTimestampMs)
      return TriggerResult.Continue
    },
    onEventTime: (timeMs, window) => (timeMs === window.maxTimestampMs ? TriggerResult.Fire : TriggerResult.Continue),
    onProcessingTime: () => TriggerResult.Continue,
    onMerge: (window, context) => {
      // An element that merged into a window which has fired already fires it again in onElement.
      if (window.maxTimestampMs > context.getCurrentWatermark()) context.registerEventTimeTimer(window.maxTimestampMs)
    },
    clear: (window, context) => context.deleteEventTimeTimer(window.maxTimestampMs),
  }
}
