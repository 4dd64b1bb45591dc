/** Map state with time to live per entry. */
import { detached, estimatedBytes } from '../detached-value.ts'
import type { MapState } from '../keyed-state-backend.ts'
import type { StateCell } from '../state-cell.ts'
import { ownMapKey } from './map-over-cell.ts'
import type { Timed, TimeToLive } from './time-to-live.ts'
import { fromMapKey, toMapKey } from './user-map-key.ts'

const entryBytes = 88

export class TimedMapOverCell<UK, UV> implements MapState<UK, UV> {
  readonly #cell: StateCell<Map<unknown, Timed<UV>>>
  readonly #ttl: TimeToLive

  constructor(cell: StateCell<Map<unknown, Timed<UV>>>, ttl: TimeToLive) {
    this.#cell = cell
    this.#ttl = ttl
  }

  get(key: UK): UV | undefined {
    const value = this.#read(toMapKey(key))
    this.#ttl.cleanUp()
    return value
  }

  put(key: UK, value: UV): void {
    const mapKey = toMapKey(key)
    const map = this.#cell.get()
    if (map === undefined) this.#cell.set(new Map([[ownMapKey(mapKey), this.#ttl.stamped(detached(value))]]))
    else {
      const isNew = !map.has(mapKey)
      map.set(isNew ? ownMapKey(mapKey) : mapKey, this.#ttl.stamped(detached(value)))
      this.#cell.touch(isNew ? entryBytes + estimatedBytes(value) : 0)
    }
    this.#ttl.cleanUp()
  }

  putAll(entries: Iterable<readonly [UK, UV]>): void {
    for (const [key, value] of entries) this.put(key, value)
  }

  remove(key: UK): void {
    this.#delete(toMapKey(key))
  }

  contains(key: UK): boolean {
    return this.get(key) !== undefined
  }

  *entries(): Generator<[UK, UV]> {
    const map = this.#cell.get()
    if (map === undefined) return
    for (const mapKey of map.keys()) {
      const value = this.#read(mapKey)
      if (value !== undefined) yield [fromMapKey(mapKey) as UK, value]
    }
  }

  *keys(): Generator<UK> {
    for (const [key] of this.entries()) yield key
  }

  *values(): Generator<UV> {
    for (const [, value] of this.entries()) yield value
  }

  isEmpty(): boolean {
    return this.entries().next().done === true
  }

  clear(): void {
    this.#cell.clear()
  }

  #read(mapKey: unknown): UV | undefined {
    const map = this.#cell.get()
    const timed = map?.get(mapKey)
    if (map === undefined || timed === undefined) return undefined
    if (this.#ttl.isExpired(timed)) {
      this.#delete(mapKey)
      return this.#ttl.returnsExpired ? timed.v : undefined
    }
    if (this.#ttl.updatesOnRead) {
      map.set(mapKey, this.#ttl.stamped(timed.v))
      this.#cell.touch(0)
    }
    return timed.v
  }

  #delete(mapKey: unknown): void {
    const map = this.#cell.get()
    if (map === undefined || !map.delete(mapKey)) return
    if (map.size === 0) this.#cell.clear()
    else this.#cell.touch(0)
  }
}
