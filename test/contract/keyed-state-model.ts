/** The model that backends are compared with: Maps of Maps, one entry per (state, namespace, key). */
import fc from 'fast-check'
import { expect } from 'vitest'
import { keyGroupOf, type KeyGroupRange, subtaskOfKeyGroup } from '../../src/data/key-groups.ts'
import { types } from '../../src/data/types.ts'
import type {
  AccumulatorState,
  KeyedStateBackend,
  ListState,
  MapState,
  Namespace,
  ReducingState,
  ValueState,
} from '../../src/state/keyed-state-backend.ts'

type Key = number | string | bigint | { readonly id: number }

export type Command =
  | {
      readonly op: 'set' | 'object' | 'listAdd' | 'reduce' | 'window'
      readonly key: Key
      readonly ns: Namespace
      readonly value: number
    }
  | { readonly op: 'mapPut'; readonly key: Key; readonly mapKey: string | number; readonly value: number }
  | { readonly op: 'clear' | 'windowClear' | 'listClear'; readonly key: Key; readonly ns: Namespace }
  | { readonly op: 'mapRemove'; readonly key: Key; readonly mapKey: string | number }
  | { readonly op: 'drop'; readonly ns: Namespace }
  | { readonly op: 'merge'; readonly key: Key; readonly into: Namespace; readonly from: Namespace }

const key: fc.Arbitrary<Key> = fc.oneof(
  fc.integer({ min: 0, max: 12 }),
  fc.constantFrom<Key>(0.5, 1e12, 2 ** 31, -7, 'a', 'bb', 'a string of some length', '日本', 5n, -(2n ** 60n)),
  fc.constantFrom<Key>({ id: 1 }, { id: 2 }),
)
const ns: fc.Arbitrary<Namespace> = fc.constantFrom<Namespace>(0, 0, 1000, 2000, 'w')
const value = fc.integer({ min: -5, max: 100 })
const mapKey = fc.constantFrom('x', 'y', 1, 2.5)

export const commandArbitrary: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ op: fc.constantFrom('set', 'object', 'listAdd', 'reduce', 'window', 'window'), key, ns, value }),
  fc.record({ op: fc.constant('mapPut'), key, mapKey, value }),
  fc.record({ op: fc.constantFrom('clear', 'windowClear', 'listClear'), key, ns }),
  fc.record({ op: fc.constant('mapRemove'), key, mapKey }),
  fc.record({ op: fc.constant('drop'), ns }),
  fc.record({ op: fc.constant('merge'), key, into: ns, from: ns }),
) as fc.Arbitrary<Command>

/** The states that commands act on. */
interface States {
  readonly v: ValueState<number>
  readonly o: ValueState<{ n: number; s: string }>
  readonly l: ListState<number>
  readonly m: MapState<string | number, number>
  readonly r: ReducingState<number>
  readonly w: AccumulatorState<{ n: number; s: number }>
  readonly t: AccumulatorState<string>
}

function statesOf(backend: KeyedStateBackend): States {
  return {
    v: backend.value<number>({ kind: 'value', name: 'v', type: types.float64() }),
    o: backend.value<{ n: number; s: string }>({ kind: 'value', name: 'o' }),
    l: backend.list<number>({ kind: 'list', name: 'l', type: types.int32() }),
    m: backend.map<string | number, number>({ kind: 'map', name: 'm' }),
    r: backend.reducing<number>({ kind: 'reducing', name: 'r', type: types.int32(), reduce: (x, y) => (x + y) | 0 }),
    w: backend.accumulators<{ n: number; s: number }>('w', types.row({ n: types.int32(), s: types.float64() })),
    t: backend.accumulators<string>('t', types.text()),
  }
}

export class ModelBackend {
  /** `state|namespace|key` → [key, value]. */
  readonly entries: Map<string, [state: string, ns: Namespace, key: Key, value: unknown]> = new Map()

  copy(): ModelBackend {
    const copy = new ModelBackend()
    for (const [id, entry] of this.entries) copy.entries.set(id, entry)
    return copy
  }

  get(state: string, ns: Namespace, key: Key): unknown {
    return this.entries.get(idOf(state, ns, key))?.[3]
  }

  set(state: string, ns: Namespace, key: Key, value: unknown): void {
    if (value === undefined) this.entries.delete(idOf(state, ns, key))
    else this.entries.set(idOf(state, ns, key), [state, ns, key, value])
  }

  drop(state: string, ns: Namespace): void {
    for (const [id, entry] of this.entries) if (entry[0] === state && entry[1] === ns) this.entries.delete(id)
  }

