/** State primitives over plain collections that the owner keeps: operator state, and harnesses. Cold. */
import type { ListState, MapState } from './keyed-state-backend.ts'

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
    this.#items.push(...values)
  }

  update(values: Iterable<T>): void {
    this.#items.splice(0, this.#items.length, ...values)
  }

  clear(): void {
    this.#items.length = 0
  }
}

/** Map state over a Map. */
export class PlainMap<K, V> implements MapState<K, V> {
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
