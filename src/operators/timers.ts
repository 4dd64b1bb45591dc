/** The timers of a keyed operator: in its state backend's snapshots, pausing where its output is full. */
import { TimerService, type TimerTarget } from '../time/timer-service.ts'
import type { OperatorContext, Output } from './operator.ts'
import { requireKeyedState } from './runtime-context.ts'

/** To be called in `setup`. `name` is unique within the operator. */
export function createTimers(
  context: OperatorContext,
  output: Output<never>,
  name: string,
  target: TimerTarget,
): TimerService {
  return new TimerService({ backend: requireKeyedState(context), name, target, isFull: () => output.isFull() })
}
