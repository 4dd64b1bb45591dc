/** Fires where a record differs by more than a threshold from the one that fired last (first: the first record). */
import type { TypeInformation } from '../../data/types.ts'
import type { ValueStateDescriptor } from '../../state/keyed-state-backend.ts'
import { type Trigger, TriggerResult } from '../trigger.ts'
import type { Window } from '../window.ts'

/** Distance between two records. */
export type DeltaFunction<T> = (oldRecord: T, newRecord: T) => number

/** Fires where a record differs by more than the threshold from the one that fired last. */
export function deltaTrigger<T, W extends Window = Window>(
  threshold: number,
  delta: DeltaFunction<T>,
  type?: TypeInformation<T>,
): Trigger<T, W> {
  const last: ValueStateDescriptor<T> = { kind: 'value', name: 'last-element', ...(type === undefined ? {} : { type }) }
  return {
    name: `DeltaTrigger(${threshold})`,
    onElement: (value, _, _window, context) => {
      const state = context.getPartitionedState(last)
      const previous = state.value()
      if (previous === undefined) {
        state.update(value)
        return TriggerResult.Continue
      }
      if (!(delta(previous, value) > threshold)) return TriggerResult.Continue
      state.update(value)
      return TriggerResult.Fire
    },
    onEventTime: () => TriggerResult.Continue,
    onProcessingTime: () => TriggerResult.Continue,
    clear: (_, context) => context.getPartitionedState(last).clear(),
  }
}
