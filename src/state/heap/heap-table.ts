/**
 * All keys of one state under one namespace, and which of them changed since the last snapshot.
 *
 * Invariants
 * 1. An entry stands in `changed` exactly once if its `epoch` is the backend's current epoch.
 * 2. `graves` holds removed entries that an earlier snapshot may contain.
 */
import { encodedKey, isEncodedKey } from '../encoded-key.ts'
import type { Namespace } from '../keyed-state-backend.ts'
import { ShardedMap } from './sharded-map.ts'

export class HeapEntry {
  readonly key: unknown
  readonly keyGroup: number
  value: unknown
  /** Epoch of the last change that no snapshot has written yet; 0 where there is none, -1 once removed. */
  epoch: number
  /** Number of the last snapshot that wrote the entry; 0 where none did. */
  savedBy: number

  constructor(key: unknown, keyGroup: number, value: unknown, savedBy: number) {
    this.key = key
    this.keyGroup = keyGroup
    this.value = value
    this.epoch = 0
    this.savedBy = savedBy
  }
}

export class HeapTable {
  readonly namespace: Namespace
  readonly primitives: ShardedMap<unknown, HeapEntry>
  encoded: ShardedMap<string, HeapEntry> | undefined
  count = 0
  /** Bytes charged for values, over all entries. */
  valueBytes = 0
  changed: HeapEntry[] = []
  graves: HeapEntry[] = []
  isListed = false
  /** An earlier snapshot may contain the namespace. */
  isPersisted = false
  isDropped = false
  readonly #shardEntriesMax: number | undefined

  constructor(namespace: Namespace, shardEntriesMax: number | undefined) {
    this.namespace = namespace
    this.#shardEntriesMax = shardEntriesMax
    this.primitives = new ShardedMap(shardEntriesMax)
  }

  find(key: unknown): HeapEntry | undefined {
    if (!isEncodedKey(key)) return this.primitives.get(key)
    return this.encoded?.get(encodedKey(key))
  }

  add(entry: HeapEntry): void {
    if (isEncodedKey(entry.key)) {
      this.encoded ??= new ShardedMap(this.#shardEntriesMax)
      this.encoded.add(encodedKey(entry.key), entry)
    } else this.primitives.add(entry.key, entry)
    this.count++
  }

  remove(entry: HeapEntry): void {
    if (isEncodedKey(entry.key)) this.encoded!.delete(encodedKey(entry.key))
    else this.primitives.delete(entry.key)
    this.count--
  }

  *entries(): Generator<HeapEntry, void> {
    yield* this.primitives.values()
    if (this.encoded !== undefined) yield* this.encoded.values()
  }
}
