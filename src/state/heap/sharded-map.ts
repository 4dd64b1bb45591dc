/**
 * A Map without the limit of one: V8 throws a RangeError at 2^24 entries, so beyond `shardEntriesMax` another Map takes
 * what is added. A look-up asks the Maps in turn (there is one up to 12 million entries).
 */
export const shardEntriesMax = 12_000_000

export class ShardedMap<K, V> {
  readonly #shards: Map<K, V>[] = [new Map()]
  readonly #first: Map<K, V>
  readonly #shardEntriesMax: number

  constructor(entriesMax: number = shardEntriesMax) {
    this.#first = this.#shards[0]!
    this.#shardEntriesMax = entriesMax
  }

  get size(): number {
    let size = 0
    for (const shard of this.#shards) size += shard.size
    return size
  }

  get(key: K): V | undefined {
    const found = this.#first.get(key)
    return found !== undefined || this.#shards.length === 1 ? found : this.#getBeyond(key)
  }

  /** Adds a key that is known to be absent. */
  add(key: K, value: V): void {
    for (const shard of this.#shards) if (shard.size < this.#shardEntriesMax) return void shard.set(key, value)
    this.#shards.push(new Map([[key, value]]))
  }

  delete(key: K): void {
    for (const shard of this.#shards) if (shard.delete(key)) return
  }

  /** Sees entries added while it runs, as a Map's iterator does. */
  *values(): Generator<V, void> {
    for (const shard of this.#shards) yield* shard.values()
  }

  #getBeyond(key: K): V | undefined {
    for (let i = 1; i < this.#shards.length; i++) {
      const found = this.#shards[i]!.get(key)
      if (found !== undefined) return found
    }
    return undefined
  }
}
