/**
 * The `heap` backend: values are objects in Maps of the slot's heap, for state without a schema.
 * Changes are tracked from the first snapshot on; until then everything is new anyway.
 */
import type { FrozenState } from '../frozen-state.ts'
import { KeyedBackendBase, type KeyedBackendOptions, type LoadableCell } from '../keyed-backend-base.ts'
import type { StateSpec } from '../state-spec.ts'
import { HeapCell } from './heap-cell.ts'
import { HeapSnapshot, type HeapChanges, type HeapDrop } from './heap-snapshot.ts'
import type { HeapEntry, HeapTable } from './heap-table.ts'

/** Removed entries may make up half of a list of changes before it is cleaned. */
const changedListSlack = 1024

interface PendingChanges {
  readonly checkpointId: number
  readonly changes: readonly HeapChanges[]
  readonly drops: readonly HeapDrop[]
}

export class HeapBackend extends KeyedBackendBase {
  readonly kind = 'heap'
  /** 0 until the first snapshot: nothing is tracked. */
  epoch = 0
  isSaving = false
  /** `savedBy` of entries that are created now: the number of the snapshot that must not contain them. */
  bornSavedBy = 0
  readonly shardEntriesMax: number | undefined
  #drops: HeapDrop[] = []
  #pending: PendingChanges[] = []
  #snapshot: HeapSnapshot | undefined
  #snapshotCount = 0

  constructor(options: KeyedBackendOptions & { readonly shardEntriesMax?: number }) {
    super(options)
    this.shardEntriesMax = options.shardEntriesMax
  }

  markChanged(table: HeapTable, entry: HeapEntry): void {
    if (this.epoch === 0) return
    entry.epoch = this.epoch
    table.changed.push(entry)
    if (table.changed.length > 2 * table.count + changedListSlack) {
      table.changed = table.changed.filter((changed) => changed.epoch !== -1)
    }
    table.isListed = true
  }

  /** The entry has left its table. */
  markRemoved(table: HeapTable, entry: HeapEntry): void {
    entry.epoch = -1
    if (entry.savedBy === 0) return
    table.graves.push(entry)
    table.isListed = true
  }

  /** The table has left its state. */
  forgetTable(spec: StateSpec, table: HeapTable): void {
    if (table.isPersisted) this.#drops.push({ spec, namespace: table.namespace })
  }

  /** To be called before the value of an entry is handed out or replaced. */
  beforeAccess(table: HeapTable, entry: HeapEntry): void {
    if (this.isSaving) this.#snapshot!.preserve(table, entry)
  }

  protected createCell(spec: StateSpec): LoadableCell<unknown> {
    return new HeapCell<unknown>(this, spec)
  }

  protected freeze(checkpointId: number, isFull: boolean, tracks: boolean): FrozenState {
    const changes: HeapChanges[] = isFull ? this.#everything() : []
    const drops = isFull ? [] : [...this.#pending.flatMap((pending) => pending.drops), ...this.#drops]
    if (tracks) {
      const fresh = this.#takeChanges()
      if (!isFull) changes.push(...this.#union(fresh))
      this.#pending.push({ checkpointId, changes: fresh, drops: this.#drops })
      this.#drops = []
    }
    const snapshot = new HeapSnapshot({
      number: ++this.#snapshotCount,
      epoch: this.epoch,
      isFull,
      tracks,
      changes,
      drops,
      states: this.stateIndexes(),
      onClose: () => this.#close(),
    })
    if (tracks) this.epoch++
    this.isSaving = true
    this.bornSavedBy = isFull ? snapshot.number : 0
    this.#snapshot = snapshot
    return snapshot
  }

  protected forgetPending(checkpointId: number): void {
    this.#pending = this.#pending.filter((pending) => pending.checkpointId > checkpointId)
  }

  #close(): void {
    this.isSaving = false
    this.bornSavedBy = 0
    this.#snapshot = undefined
  }

  #everything(): HeapChanges[] {
    const all: HeapChanges[] = []
    for (const cell of this.cells()) {
      for (const table of (cell as HeapCell<unknown>).tables.values()) {
        all.push({ spec: cell.spec, table, entries: undefined, graves: [], prune: this.pruneOf(cell.spec.name) })
      }
    }
    return all
  }

  /** Takes the lists of changes out of all tables. */
  #takeChanges(): HeapChanges[] {
    const fresh: HeapChanges[] = []
    for (const cell of this.cells()) {
      for (const table of (cell as HeapCell<unknown>).tables.values()) {
        table.isPersisted = true
        if (!table.isListed) continue
        fresh.push({ spec: cell.spec, table, entries: table.changed, graves: table.graves, prune: undefined })
        table.changed = []
        table.graves = []
        table.isListed = false
      }
    }
    return fresh
  }

  /** The fresh changes with those of checkpoints that were never completed. */
  #union(fresh: readonly HeapChanges[]): HeapChanges[] {
    const byTable = new Map<HeapTable, HeapChanges>()
    for (const changes of fresh) byTable.set(changes.table, { ...changes, entries: [...changes.entries!] })
    for (const pending of this.#pending) {
      for (const earlier of pending.changes) {
        if (earlier.table.isDropped) continue
        const own = byTable.get(earlier.table) ?? { ...earlier, entries: [], graves: [] }
        for (const entry of earlier.entries!) {
          if (entry.epoch === -1 || entry.epoch === this.epoch) continue
          entry.epoch = this.epoch
          own.entries!.push(entry)
        }
        byTable.set(earlier.table, { ...own, graves: [...earlier.graves, ...own.graves] })
      }
    }
    return [...byTable.values()]
  }
}
