/**
 * One state of the heap backend. Values are the user's own objects. While a snapshot is being written, an entry that it
 * has not reached yet is encoded before anybody gets hold of its value (`beforeAccess`).
 */
import { detached, detachedText, estimatedBytes } from '../detached-value.ts'
import type { AccumulatorCursor, Namespace } from '../keyed-state-backend.ts'
import type { StateCell } from '../state-cell.ts'
import type { StateSpec } from '../state-spec.ts'
import { HeapEntry, HeapTable } from './heap-table.ts'
import type { HeapBackend } from './heap-backend.ts'

/** Entry object, its slot in the Map and the key. */
const entryBytes = 120
/** An empty table. */
const tableBytes = 480

export class HeapCell<V> implements StateCell<V> {
  readonly spec: StateSpec
  readonly tables: Map<Namespace, HeapTable> = new Map()
  readonly #backend: HeapBackend
  readonly #context: HeapBackend['context']
  #seenVersion = -1
  #seenNamespace: Namespace | undefined = undefined
  #entry: HeapEntry | undefined = undefined
  #table: HeapTable | undefined = undefined
  #sweep: Iterator<[HeapTable, HeapEntry]> | undefined = undefined

  constructor(backend: HeapBackend, spec: StateSpec) {
    this.#backend = backend
    this.#context = backend.context
    this.spec = spec
  }

  get(): V | undefined {
    const entry = this.#seek()
    return entry === undefined ? undefined : (entry.value as V)
  }

