/** From a descriptor of keyed state, whatever its kind, to the state. */
import type {
  AggregatingState,
  AggregatingStateDescriptor,
  KeyedStateBackend,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  ReducingState,
  ReducingStateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from '../state/keyed-state-backend.ts'

/** Any descriptor, for parameters; its own type says which state it gives. */
export interface AnyStateDescriptor {
  readonly kind: 'value' | 'list' | 'map' | 'reducing' | 'aggregating'
  readonly name: string
}

export type StateOf<D> =
  D extends ValueStateDescriptor<infer T>
    ? ValueState<T>
    : D extends ListStateDescriptor<infer T>
      ? ListState<T>
      : D extends MapStateDescriptor<infer UK, infer UV>
        ? MapState<UK, UV>
        : D extends ReducingStateDescriptor<infer T>
          ? ReducingState<T>
          : D extends AggregatingStateDescriptor<infer In, infer _Acc, infer Out>
            ? AggregatingState<In, Out>
            : never

export function stateOf<D extends AnyStateDescriptor>(backend: KeyedStateBackend, descriptor: D): StateOf<D> {
  switch (descriptor.kind) {
    case 'value':
      return backend.value(descriptor as unknown as ValueStateDescriptor<unknown>) as StateOf<D>
    case 'list':
      return backend.list(descriptor as unknown as ListStateDescriptor<unknown>) as StateOf<D>
    case 'map':
      return backend.map(descriptor as unknown as MapStateDescriptor<unknown, unknown>) as StateOf<D>
    case 'reducing':
      return backend.reducing(descriptor as unknown as ReducingStateDescriptor<unknown>) as StateOf<D>
    case 'aggregating':
      return backend.aggregating(
        descriptor as unknown as AggregatingStateDescriptor<unknown, unknown, unknown>,
      ) as StateOf<D>
  }
}
