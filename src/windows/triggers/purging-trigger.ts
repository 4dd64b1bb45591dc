/** Makes another trigger purge whenever it fires. */
import { isFire, type Trigger, TriggerResult } from '../trigger.ts'
import type { Window } from '../window.ts'

const purging = (result: TriggerResult): TriggerResult => (isFire(result) ? TriggerResult.FireAndPurge : result)

/** Makes another trigger forget the contents of a window whenever it fires. */
export function purgingTrigger<T, W extends Window = Window>(inner: Trigger<T, W>): Trigger<T, W> {
  return {
    name: `PurgingTrigger(${inner.name})`,
    onElement: (value, timestampMs, window, context) => purging(inner.onElement(value, timestampMs, window, context)),
    onEventTime: (timeMs, window, context) => purging(inner.onEventTime(timeMs, window, context)),
    onProcessingTime: (timeMs, window, context) => purging(inner.onProcessingTime(timeMs, window, context)),
    ...(inner.onMerge === undefined ? {} : { onMerge: (window, context) => inner.onMerge!(window, context) }),
    clear: (window, context) => inner.clear(window, context),
  }
}
