/**
 * Runs a trigger for the window operator: it is the trigger's context, bound to one window at a time, and keeps the
 * trigger's state (names `trigger/…`) under the window's namespace.
 */
import { MillraceError } from '../common/errors.ts'
import type { OperatorContext } from '../operators/operator.ts'
import { userFunctionError } from '../operators/user-function-error.ts'
import type {
  AccumulatorState,
  AggregateFunction,
  AggregatingStateDescriptor,
  AppendingState,
  KeyedStateBackend,
  ListState,
  ListStateDescriptor,
  MapStateDescriptor,
  Namespace,
  ReducingStateDescriptor,
  ValueStateDescriptor,
} from '../state/keyed-state-backend.ts'
import type { TimerService } from '../time/timer-service.ts'
import { mergeLists } from './window-contents.ts'
import type { MergeableStateDescriptor, OnMergeContext, PartitionedState, Trigger, TriggerResult } from './trigger.ts'
import type { Window } from './window.ts'
import type { WindowCodec } from './window-assigner.ts'

type AnyDescriptor =
  | ValueStateDescriptor<unknown>
  | ListStateDescriptor<unknown>
  | MapStateDescriptor<unknown, unknown>
  | ReducingStateDescriptor<unknown>
  | AggregatingStateDescriptor<unknown, unknown, unknown>
type AnyAggregate = AggregateFunction<unknown, unknown, unknown>

export class TriggerDriver<T, W extends Window> implements OnMergeContext {
  readonly #trigger: Trigger<T, W>
  readonly #context: OperatorContext
  readonly #backend: KeyedStateBackend
  readonly #timers: TimerService
  readonly #codec: WindowCodec<W>
  readonly #states = new Map<string, object>()
  #namespace: Namespace = 0
  #merged: readonly Namespace[] = []

  constructor(
    trigger: Trigger<T, W>,
    codec: WindowCodec<W>,
    context: OperatorContext,
    backend: KeyedStateBackend,
    timers: TimerService,
  ) {
    this.#trigger = trigger
    this.#codec = codec
    this.#context = context
    this.#backend = backend
    this.#timers = timers
  }

  onElement(value: T, timestampMs: number, window: W): TriggerResult {
    this.#enter(window)
    try {
      return this.#trigger.onElement(value, timestampMs, window, this)
    } catch (error) {
      throw this.#failure(error, 'trigger.onElement', window, { record: value })
    }
  }

  onEventTime(timeMs: number, window: W): TriggerResult {
    this.#enter(window)
    try {
      return this.#trigger.onEventTime(timeMs, window, this)
    } catch (error) {
      throw this.#failure(error, 'trigger.onEventTime', window)
    }
  }

  onProcessingTime(timeMs: number, window: W): TriggerResult {
    this.#enter(window)
    try {
      return this.#trigger.onProcessingTime(timeMs, window, this)
    } catch (error) {
      throw this.#failure(error, 'trigger.onProcessingTime', window)
    }
  }

  onMerge(window: W, merged: readonly W[]): void {
    this.#enter(window)
    this.#merged = merged.map((each) => this.#codec.encode(each))
    try {
      this.#trigger.onMerge!(window, this)
    } catch (error) {
      throw this.#failure(error, 'trigger.onMerge', window)
    }
  }

  clear(window: W): void {
    this.#enter(window)
    try {
      this.#trigger.clear(window, this)
    } catch (error) {
      throw this.#failure(error, 'trigger.clear', window)
    }
  }

  getCurrentProcessingTime(): number {
    return this.#context.clock.nowMs()
  }

  getCurrentWatermark(): number {
    return this.#timers.currentWatermarkMs()
  }

  registerEventTimeTimer(timeMs: number): void {
    this.#timers.registerEventTimeTimer(this.#namespace, timeMs)
  }

  registerProcessingTimeTimer(timeMs: number): void {
    this.#timers.registerProcessingTimeTimer(this.#namespace, timeMs)
  }

  deleteEventTimeTimer(timeMs: number): void {
    this.#timers.deleteEventTimeTimer(this.#namespace, timeMs)
  }

  deleteProcessingTimeTimer(timeMs: number): void {
    this.#timers.deleteProcessingTimeTimer(this.#namespace, timeMs)
  }

  readonly getPartitionedState: PartitionedState = ((descriptor: AnyDescriptor) => this.#stateOf(descriptor)) as never

  mergePartitionedState<In, Acc, Out>(descriptor: MergeableStateDescriptor<In, Acc, Out>): void {
    const state = this.#stateOf(descriptor as unknown as AnyDescriptor)
    if (state instanceof AccumulatorAppending) state.merge(this.#namespace, this.#merged, descriptor.name)
    else mergeLists(this.#backend, state as ListState<unknown>, this.#namespace, this.#merged)
  }

  #enter(window: W): void {
    this.#namespace = this.#codec.encode(window)
    this.#backend.setCurrentNamespace(this.#namespace)
  }

  #stateOf(descriptor: AnyDescriptor): object {
    let state = this.#states.get(descriptor.name)
    if (state === undefined) {
      state = this.#createState({ ...descriptor, name: `trigger/${descriptor.name}` } as AnyDescriptor)
      this.#states.set(descriptor.name, state)
    }
    return state
  }

  #createState(descriptor: AnyDescriptor): object {
    const backend = this.#backend
    if (descriptor.kind === 'value') return backend.value(descriptor)
    if (descriptor.kind === 'list') return backend.list(descriptor)
    if (descriptor.kind === 'map') return backend.map(descriptor)
    if (descriptor.kind === 'aggregating') {
      const { name, accumulatorType, aggregate } = descriptor
      return new AccumulatorAppending(backend.accumulators(name, accumulatorType), aggregate)
    }
    const { name, type, reduce: combine } = descriptor
    return new AccumulatorAppending(backend.accumulators(name, type), {
      createAccumulator: () => undefined,
      add: (value, accumulator) => (accumulator === undefined ? value : combine(accumulator, value)),
      getResult: (accumulator) => accumulator,
      merge: combine,
    })
  }

  #failure(error: unknown, what: string, window: W, more: { record?: unknown } = {}): unknown {
    return userFunctionError(error, this.#context, {
      what,
      key: this.#backend.currentKey(),
      window: String(window),
      ...more,
    })
  }
}

/** Reducing and aggregating state that can be merged over namespaces. */
class AccumulatorAppending implements AppendingState<unknown, unknown> {
  readonly #state: AccumulatorState<unknown>
  readonly #aggregate: AnyAggregate

  constructor(state: AccumulatorState<unknown>, aggregate: AnyAggregate) {
    this.#state = state
    this.#aggregate = aggregate
  }

  get(): unknown {
    const accumulator = this.#state.get()
    return accumulator === undefined ? undefined : this.#aggregate.getResult(accumulator)
  }

  add(value: unknown): void {
    this.#state.set(this.#aggregate.add(value, this.#state.get() ?? this.#aggregate.createAccumulator()))
  }

  clear(): void {
    this.#state.clear()
  }

  merge(into: Namespace, from: readonly Namespace[], name: string): void {
    const { merge } = this.#aggregate
    if (merge === undefined) {
      throw new MillraceError('MR_PLAN_INVALID', `trigger state ${name} is merged, but its aggregate has no merge()`)
    }
    for (const namespace of from) {
      this.#state.mergeNamespaces(into, namespace, (left, right) => merge.call(this.#aggregate, left, right))
    }
  }
}
