/** State primitives over plain collections that the owner keeps: operator state, and harnesses. Cold. */
import type { ListState, MapState } from './keyed-state-backend.ts'
import { fromMapKey, toMapKey } from './primitives/user-map-key.ts'

/** List state over an array. */
export class PlainList<T> implements ListState<T> {
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
    for (const value of values) this.#items.push(value)
  }

  update(values: Iterable<T>): void {
    const items = [...values]
    this.#items.length = 0
    for (const item of items) this.#items.push(item)
  }

  clear(): void {
    this.#items.length = 0
  }
}

/** Map state over a Map whose keys are `toMapKey`'s: those that are no primitives are equal by value. */
export class PlainMap<K, V> implements MapState<K, V> {
  readonly #map: Map<unknown, V>

  constructor(map: Map<unknown, V>) {
    this.#map = map
  }

  get(key: K): V | undefined {
    return this.#map.get(toMapKey(key))
  }

  put(key: K, value: V): void {
    this.#map.set(toMapKey(key), value)
  }

  putAll(entries: Iterable<readonly [K, V]>): void {
    for (const [key, value] of entries) this.put(key, value)
  }

  remove(key: K): void {
    this.#map.delete(toMapKey(key))
  }

  contains(key: K): boolean {
    return this.#map.has(toMapKey(key))
  }

  *entries(): Generator<[K, V]> {
    for (const [key, value] of this.#map) yield [fromMapKey(key) as K, value]
  }

  *keys(): Generator<K> {
    for (const key of this.#map.keys()) yield fromMapKey(key) as K
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
