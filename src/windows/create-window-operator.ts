/** Picks the operator for a window specification: the general one, or a faster one that answers exactly the same. */
import type { Operator } from '../operators/operator.ts'
import { SliceWindowOperator } from './slice-window-operator.ts'
import { WindowOperator } from './window-operator.ts'
import type { WindowSpec } from './window-spec.ts'
import type { TimeWindow, Window } from './window.ts'

export function createWindowOperator<In, Acc, Mid, Out, Key, W extends Window>(
  spec: WindowSpec<In, Acc, Mid, Out, Key, W>,
): Operator<In, Out> {
  if (!canBeSliced(spec)) return new WindowOperator(spec)
  return new SliceWindowOperator(spec as unknown as WindowSpec<In, Acc, Mid, Out, Key, TimeWindow>)
}

/**
 * Slices know the default trigger only, keep accumulators only, and cannot tell a process function when each key's
 * window is over (`clear`).
 */
function canBeSliced<In, Acc, Mid, Out, Key, W extends Window>(spec: WindowSpec<In, Acc, Mid, Out, Key, W>): boolean {
  const { assigner, trigger, evictor, incremental, process } = spec
  const { shape } = assigner
  if (shape?.kind !== 'slices' || trigger !== undefined || evictor !== undefined || incremental === undefined)
    return false
  if (typeof process === 'object' && process.clear !== undefined) return false
  return shape.slideMs === shape.sizeMs || (shape.slideMs < shape.sizeMs && incremental.merge !== undefined)
}
