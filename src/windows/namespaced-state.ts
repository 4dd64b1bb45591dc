/** State seen under a namespace of its own: every access enters the namespace first. Cold. */
import type { KeyedStateStore } from '../operators/runtime-context.ts'
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts'

type Method = (first?: unknown, second?: unknown) => unknown

/** A state store whose states have names with `prefix` and enter their namespace by `enter` before each access. */
export function namespacedStateStore(backend: KeyedStateBackend, prefix: string, enter: () => void): KeyedStateStore {
  const known = new Map<string, object>()
  const once = <D extends { readonly name: string }, S extends object>(descriptor: D, make: (renamed: D) => S): S => {
    const name = prefix + descriptor.name
    let state = known.get(name) as S | undefined
    if (state === undefined) {
      state = entering(make({ ...descriptor, name }), enter)
      known.set(name, state)
    }
    return state
  }
  return {
    getState: (descriptor) => once(descriptor, (renamed) => backend.value(renamed)),
    getListState: (descriptor) => once(descriptor, (renamed) => backend.list(renamed)),
    getMapState: (descriptor) => once(descriptor, (renamed) => backend.map(renamed)),
    getReducingState: (descriptor) => once(descriptor, (renamed) => backend.reducing(renamed)),
    getAggregatingState: (descriptor) => once(descriptor, (renamed) => backend.aggregating(renamed)),
  }
}

const methods = ['value', 'update', 'clear', 'get', 'add', 'addAll', 'put', 'putAll', 'remove', 'contains'] as const
const walks = ['entries', 'keys', 'values', 'isEmpty'] as const

function entering<S extends object>(state: S, enter: () => void): S {
  const wrapped: Record<string, Method> = {}
  for (const name of [...methods, ...walks]) {
    const method = (state as Record<string, unknown>)[name]
    if (typeof method !== 'function') continue
    wrapped[name] = (first, second) => {
      enter()
      return (method as Method).call(state, first, second)
    }
  }
  return wrapped as S
}