  set(value: V): void {
    const entry = this.#seek()
    if (entry === undefined) return this.#insert(value)
    entry.value = value
    if (entry.epoch !== this.#backend.epoch) this.#backend.markChanged(this.#table!, entry)
  }

  touch(addedBytes: number): void {
    const entry = this.#seek()
    if (entry === undefined) return
    if (entry.epoch !== this.#backend.epoch) this.#backend.markChanged(this.#table!, entry)
    if (addedBytes === 0) return
    this.#backend.account.charge(addedBytes)
    this.#table!.valueBytes += addedBytes
  }

  clear(): void {
    const entry = this.#seek()
    if (entry === undefined) return
    this.#remove(this.#table!, entry)
    this.#entry = undefined
  }

  mergeNamespaces(into: Namespace, from: Namespace, merge: (left: V, right: V) => V): void {
    if (this.#context.key === undefined) this.#context.keyGroup()
    if (into === from) return
    const source = this.tables.get(from)
    const moved = source?.find(this.#context.key)
    if (source === undefined || moved === undefined) return
    this.#backend.beforeAccess(source, moved)
    const value = moved.value as V
    this.#remove(source, moved)
    const target = this.tables.get(into)
    const present = target?.find(this.#context.key)
    if (present !== undefined) this.#backend.beforeAccess(target!, present)
    this.put(into, this.#context.key, moved.keyGroup, present === undefined ? value : merge(present.value as V, value))
    this.#context.invalidate()
  }

  forEachKey(namespace: Namespace, visit: (key: unknown, value: V) => boolean | void): void {
    const table = this.tables.get(namespace)
    if (table === undefined) return
    for (const entry of table.entries()) {
      this.#backend.beforeAccess(table, entry)
      if (visit(entry.key, entry.value as V) === false) return
    }
  }

  openCursor(namespace: Namespace): AccumulatorCursor<V> {
    return new HeapCursor(this.#backend, this.tables.get(namespace))
  }

  dropNamespace(namespace: Namespace): void {
    const table = this.tables.get(namespace)
    if (table !== undefined) this.#drop(table)
  }

  namespaces(): Iterable<Namespace> {
    return [...this.tables.keys()]
  }

  entryCount(): number {
    let count = 0
    for (const table of this.tables.values()) count += table.count
    return count
  }

  sweep(count: number, keep: (value: V) => V | undefined): void {
    for (let i = 0; i < count; i++) {
      this.#sweep ??= this.#allEntries()
      const step = this.#sweep.next()
      if (step.done === true) {
        this.#sweep = undefined
        return
      }
      const [table, entry] = step.value
      if (table.isDropped || entry.epoch === -1) continue
      this.#backend.beforeAccess(table, entry)
      const kept = keep(entry.value as V)
      if (kept === entry.value) continue
      if (kept === undefined) this.#remove(table, entry)
      else {
        entry.value = kept
        this.#backend.markChanged(table, entry)
      }
      this.#context.invalidate()
    }
  }

  /** Sets the value of any key, creating the entry where there is none. Used by merges and restores. */
  put(namespace: Namespace, key: unknown, keyGroup: number, value: V): void {
    const table = this.#tableOf(namespace)
    const entry = table.find(key)
    if (entry === undefined) return void this.#add(table, key, keyGroup, value)
    entry.value = value
    if (entry.epoch !== this.#backend.epoch) this.#backend.markChanged(table, entry)
  }

  /** Removes any key. Used by restores. */
  removeKey(namespace: Namespace, key: unknown): void {
    const table = this.tables.get(namespace)
    const entry = table?.find(key)
    if (entry !== undefined) this.#remove(table!, entry)
  }

  #seek(): HeapEntry | undefined {
    const context = this.#context
    if (this.#seenVersion === context.version && this.#seenNamespace === context.namespace) return this.#entry
    if (context.key === undefined) context.keyGroup()
    if (this.#seenNamespace !== context.namespace || this.#table === undefined || this.#table.isDropped) {
      this.#seenNamespace = context.namespace
      this.#table = this.tables.get(context.namespace)
    }
    this.#seenVersion = context.version
    this.#entry = this.#table?.find(context.key)
    if (this.#entry !== undefined && this.#backend.isSaving) {
      this.#backend.beforeAccess(this.#table!, this.#entry)
    }
    return this.#entry
  }

  #insert(value: V): void {
    const context = this.#context
    const keyGroup = context.keyGroup()
    const table = this.#tableOf(context.namespace)
    this.#table = table
    this.#entry = this.#add(table, context.key, keyGroup, value)
  }

  #add(table: HeapTable, key: unknown, keyGroup: number, value: V): HeapEntry {
    const kept = detached(value)
    const valueBytes = estimatedBytes(kept)
    this.#backend.account.charge(entryBytes + valueBytes)
    const ownKey = typeof key === 'string' ? detachedText(key) : key
    const entry = new HeapEntry(ownKey, keyGroup, kept, this.#backend.bornSavedBy)
    table.add(entry)
    table.valueBytes += valueBytes
    this.#backend.markChanged(table, entry)
    return entry
  }

  #remove(table: HeapTable, entry: HeapEntry): void {
    table.remove(entry)
    const valueBytes = table.count === 0 ? table.valueBytes : Math.floor(table.valueBytes / (table.count + 1))
    table.valueBytes -= valueBytes
    this.#backend.account.release(entryBytes + valueBytes)
    this.#backend.markRemoved(table, entry)
    if (table.count === 0 && table.namespace !== 0) this.#drop(table)
  }

  #drop(table: HeapTable): void {
    this.tables.delete(table.namespace)
    this.#backend.forgetTable(this.spec, table)
    table.isDropped = true
    this.#backend.account.release(tableBytes + table.count * entryBytes + table.valueBytes)
    this.#context.invalidate()
  }

  #tableOf(namespace: Namespace): HeapTable {
    let table = this.tables.get(namespace)
    if (table === undefined) {
      this.#backend.account.charge(tableBytes)
      table = new HeapTable(namespace, this.#backend.shardEntriesMax)
      this.tables.set(namespace, table)
    }
    return table
  }

  *#allEntries(): Generator<[HeapTable, HeapEntry]> {
    for (const table of this.tables.values()) for (const entry of table.entries()) yield [table, entry]
  }
}

class HeapCursor<V> implements AccumulatorCursor<V> {
  key: unknown = undefined
  accumulator: V = undefined as V
  readonly #backend: HeapBackend
  readonly #table: HeapTable | undefined
  readonly #entries: Iterator<HeapEntry> | undefined

  constructor(backend: HeapBackend, table: HeapTable | undefined) {
    this.#backend = backend
    this.#table = table
    this.#entries = table?.entries()
  }

  next(): boolean {
    const step = this.#entries?.next()
    if (step === undefined || step.done === true) return false
    this.#backend.beforeAccess(this.#table!, step.value)
    this.key = step.value.key
    this.accumulator = step.value.value as V
    return true
  }
}
