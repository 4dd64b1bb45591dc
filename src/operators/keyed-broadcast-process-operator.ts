/**
 * The broadcast state pattern on a keyed stream: records have their key's state and timers, rules can be applied to the
 * state of every key at once.
 */
import type { Progress } from '../common/progress.ts'
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import { BaseTwoInputOperator } from './base-operator.ts'
import { type BroadcastContext, broadcastStates, type ReadOnlyBroadcastContext } from './broadcast-process-operator.ts'
import { KeyedContext, type KeyedProcessContext, type OnTimerContext } from './keyed-process-context.ts'
import type { OperatorContext, Output } from './operator.ts'
import { type Collector, processContext } from './process-context.ts'
import { closeFunction, openFunction, requireKeyedState, type RichFunction } from './runtime-context.ts'
import { type AnyStateDescriptor, type StateOf, stateOf } from './state-of.ts'
import { userFunctionError } from './user-function-error.ts'

/** What the records' side sees: broadcast state to read, the key, and timers. */
export interface KeyedReadOnlyBroadcastContext<Key> extends KeyedProcessContext<Key>, ReadOnlyBroadcastContext {}

/** What `onTimer` sees: broadcast state to read, the key, and timers. */
export interface OnTimerBroadcastContext<Key> extends OnTimerContext<Key>, ReadOnlyBroadcastContext {}

/** What the rules' side sees: broadcast state to write, and the state of every key. */
export interface KeyedBroadcastContext<Key> extends BroadcastContext {
  /** Calls `visit` for every key that has this state, with that key current: the state may be read and changed. */
  applyToKeyedState<D extends AnyStateDescriptor>(descriptor: D, visit: (key: Key, state: StateOf<D>) => void): void
}

/** Outside applyToKeyedState the rules' side has no current key: keyed state is MR_STATE_NO_KEY there. */
export interface KeyedBroadcastProcessFunction<Key, In, B, Out> extends RichFunction {
  processElement(value: In, context: KeyedReadOnlyBroadcastContext<Key>, out: Collector<Out>): void
  processBroadcastElement(value: B, context: KeyedBroadcastContext<Key>, out: Collector<Out>): void
  onTimer?(timeMs: number, context: OnTimerBroadcastContext<Key>, out: Collector<Out>): void
}

export class KeyedBroadcastProcessOperator<Key, In, B, Out> extends BaseTwoInputOperator<In, B, Out> {
  readonly #function: KeyedBroadcastProcessFunction<Key, In, B, Out>
  #backend!: KeyedStateBackend
  #keyed!: KeyedContext<Key, Out> & ReadOnlyBroadcastContext
  #broadcastContext!: KeyedBroadcastContext<Key>

  constructor(userFunction: KeyedBroadcastProcessFunction<Key, In, B, Out>) {
    super()
    this.#function = userFunction
  }

  override setup(context: OperatorContext, output: Output<Out>): void {
    super.setup(context, output)
    this.#backend = requireKeyedState(context)
    const states = broadcastStates(context)
    const { onTimer } = this.#function
    this.#keyed = Object.assign(
      new KeyedContext<Key, Out>(context, output, (timeMs, _, out) =>
        onTimer?.call(this.#function, timeMs, this.#keyed, out),
      ),
      { getBroadcastState: states.readOnly },
    )
    this.#broadcastContext = {
      ...processContext(context, output),
      getBroadcastState: states.writable,
      applyToKeyedState: (descriptor, visit) => this.#applyToKeyedState(descriptor, visit),
    }
  }

  open(): void | Promise<void> {
    return openFunction(this.#function, this.context)
  }

  processElement(value: In): void {
    try {
      this.#function.processElement(value, this.#keyed, this.output)
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value, key: this.#keyed.getCurrentKey() })
    }
  }

  processElement2(value: B): void {
    this.#backend.clearCurrentKey()
    try {
      this.#function.processBroadcastElement(value, this.#broadcastContext, this.output)
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value, what: 'processBroadcastElement' })
    }
  }

  advanceWatermark(timestampMs: number): Progress {
    return this.#keyed.advanceWatermark(timestampMs)
  }

  nextProcessingTimeMs(): number {
    return this.#keyed.nextProcessingTimeMs()
  }

  advanceProcessingTime(nowMs: number): Progress {
    return this.#keyed.advanceProcessingTime(nowMs)
  }

  close(): void | Promise<void> {
    return closeFunction(this.#function)
  }

  #applyToKeyedState<D extends AnyStateDescriptor>(descriptor: D, visit: (key: Key, state: StateOf<D>) => void): void {
    const state = stateOf(this.#backend, descriptor)
    const keys: unknown[] = []
    // The walk must not see its own changes.
    this.#backend.forEachKey(descriptor.name, (key) => void keys.push(key))
    for (const key of keys) {
      this.#backend.setCurrentKey(key)
      visit(key as Key, state)
    }
    this.#backend.clearCurrentKey()
  }
}
