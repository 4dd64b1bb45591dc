/**
 * What a window holds until it fires: an accumulator, or all its elements. Follows the current key and namespace.
 * `get` answers undefined where the window holds nothing.
 */
import { types } from '../data/types.ts'
import type { TypeInformation } from '../data/types.ts'
import type { AccumulatorState, KeyedStateBackend, ListState, Namespace } from '../state/keyed-state-backend.ts'
import type { TimestampedValue } from './evictor.ts'
import { detachedResult, type Incremental } from './incremental.ts'

export interface WindowContents<In, Contents> {
  add(value: In, timestampMs: number): void
  get(): Contents | undefined
  clear(): void
  /** Brings what the namespaces `from` hold into the current one. */
  merge(into: Namespace, from: readonly Namespace[]): void
}

export class IncrementalContents<In, Acc, Mid> implements WindowContents<In, Mid> {
  readonly #incremental: Incremental<In, Acc, Mid>
  readonly #state: AccumulatorState<Acc>

  constructor(incremental: Incremental<In, Acc, Mid>, backend: KeyedStateBackend) {
    this.#incremental = incremental
    this.#state = backend.accumulators('window-contents', incremental.type)
  }

  add(value: In): void {
    const accumulator = this.#state.get()
    this.#state.set(
      accumulator === undefined ? this.#incremental.first(value) : this.#incremental.add(value, accumulator),
    )
  }

  get(): Mid | undefined {
    const accumulator = this.#state.get()
    return accumulator === undefined ? undefined : detachedResult(this.#incremental, accumulator)
  }

  clear(): void {
    this.#state.clear()
  }

  merge(into: Namespace, from: readonly Namespace[]): void {
    for (const namespace of from) this.#state.mergeNamespaces(into, namespace, this.#incremental.merge!)
  }
}

export class ListContents<In> implements WindowContents<In, readonly In[]> {
  readonly #backend: KeyedStateBackend
  readonly #state: ListState<In>

  constructor(backend: KeyedStateBackend, type: TypeInformation<In> | undefined) {
    this.#backend = backend
    this.#state = backend.list({ kind: 'list', name: 'window-contents', ...(type === undefined ? {} : { type }) })
  }

  add(value: In): void {
    this.#state.add(value)
  }

  get(): readonly In[] | undefined {
    const elements = [...this.#state.get()]
    return elements.length === 0 ? undefined : elements
  }

  clear(): void {
    this.#state.clear()
  }

  merge(into: Namespace, from: readonly Namespace[]): void {
    mergeLists(this.#backend, this.#state, into, from)
  }
}

/** Elements with their timestamps, for evictors. */
export class EvictableContents<In> implements WindowContents<In, readonly TimestampedValue<In>[]> {
  readonly #backend: KeyedStateBackend
  readonly #state: ListState<TimestampedValue<In>>

  constructor(backend: KeyedStateBackend, type: TypeInformation<In> | undefined) {
    this.#backend = backend
    const entry = type === undefined ? {} : { type: types.row({ value: type, timestampMs: types.float64() }) }
    this.#state = backend.list({ kind: 'list', name: 'window-contents', ...entry })
  }

  add(value: In, timestampMs: number): void {
    this.#state.add({ value, timestampMs })
  }

  get(): readonly TimestampedValue<In>[] | undefined {
    const elements = [...this.#state.get()]
    return elements.length === 0 ? undefined : elements
  }

  /** Keeps what an evictor left. */
  replace(elements: readonly TimestampedValue<In>[]): void {
    if (elements.length === 0) this.#state.clear()
    else this.#state.update(elements)
  }

  clear(): void {
    this.#state.clear()
  }

  merge(into: Namespace, from: readonly Namespace[]): void {
    mergeLists(this.#backend, this.#state, into, from)
  }
}

/** Leaves the backend in namespace `into`. */
export function mergeLists<T>(
  backend: KeyedStateBackend,
  state: ListState<T>,
  into: Namespace,
  from: readonly Namespace[],
): void {
  const moved: T[] = []
  for (const namespace of from) {
    backend.setCurrentNamespace(namespace)
    for (const element of state.get()) moved.push(element)
    state.clear()
  }
  backend.setCurrentNamespace(into)
  if (moved.length > 0) state.addAll(moved)
}
