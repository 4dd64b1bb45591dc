/** Fires after every `count` records of the window. */
import { MillraceError } from '../../common/errors.ts'
import { types } from '../../data/types.ts'
import type { ReducingStateDescriptor } from '../../state/keyed-state-backend.ts'
import { type Trigger, TriggerResult } from '../trigger.ts'
import type { Window } from '../window.ts'

const seen: ReducingStateDescriptor<number> = {
  kind: 'reducing',
  name: 'count',
  type: types.float64(),
  reduce: (left, right) => left + right,
}

/** Fires after every `count` records of a window. */
export function countTrigger<T, W extends Window = Window>(count: number): Trigger<T, W> {
  if (!(Number.isInteger(count) && count > 0)) {
    throw new MillraceError('MR_TIME_INVALID', `CountTrigger needs a whole count > 0, got ${count}`)
  }
  return {
    name: `CountTrigger(${count})`,
    onElement: (_, _timestampMs, _window, context) => {
      const state = context.getPartitionedState(seen)
      state.add(1)
      if (state.get()! < count) return TriggerResult.Continue
      state.clear()
      return TriggerResult.Fire
    },
    onEventTime: () => TriggerResult.Continue,
    onProcessingTime: () => TriggerResult.Continue,
    onMerge: (_, context) => context.mergePartitionedState(seen),
    clear: (_, context) => context.getPartitionedState(seen).clear(),
  }
}
