/** Never fires: the default of global windows. */
import { type Trigger, TriggerResult } from '../trigger.ts'
import type { Window } from '../window.ts'

/** Never fires: the default of global windows. */
export function neverTrigger<T, W extends Window = Window>(): Trigger<T, W> {
  return {
    name: 'NeverTrigger',
    onElement: () => TriggerResult.Continue,
    onEventTime: () => TriggerResult.Continue,
    onProcessingTime: () => TriggerResult.Continue,
    onMerge: () => {},
    clear: () => {},
  }
}
