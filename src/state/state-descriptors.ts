/** Descriptors of keyed and broadcast state, spelt short. Types are optional; declared ones are kept off-heap. */
import type { TypeInformation } from '../data/types.ts'
import type {
  AggregateFunction,
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  ValueStateDescriptor,
} from './keyed-state-backend.ts'
import type { StateTtlConfig } from './state-ttl.ts'

/** What any state may be given beside its name and types. */
export interface StateOptions {
  /** Time to live of its entries. */
  readonly ttl?: StateTtlConfig
}

/** One value per key. @example const sum = valueState('sum', types.float64()) */
export function valueState<T>(
  name: string,
  type?: TypeInformation<T>,
  options: StateOptions = {},
): ValueStateDescriptor<T> {
  return { kind: 'value', name, type, ...options }
}

/** A list per key. */
export function listState<T>(
  name: string,
  type?: TypeInformation<T>,
  options: StateOptions = {},
): ListStateDescriptor<T> {
  return { kind: 'list', name, type, ...options }
}

/** A map per key; also what broadcast state is declared by. */
export function mapState<UK, UV>(
  name: string,
  keyType?: TypeInformation<UK>,
  valueType?: TypeInformation<UV>,
  options: StateOptions = {},
): MapStateDescriptor<UK, UV> {
  return { kind: 'map', name, keyType, valueType, ...options }
}

/** The combination of all values added under a key. */
export function reducingState<T>(
  name: string,
  reduce: (left: T, right: T) => T,
  type?: TypeInformation<T>,
  options: StateOptions = {},
): ReducingStateDescriptor<T> {
  return { kind: 'reducing', name, reduce, type, ...options }
}

/** An accumulator of all values added under a key. */
export function aggregatingState<In, Acc, Out>(
  name: string,
  aggregate: AggregateFunction<In, Acc, Out>,
  options: StateOptions = {},
): AggregatingStateDescriptor<In, Acc, Out> {
  return { kind: 'aggregating', name, aggregate, accumulatorType: aggregate.accumulatorType, ...options }
}
