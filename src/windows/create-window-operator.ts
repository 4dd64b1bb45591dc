/** Picks the operator for a window specification: the general one, or a faster one that answers exactly the same. */
import type { Operator } from '../operators/operator.ts'
import { SessionWindowOperator } from './session-window-operator.ts'
import { SliceWindowOperator } from './slice-window-operator.ts'
import { WindowOperator } from './window-operator.ts'
import type { WindowSpec } from './window-spec.ts'
import type { TimeWindow, Window } from './window.ts'

export function createWindowOperator<In, Acc, Mid, Out, Key, W extends Window>(
  spec: WindowSpec<In, Acc, Mid, Out, Key, W>,
): Operator<In, Out> {
  const timeSpec = spec as unknown as WindowSpec<In, Acc, Mid, Out, Key, TimeWindow>
  switch (fastPathOf(spec)) {
    case 'slices':
      return new SliceWindowOperator(timeSpec)
    case 'sessions':
      return new SessionWindowOperator(timeSpec)
    case undefined:
      return new WindowOperator(spec)
  }
}

/**
 * Fast paths know the default trigger only, keep accumulators only, and cannot tell a process function when each key's
 * window is over (`clear`).
 */
export function fastPathOf<In, Acc, Mid, Out, Key, W extends Window>(
  spec: WindowSpec<In, Acc, Mid, Out, Key, W>,
): 'slices' | 'sessions' | undefined {
  const { assigner, trigger, evictor, incremental, process } = spec
  if (trigger !== undefined || evictor !== undefined || incremental === undefined) return undefined
  if (typeof process === 'object' && process.clear !== undefined) return undefined
  const { shape } = assigner
  if (shape?.kind !== 'slices') return shape?.kind
  if (shape.slideMs === shape.sizeMs) return 'slices'
  return shape.slideMs < shape.sizeMs && incremental.merge !== undefined ? 'slices' : undefined
}
