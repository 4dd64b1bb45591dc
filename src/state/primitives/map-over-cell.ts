/** Map state: one JavaScript Map per key and namespace. Iteration sees changes as a Map's iterators do. */
import { detached, detachedText, estimatedBytes } from '../detached-value.ts'
import type { MapState } from '../keyed-state-backend.ts'
import type { StateCell } from '../state-cell.ts'
import { fromMapKey, toMapKey } from './user-map-key.ts'

const entryBytes = 48

export class MapOverCell<UK, UV> implements MapState<UK, UV> {
  readonly #cell: StateCell<Map<unknown, UV>>

  constructor(cell: StateCell<Map<unknown, UV>>) {
    this.#cell = cell
  }

  get(key: UK): UV | undefined {
    return this.#cell.get()?.get(toMapKey(key))
  }

  put(key: UK, value: UV): void {
    const mapKey = toMapKey(key)
    const map = this.#cell.get()
    if (map === undefined) return this.#cell.set(new Map([[ownMapKey(mapKey), detached(value)]]))
    if (map.has(mapKey)) {
      map.set(mapKey, value)
      this.#cell.touch(0)
    } else {
      map.set(ownMapKey(mapKey), detached(value))
      this.#cell.touch(entryBytes + estimatedBytes(value))
    }
  }

  putAll(entries: Iterable<readonly [UK, UV]>): void {
    for (const [key, value] of entries) this.put(key, value)
  }

  /** A map that loses its last entry is gone. */
  remove(key: UK): void {
    const map = this.#cell.get()
    if (map === undefined || !map.delete(toMapKey(key))) return
    if (map.size === 0) this.#cell.clear()
    else this.#cell.touch(0)
  }

  contains(key: UK): boolean {
    return this.#cell.get()?.has(toMapKey(key)) ?? false
  }

  *entries(): Generator<[UK, UV]> {
    const map = this.#cell.get()
    if (map !== undefined) for (const [key, value] of map) yield [fromMapKey(key) as UK, value]
  }

  *keys(): Generator<UK> {
    const map = this.#cell.get()
    if (map !== undefined) for (const key of map.keys()) yield fromMapKey(key) as UK
  }

  *values(): Generator<UV> {
    const map = this.#cell.get()
    if (map !== undefined) yield* map.values()
  }

  isEmpty(): boolean {
    return this.#cell.get() === undefined
  }

  clear(): void {
    this.#cell.clear()
  }
}

export function ownMapKey(mapKey: unknown): unknown {
  return typeof mapKey === 'string' ? detachedText(mapKey) : mapKey
}
