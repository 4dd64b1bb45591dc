/**
 * Harnesses for the functions that users write (Flink's ProcessFunctionTestHarnesses): the function runs in its real
 * operator, alone, in the calling thread, under a clock that the test sets.
 */
import { BroadcastProcessOperator } from '../operators/broadcast-process-operator.ts'
import type { BroadcastProcessFunction } from '../operators/broadcast-process-operator.ts'
import { CoProcessOperator, type CoProcessFunction } from '../operators/co-map-operator.ts'
import {
  KeyedBroadcastProcessOperator,
  type KeyedBroadcastProcessFunction,
} from '../operators/keyed-broadcast-process-operator.ts'
import { KeyedCoProcessOperator, type KeyedCoProcessFunction } from '../operators/keyed-co-process-operator.ts'
import { KeyedProcessOperator, type KeyedProcessFunction } from '../operators/keyed-process-operator.ts'
import { ProcessOperator, type ProcessFunction } from '../operators/process-operator.ts'
import { type HarnessOptions, OperatorHarness } from './operator-harness.ts'

/** Options of a harness beyond the function: parallelism, backend, the time at the start, what to restore. */
export type FunctionHarnessOptions<In, In2 = never> = Omit<
  HarnessOptions<In, In2>,
  'operator' | 'keySelector' | 'keySelector2'
>

/**
 * A harness for a ProcessFunction.
 * @example
 * const harness = await processHarness<number, string>({
 *   processElement: (n, context, out) => out.collect(`${n} at ${context.timestamp()}`),
 * })
 * harness.processElement(7, 1_000)
 * console.log(harness.values()) // [ '7 at 1000' ]
 */
export function processHarness<In, Out>(
  userFunction: ProcessFunction<In, Out>,
  options: FunctionHarnessOptions<In> = {},
): Promise<OperatorHarness<In, Out>> {
  return OperatorHarness.open<In, Out>({ ...options, operator: () => new ProcessOperator(userFunction) })
}

/**
 * A harness for a KeyedProcessFunction: records are keyed by `keySelector`, timers fire as the test moves the watermark
 * and the clock.
 * @example
 * const harness = await keyedProcessHarness<string, Bid, number>(
 *   {
 *     processElement: (bid, context) => context.timerService().registerEventTimeTimer(bid.timeMs + 1_000),
 *     onTimer: (timeMs, context, out) => out.collect(timeMs),
 *   },
 *   (bid) => bid.channel,
 * )
 * harness.processElement({ auction: 1, bidder: 2, price: 3, channel: 'a', timeMs: 5_000 }, 5_000)
 * harness.processWatermark(6_000)
 * console.log(harness.values()) // [ 6000 ]
 */
export function keyedProcessHarness<Key, In, Out>(
  userFunction: KeyedProcessFunction<Key, In, Out>,
  keySelector: (value: In) => Key,
  options: FunctionHarnessOptions<In> = {},
): Promise<OperatorHarness<In, Out>> {
  return OperatorHarness.open<In, Out>({
    ...options,
    keySelector,
    operator: () => new KeyedProcessOperator<Key, In, Out>(userFunction),
  })
}

/** A harness for a CoProcessFunction: `processElement` feeds the first stream, `processElement2` the second. */
export function coProcessHarness<In1, In2, Out>(
  userFunction: CoProcessFunction<In1, In2, Out>,
  options: FunctionHarnessOptions<In1, In2> = {},
): Promise<OperatorHarness<In1, Out, In2>> {
  return OperatorHarness.open<In1, Out, In2>({
    ...options,
    operator: () => new CoProcessOperator<In1, In2, Out>(userFunction),
  })
}

/** A harness for a KeyedCoProcessFunction: a key selector for each of the two streams. */
export function keyedCoProcessHarness<Key, In1, In2, Out>(
  userFunction: KeyedCoProcessFunction<Key, In1, In2, Out>,
  keySelectors: readonly [(value: In1) => Key, (value: In2) => Key],
  options: FunctionHarnessOptions<In1, In2> = {},
): Promise<OperatorHarness<In1, Out, In2>> {
  return OperatorHarness.open<In1, Out, In2>({
    ...options,
    keySelector: keySelectors[0],
    keySelector2: keySelectors[1],
    operator: () => new KeyedCoProcessOperator<Key, In1, In2, Out>(userFunction),
  })
}

/** A harness for a BroadcastProcessFunction: `processElement2` feeds the broadcast stream. */
export function broadcastProcessHarness<In, Broadcast, Out>(
  userFunction: BroadcastProcessFunction<In, Broadcast, Out>,
  options: FunctionHarnessOptions<In, Broadcast> = {},
): Promise<OperatorHarness<In, Out, Broadcast>> {
  return OperatorHarness.open<In, Out, Broadcast>({
    ...options,
    operator: () => new BroadcastProcessOperator<In, Broadcast, Out>(userFunction),
  })
}

/** A harness for a KeyedBroadcastProcessFunction: `processElement2` feeds the broadcast stream. */
export function keyedBroadcastProcessHarness<Key, In, Broadcast, Out>(
  userFunction: KeyedBroadcastProcessFunction<Key, In, Broadcast, Out>,
  keySelector: (value: In) => Key,
  options: FunctionHarnessOptions<In, Broadcast> = {},
): Promise<OperatorHarness<In, Out, Broadcast>> {
  return OperatorHarness.open<In, Out, Broadcast>({
    ...options,
    keySelector,
    operator: () => new KeyedBroadcastProcessOperator<Key, In, Broadcast, Out>(userFunction),
  })
}
