/**
 * The broadcast state pattern without keys: records of the first input against rules of the second, which every subtask
 * gets. The rules' side writes broadcast state, the records' side reads it.
 */
import type { MapState, MapStateDescriptor } from '../state/keyed-state-backend.ts'
import { BaseTwoInputOperator } from './base-operator.ts'
import type { OperatorContext, Output } from './operator.ts'
import { type Collector, type ProcessContext, processContext } from './process-context.ts'
import { closeFunction, openFunction, type RichFunction } from './runtime-context.ts'
import { userFunctionError } from './user-function-error.ts'

/** Map state that may only be read. */
export type ReadOnlyMapState<K, V> = Pick<
  MapState<K, V>,
  'get' | 'contains' | 'entries' | 'keys' | 'values' | 'isEmpty'
>

/** On the side of the records. */
export interface ReadOnlyBroadcastContext extends ProcessContext {
  getBroadcastState<K, V>(descriptor: MapStateDescriptor<K, V>): ReadOnlyMapState<K, V>
}

/** On the side of the rules. What is written must not depend on the subtask: all have to end with the same entries. */
export interface BroadcastContext extends ProcessContext {
  getBroadcastState<K, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V>
}

/** Records of one stream against rules of another, which every subtask gets. */
export interface BroadcastProcessFunction<In, B, Out> extends RichFunction {
  processElement(value: In, context: ReadOnlyBroadcastContext, out: Collector<Out>): void
  processBroadcastElement(value: B, context: BroadcastContext, out: Collector<Out>): void
}

export class BroadcastProcessOperator<In, B, Out> extends BaseTwoInputOperator<In, B, Out> {
  readonly #function: BroadcastProcessFunction<In, B, Out>
  #context!: BroadcastContext
  #readOnlyContext!: ReadOnlyBroadcastContext

  constructor(userFunction: BroadcastProcessFunction<In, B, Out>) {
    super()
    this.#function = userFunction
  }

  override setup(context: OperatorContext, output: Output<Out>): void {
    super.setup(context, output)
    const base = processContext(context, output)
    const states = broadcastStates(context)
    this.#context = { ...base, getBroadcastState: (descriptor) => states.writable(descriptor) }
    this.#readOnlyContext = { ...base, getBroadcastState: (descriptor) => states.readOnly(descriptor) }
  }

  open(): void | Promise<void> {
    return openFunction(this.#function, this.context)
  }

  processElement(value: In): void {
    try {
      this.#function.processElement(value, this.#readOnlyContext, this.output)
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value })
    }
  }

  processElement2(value: B): void {
    try {
      this.#function.processBroadcastElement(value, this.#context, this.output)
    } catch (error) {
      throw userFunctionError(error, this.context, { record: value })
    }
  }

  close(): void | Promise<void> {
    return closeFunction(this.#function)
  }
}

export interface BroadcastStates {
  writable<K, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V>
  readOnly<K, V>(descriptor: MapStateDescriptor<K, V>): ReadOnlyMapState<K, V>
}

/** Broadcast state by descriptor; the read-only views have no methods that write. */
export function broadcastStates(context: OperatorContext): BroadcastStates {
  const known = new Map<string, { readonly state: MapState<unknown, unknown>; readonly view: object }>()
  const find = (descriptor: MapStateDescriptor<unknown, unknown>): { state: object; view: object } => {
    let found = known.get(descriptor.name)
    if (found === undefined) {
      const { name, keyType, valueType } = descriptor
      const state = context.operatorState.broadcastState(name, keyType, valueType)
      found = { state, view: readOnlyView(state) }
      known.set(name, found)
    }
    return found
  }
  return {
    writable: (descriptor) => find(descriptor as MapStateDescriptor<unknown, unknown>).state as never,
    readOnly: (descriptor) => find(descriptor as MapStateDescriptor<unknown, unknown>).view as never,
  }
}

function readOnlyView<K, V>(state: MapState<K, V>): ReadOnlyMapState<K, V> {
  return {
    get: (key) => state.get(key),
    contains: (key) => state.contains(key),
    entries: () => state.entries(),
    keys: () => state.keys(),
    values: () => state.values(),
    isEmpty: () => state.isEmpty(),
  }
}
