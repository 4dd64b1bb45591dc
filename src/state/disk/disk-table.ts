/**
 * The entries of one state under one namespace, in tiers: a look-up asks the active table, the frozen parts (newest
 * first), the clean table, and at last the store; the first that knows the key is right.
 *
 * Invariants
 * 1. Changes go to `active` only. What is beneath is never changed, except that `clean` learns what the store says.
 * 2. `clean` agrees with the store for every key that neither `active` nor a part knows.
 * 3. `isComplete`: every live entry is in memory, so a miss needs no read.
 * 4. `count` is the number of live entries, -1 where a restore left it to be counted.
 * 5. A barrier freezes in place: `active` stays and remembers what changes from then on, so that state in memory is neither
 *    moved nor looked up twice. Only a full memory makes `active` a part.
 */
import type { Namespace } from '../keyed-state-backend.ts'
import type { DiskCell } from './disk-cell.ts'
import { entryPrefix } from './entry-key-layout.ts'
import type { FrontMemory } from './front-memory.ts'
import { FrontTable } from './front-table.ts'
import { FrozenPart, type Generation } from './generation.ts'
import { PlainEntryWriter } from './plain-entry-writer.ts'

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

  #plainWriter: PlainEntryWriter | undefined
  readonly #memory: FrontMemory

  constructor(cell: DiskCell<unknown>, namespace: Namespace, memory: FrontMemory) {
    this.cell = cell
    this.namespace = namespace
    this.prefix = entryPrefix(cell.id, namespace)
    this.#memory = memory
    this.active = new FrontTable(cell.layout, 0, memory.limitBytes)
  }

  /** True where a key that `active` does not know may be known elsewhere. */
  get hasTiers(): boolean {
    return !this.isComplete || this.clean !== undefined || this.parts.length > 0
  }

  /** True where a deletion has to be remembered: something elsewhere may know the key. */
  get hasBeneath(): boolean {
    return this.isOnDisk || this.clean !== undefined
  }

  /** A table above `by` knows the key. */
  isShadowed(key: unknown, by: FrontTable): boolean {
    if (this.active === by) return false
    if (this.active.find(key) >= 0) return true
    for (const { front } of this.parts) {
      if (front === by) return false
      if (front.find(key) >= 0) return true
    }
    return false
  }

  /** For values that are numbers and do not expire. */
  plainWriter(): PlainEntryWriter | undefined {
    const { cell, prefix } = this
    if (!cell.layout.isNumber || cell.prune() !== undefined) return undefined
    return (this.#plainWriter ??= new PlainEntryWriter(prefix, cell.codec.fixedBytes))
  }

  /** What has changed becomes a part; the active table goes on. */
  freezeInPlace(generation: Generation): FrozenPart | undefined {
    if (!this.active.hasChanges()) return undefined
    const part = new FrozenPart(this, generation, 0, this.active.takeChanges(true))
    this.isOnDisk = true
    this.account()
    return part
  }

  /** The active table becomes a part; another takes its place. */
  freezeAll(generation: Generation): FrozenPart {
    const { active } = this
    const part = new FrozenPart(this, generation, active.bytes, active.takeChanges(false))
    this.isOnDisk = true
    this.parts.unshift(part)
    const expectedEntries = Math.min(active.count >>> 2, expectedEntriesMax)
    this.active = new FrontTable(this.cell.layout, expectedEntries, this.#memory.limitBytes)
    this.#memory.frozenBytes += part.bytes
    this.account()
    return part
  }

  /** Forgets deletions that are on disk by now, where they are most of the active table. */
  compactWritten(): boolean {
    const { active, clean } = this
    if (active.readers.length > 0 || this.parts.length > 0 || !active.isSparse) return false
    // A walk over the store may still see what was deleted since it began.
    if (active.walks.size > 0 && !this.isComplete) return false
    active.compact(this.#isActiveAll, (key) => {
      const entry = clean?.find(key) ?? -1
      if (entry >= 0) clean!.delete(entry)
    })
    return true
  }

  /** Forgets what came and was deleted since the last freeze, where it is most of the active table: nobody is to know. */
  compactFresh(): boolean {
    const { active } = this
    if (!active.isFreshSparse || active.readers.length > 0 || !this.#isActiveAll) return false
    active.compact(true)
    return true
  }

  /** What the active table does not know is nowhere, and never was since the table began: it was never given up for want of memory. */
  get #isActiveAll(): boolean {
    return this.isComplete && this.clean === undefined && this.parts.length === 0
  }

  /** No live entries, and all deletions are on disk. */
  get isForgettable(): boolean {
    if (this.count !== 0 || this.parts.length > 0) return false
    return this.active.readers.length === 0 && !this.active.hasChanges()
  }

  /** The clean table, an empty one if need be. */
  cleanTable(): FrontTable {
    return (this.clean ??= new FrontTable(this.cell.layout, 0, this.#memory.limitBytes))
  }

  /** Puts another clean table in the place of the present one, whose memory is free afterwards. */
  keepClean(clean: FrontTable | undefined): void {
    const old = this.clean
    if (clean === undefined || old !== undefined) this.isComplete = false
    this.clean = clean
    if (old !== undefined) this.cell.release(old)
  }

  /** Brings the sums of memory up to date. */
  account(): void {
    const memory = this.#memory
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

/** A table that takes the place of one that was given up for want of memory is begun small. */
const expectedEntriesMax = 16_384
