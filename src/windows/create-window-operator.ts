/** Picks the operator for a window specification: the general one, or a faster one that answers exactly the same. */
import type { Operator } from '../operators/operator.ts'
import { WindowOperator } from './window-operator.ts'
import type { WindowSpec } from './window-spec.ts'
import type { Window } from './window.ts'

export function createWindowOperator<In, Acc, Mid, Out, Key, W extends Window>(
  spec: WindowSpec<In, Acc, Mid, Out, Key, W>,
): Operator<In, Out> {
  return new WindowOperator(spec)
}
