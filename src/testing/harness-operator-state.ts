/** Operator state of a harness: plain lists and maps, copied into snapshots and dealt out anew on restore. */
import type { ListState, MapState } from '../state/keyed-state-backend.ts'
import type { OperatorStateStore } from '../state/operator-state.ts'

export interface HarnessOperatorSnapshot {
  readonly split: Readonly<Record<string, readonly unknown[]>>
  readonly union: Readonly<Record<string, readonly unknown[]>>
  readonly broadcast: Readonly<Record<string, readonly (readonly [unknown, unknown])[]>>
}

export class HarnessOperatorState implements OperatorStateStore {
  readonly #split = new Map<string, unknown[]>()
  readonly #union = new Map<string, unknown[]>()
  readonly #broadcast = new Map<string, Map<unknown, unknown>>()

  /** What one of `parallelism` subtasks gets of the snapshots of all earlier ones. */
  restore(snapshots: readonly HarnessOperatorSnapshot[], subtaskIndex: number, parallelism: number): void {
    let dealt = 0
    for (const { split, union, broadcast } of structuredClone(snapshots)) {
      for (const [name, items] of Object.entries(split)) {
        const mine = items.filter(() => dealt++ % parallelism === subtaskIndex)
        this.#listOf(this.#split, name).push(...mine)
      }
      for (const [name, items] of Object.entries(union)) this.#listOf(this.#union, name).push(...items)
      for (const [name, entries] of Object.entries(broadcast)) this.#broadcast.set(name, new Map(entries))
    }
  }

  snapshot(): HarnessOperatorSnapshot {
    return structuredClone({
      split: Object.fromEntries(this.#split),
      union: Object.fromEntries(this.#union),
      broadcast: Object.fromEntries([...this.#broadcast].map(([name, map]) => [name, [...map]])),
    })
  }

  listState<T>(name: string): ListState<T> {
    return new PlainList<T>(this.#listOf(this.#split, name))
  }

  unionListState<T>(name: string): ListState<T> {
    return new PlainList<T>(this.#listOf(this.#union, name))
  }

  broadcastState<K, V>(name: string): MapState<K, V> {
    let map = this.#broadcast.get(name)
    if (map === undefined) this.#broadcast.set(name, (map = new Map()))
    return new PlainMap<K, V>(map as Map<K, V>)
  }

  #listOf(lists: Map<string, unknown[]>, name: string): unknown[] {
    let list = lists.get(name)
    if (list === undefined) lists.set(name, (list = []))
    return list
  }
}

class PlainList<T> implements ListState<T> {
  readonly #items: T[]

  constructor(items: unknown[]) {
    this.#items = items as T[]
  }

  get(): Iterable<T> {
    return this.#items.slice()
  }

  add(value: T): void {
    this.#items.push(value)
  }

  addAll(values: Iterable<T>): void {
    this.#items.push(...values)
  }

  update(values: Iterable<T>): void {
    this.#items.splice(0, this.#items.length, ...values)
  }

  clear(): void {
    this.#items.length = 0
  }
}

class PlainMap<K, V> implements MapState<K, V> {
  readonly #map: Map<K, V>

  constructor(map: Map<K, V>) {
    this.#map = map
  }

  get(key: K): V | undefined {
    return this.#map.get(key)
  }

  put(key: K, value: V): void {
    this.#map.set(key, value)
  }

  putAll(entries: Iterable<readonly [K, V]>): void {
    for (const [key, value] of entries) this.#map.set(key, value)
  }

  remove(key: K): void {
    this.#map.delete(key)
  }

  contains(key: K): boolean {
    return this.#map.has(key)
  }

  entries(): Iterable<[K, V]> {
    return this.#map.entries()
  }

  keys(): Iterable<K> {
    return this.#map.keys()
  }

  values(): Iterable<V> {
    return this.#map.values()
  }

  isEmpty(): boolean {
    return this.#map.size === 0
  }

  clear(): void {
    this.#map.clear()
  }
}
