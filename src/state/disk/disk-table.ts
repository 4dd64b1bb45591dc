/**
 * The entries of one state under one namespace, in tiers: a look-up asks the active table, the frozen parts (newest
 * first), the clean table, and at last the store; the first that knows the key is right.
 *
 * Invariants
 * 1. Changes go to `active` only. What is beneath is never changed, except that `clean` learns what the store says.
 * 2. `clean` agrees with the store for every key that neither `active` nor a part knows.
 * 3. `isComplete`: every live entry is in memory, so a miss needs no read.
 * 4. `count` is the number of live entries, -1 where a restore left it to be counted.
 */
import type { Namespace } from '../keyed-state-backend.ts'
import type { DiskCell } from './disk-cell.ts'
import { entryPrefix } from './entry-key-layout.ts'
import type { FrontMemory } from './front-memory.ts'
import { FrontTable } from './front-table.ts'
import { FrozenPart, type Generation } from './generation.ts'

export class DiskTable {
  readonly cell: DiskCell<unknown>
  readonly namespace: Namespace
  readonly prefix: Uint8Array
  active: FrontTable
  parts: FrozenPart[] = []
  clean: FrontTable | undefined = undefined
  isComplete = true
  /** The store or a part on its way there may hold something of it, if only deletions. */
  isOnDisk = false
  isDropped = false
  count = 0
  #accountedActive = 0
  #accountedClean = 0

  constructor(cell: DiskCell<unknown>, namespace: Namespace) {
    this.cell = cell
    this.namespace = namespace
    this.prefix = entryPrefix(cell.id, namespace)
    this.active = new FrontTable(cell.layout)
  }

  /** True where a key that `active` does not know may be known elsewhere. */
  get hasBeneath(): boolean {
    return this.isOnDisk || this.clean !== undefined
  }

  /** A table above `by` knows the key. */
  isShadowed(key: unknown, by: FrozenPart): boolean {
    if (this.active.find(key) >= 0) return true
    for (const part of this.parts) {
      if (part === by) return false
      if (part.front.find(key) >= 0) return true
    }
    return false
  }

  /** The active table becomes a part; another takes its place. */
  freeze(generation: Generation, memory: FrontMemory): FrozenPart {
    const part = new FrozenPart(this, generation)
    this.isOnDisk = true
    this.parts.unshift(part)
    // What has changed since the last barrier is a good guess at what will change until the next.
    const isLarge = part.bytes > memory.limitBytes * expectedShareMax
    const expected = isLarge ? Math.min(part.front.count >>> 2, expectedEntriesMax) : part.front.count
    this.active = new FrontTable(this.cell.layout, expected)
    memory.frozenBytes += part.bytes
    this.account(memory)
    return part
  }

  /** Puts another clean table in the place of the present one. */
  keepClean(clean: FrontTable | undefined): void {
    if (clean === undefined || this.clean !== undefined) this.isComplete = false
    this.clean = clean
  }

  /** Brings the sums of memory up to date. */
  account(memory: FrontMemory): void {
    const activeBytes = this.isDropped ? 0 : this.active.bytes
    const cleanBytes = this.isDropped || this.clean === undefined ? 0 : this.clean.bytes
    if (activeBytes === this.#accountedActive && cleanBytes === this.#accountedClean) return
    memory.activeBytes += activeBytes - this.#accountedActive
    memory.cleanBytes += cleanBytes - this.#accountedClean
    this.#accountedActive = activeBytes
    this.#accountedClean = cleanBytes
    memory.settle()
  }
}

/** Tables that took a larger share of the memory than this are begun small. */
const expectedShareMax = 0.25
const expectedEntriesMax = 16_384
