/** Which windows are computed in two phases where their records would travel, and how. */
import type { Operator } from '../../operators/operator.ts'
import { hasLifeCycle } from '../../operators/runtime-context.ts'
import { createWindowOperator, fastPathOf } from '../create-window-operator.ts'
import type { Incremental } from '../incremental.ts'
import type { WindowShape } from '../window-assigner.ts'
import type { WindowSpec } from '../window-spec.ts'
import type { Window } from '../window.ts'
import { LocalSessionOperator } from './local-session-operator.ts'
import { LocalSliceOperator } from './local-slice-operator.ts'
import type { LocalWindowOptions } from './local-window-operator.ts'
import { mergingPartials, type PartialSession } from './partial-aggregate.ts'

/**
 * Two phases answer as one where windows are of event time with the default trigger, and contents are folded by a
 * function that can merge what it has folded and keeps nothing else. What is late must not be asked for one by one. The
 * accumulators travel, so that their type must be known: of `reduce` they are records, which travel anyway. And a function
 * with a life cycle is the window operator's own: it sees every record there.
 */
export function hasTwoPhases<In, Acc, Mid, Out, Key, W extends Window>(
  spec: WindowSpec<In, Acc, Mid, Out, Key, W>,
  accumulatorsTravel: boolean,
): boolean {
  const { assigner, incremental, lateTag } = spec
  if (fastPathOf(spec) === undefined || !assigner.isEventTime || lateTag !== undefined) return false
  return accumulatorsTravel && incremental?.merge !== undefined && !hasLifeCycle(incremental.source)
}

export function createLocalWindowOperator<In, Acc, Mid, Out, Key, W extends Window>(
  { assigner, incremental }: WindowSpec<In, Acc, Mid, Out, Key, W>,
  keySelector: (value: In) => unknown,
  limits: Pick<LocalWindowOptions<In, Acc>, 'partialsMax' | 'partialsToJudge'> = {},
): Operator {
  const options = { incremental: incremental as Incremental<In, Acc, unknown>, keySelector, ...limits }
  const shape = assigner.shape!
  return (
    shape.kind === 'slices' ? new LocalSliceOperator(shape, options) : new LocalSessionOperator(shape, options)
  ) as Operator
}

/** The operator of the second phase; its state is that of the operator which takes records. */
export function createMergingWindowOperator<In, Acc, Mid, Out, Key, W extends Window>(
  spec: WindowSpec<In, Acc, Mid, Out, Key, W>,
): Operator {
  const { assigner, incremental } = spec
  const given = assigner.shape!
  const shape: WindowShape<PartialSession<Acc>> =
    given.kind === 'slices' ? given : { kind: 'sessions', gapMs: (partial) => partial.lengthMs }
  const merging = { ...spec, incremental: mergingPartials(incremental!), assigner: { ...assigner, shape } }
  return createWindowOperator(merging as unknown as WindowSpec<PartialSession<Acc>, Acc, Mid, Out, Key, W>) as Operator
}