  /** Everything is in the backends, and nothing else. */
  expectSame(backends: readonly KeyedStateBackend[], range?: KeyGroupRange): void {
    const found = new Map<string, unknown>()
    for (const backend of backends) {
      const states = statesOf(backend)
      for (const [name, cell] of [
        ['w', states.w],
        ['t', states.t],
      ] as const) {
        for (const namespace of cell.namespaces()) {
          ;(cell as AccumulatorState<unknown>).forEachKey(namespace, (each, accumulator) => {
            found.set(idOf(name, namespace, each as Key), structuredClone(accumulator))
          })
        }
      }
      for (const name of ['v', 'o', 'l', 'm', 'r'] as const) {
        for (const namespace of [0, 1000, 2000, 'w']) {
          const keys: Key[] = []
          backend.forEachKey(name, (each) => keys.push(each as Key), namespace)
          for (const each of keys) {
            backend.setCurrentKey(each)
            backend.setCurrentNamespace(namespace)
            found.set(idOf(name, namespace, each), valueOf(states, name))
          }
        }
      }
    }
    const expected = new Map<string, unknown>()
    for (const [id, [, , each, held]] of this.entries) {
      const group = keyGroupOf(each, 128)
      if (range === undefined || (group >= range.first && group <= range.last)) expected.set(id, held)
    }
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected))
    const count = backends.reduce((sum, backend) => sum + backend.entryCount(), 0)
    expect(count).toBe(expected.size)
  }
}

function valueOf(states: States, name: 'v' | 'o' | 'l' | 'm' | 'r'): unknown {
  switch (name) {
    case 'v':
      return states.v.value()
    case 'o':
      return structuredClone(states.o.value())
    case 'l':
      return [...states.l.get()]
    case 'm':
      return Object.fromEntries(states.m.entries())
    case 'r':
      return states.r.get()
  }
}

/** Runs a command on the subtask that owns its key, and on the model. */
export function applyTo(
  command: Command,
  subtasks: readonly KeyedStateBackend[],
  model: ModelBackend,
  maxParallelism: number,
): void {
  if (command.op === 'drop') {
    for (const subtask of subtasks) {
      statesOf(subtask).w.dropNamespace(command.ns)
      statesOf(subtask).t.dropNamespace(command.ns)
    }
    model.drop('w', command.ns)
    model.drop('t', command.ns)
    return
  }
  const group = keyGroupOf(command.key, maxParallelism)
  const backend = subtasks[subtaskOfKeyGroup(group, subtasks.length, maxParallelism)]!
  const states = statesOf(backend)
  backend.setCurrentKey(command.key)
  backend.setCurrentNamespace('ns' in command ? command.ns : 0)
  run(command, states, model)
}

function run(command: Exclude<Command, { op: 'drop' }>, states: States, model: ModelBackend): void {
  const each = command.key
  switch (command.op) {
    case 'set':
      states.v.update(command.value)
      return model.set('v', command.ns, each, command.value)
    case 'object': {
      const object = states.o.value() ?? { n: 0, s: 'some text that is long enough' }
      object.n += command.value
      states.o.update(object)
      return model.set('o', command.ns, each, { ...object })
    }
    case 'listAdd':
      states.l.add(command.value)
      return model.set('l', command.ns, each, [
        ...((model.get('l', command.ns, each) as number[]) ?? []),
        command.value,
      ])
    case 'reduce':
      states.r.add(command.value)
      return model.set('r', command.ns, each, ((model.get('r', command.ns, each) as number) ?? 0) + command.value)
    case 'window': {
      const before = states.w.get() ?? { n: 0, s: 0 }
      const after = { n: before.n + 1, s: before.s + command.value }
      states.w.set(after)
      states.t.set(`${states.t.get() ?? ''}${command.value},`)
      const text = (model.get('t', command.ns, each) as string | undefined) ?? ''
      model.set('t', command.ns, each, `${text}${command.value},`)
      return model.set('w', command.ns, each, after)
    }
    case 'mapPut':
      states.m.put(command.mapKey, command.value)
      return model.set('m', 0, each, { ...(model.get('m', 0, each) as object), [command.mapKey]: command.value })
    case 'mapRemove': {
      states.m.remove(command.mapKey)
      const map = { ...(model.get('m', 0, each) as Record<string, number> | undefined) }
      delete map[command.mapKey]
      return model.set('m', 0, each, Object.keys(map).length === 0 ? undefined : map)
    }
    case 'clear':
      states.v.clear()
      states.r.clear()
      model.set('r', command.ns, each, undefined)
      return model.set('v', command.ns, each, undefined)
    case 'listClear':
      states.l.clear()
      return model.set('l', command.ns, each, undefined)
    case 'windowClear':
      states.w.clear()
      return model.set('w', command.ns, each, undefined)
    case 'merge': {
      if (command.into === command.from) return
      const merge = (left: { n: number; s: number }, right: { n: number; s: number }): { n: number; s: number } => ({
        n: left.n + right.n,
        s: left.s + right.s,
      })
      states.w.mergeNamespaces(command.into, command.from, merge)
      const moved = model.get('w', command.from, each) as { n: number; s: number } | undefined
      if (moved === undefined) return
      const present = model.get('w', command.into, each) as { n: number; s: number } | undefined
      model.set('w', command.from, each, undefined)
      return model.set('w', command.into, each, present === undefined ? moved : merge(present, moved))
    }
  }
}

function idOf(state: string, namespace: Namespace, each: Key): string {
  const print = typeof each === 'object' ? JSON.stringify(each) : `${typeof each} ${each}`
  return `${state}|${typeof namespace} ${namespace}|${print}`
}
