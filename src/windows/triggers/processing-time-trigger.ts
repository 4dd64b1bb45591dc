/** Fires when the machine's clock passes the end of the window. Keeps the contents. */
import { type Trigger, TriggerResult } from '../trigger.ts'
import type { Window } from '../window.ts'

/** Fires when the clock passes the end of the window. */
export function processingTimeTrigger<T, W extends Window = Window>(): Trigger<T, W> {
  return {
    name: 'ProcessingTimeTrigger()',
    onElement: (_, _timestampMs, window, context) => {
      context.registerProcessingTimeTimer(window.maxTimestampMs)
      return TriggerResult.Continue
    },
    onEventTime: () => TriggerResult.Continue,
    onProcessingTime: () => TriggerResult.Fire,
    onMerge: (window, context) => {
      if (window.maxTimestampMs > context.getCurrentProcessingTime()) {
        context.registerProcessingTimeTimer(window.maxTimestampMs)
      }
    },
    clear: (window, context) => context.deleteProcessingTimeTimer(window.maxTimestampMs),
  }
}
