/**
 * The current key and namespace of one backend: what all its states look at. Hot: written for every record.
 *
 * Invariant: `version` changes whenever an entry that a state remembers may no longer be the right one: another key,
 * an entry removed by somebody else, a snapshot that begins. States compare it instead of comparing keys. (It wraps
 * after 2^32 changes; a state would have to sleep for exactly that many to be deceived.)
 */
import { MillraceError } from '../common/errors.ts'
import { keyGroupOf } from '../data/key-groups.ts'
import type { KeyGroupRange, Namespace } from './keyed-state-backend.ts'

export class KeyContext {
  readonly keyGroupRange: KeyGroupRange
  readonly maxParallelism: number
  /** Undefined before the first key and outside of a keyed context. */
  key: unknown = undefined
  namespace: Namespace = 0
  version = 0
  #keyGroup = 0
  #keyGroupVersion = -1

  constructor(keyGroupRange: KeyGroupRange, maxParallelism: number) {
    this.keyGroupRange = keyGroupRange
    this.maxParallelism = maxParallelism
  }

  setKey(key: unknown): void {
    if (key === undefined || key === null) throw noKey(key)
    this.key = key
    this.version = (this.version + 1) | 0
  }

  setNamespace(namespace: Namespace): void {
    if (namespace === this.namespace) return
    this.namespace = namespace
    this.version = (this.version + 1) | 0
  }

  invalidate(): void {
    this.version = (this.version + 1) | 0
  }

  /** Key group of the current key, computed once per key. Throws MR_STATE_KEY_GROUP for a foreign one. */
  keyGroup(): number {
    if (this.#keyGroupVersion === this.version) return this.#keyGroup
    if (this.key === undefined) throw noKey(undefined)
    this.#keyGroup = this.checkedGroupOf(this.key)
    this.#keyGroupVersion = this.version
    return this.#keyGroup
  }

  checkedGroupOf(key: unknown): number {
    const group = keyGroupOf(key, this.maxParallelism)
    const { first, last } = this.keyGroupRange
    if (group < first || group > last) {
      throw new MillraceError(
        'MR_STATE_KEY_GROUP',
        `the key ${printKey(key)} belongs to key group ${group}, this subtask owns ${first}-${last}: ` +
          `the key selector gives different keys for one record`,
        { context: { key: printKey(key) } },
      )
    }
    return group
  }
}

export function noKey(key: unknown): MillraceError {
  return new MillraceError(
    'MR_STATE_NO_KEY',
    key === null
      ? 'the key of a record is null; every record needs a key'
      : 'keyed state was used without a current key (outside of a keyed context, or the key selector gave undefined)',
  )
}

function printKey(key: unknown): string {
  try {
    return (typeof key === 'object' ? JSON.stringify(key) : String(key)).slice(0, 200)
  } catch {
    return String(key)
  }
}
