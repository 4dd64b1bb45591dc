/**
 * One state of a backend on disk. Hot: `get` and `set` run for every record; as long as the keys at work fit into
 * memory they are one look-up in the active table.
 */
import type { ValueCodec } from '../../data/value-codec.ts'
import { cellCodec } from '../cell-codec.ts'
import type { LoadableCell } from '../keyed-backend-base.ts'
import type { AccumulatorCursor, Namespace, RowColumns } from '../keyed-state-backend.ts'
import { cellType, type StateSpec } from '../state-spec.ts'
import type { DiskBackend } from './disk-backend.ts'
import { DiskTable } from './disk-table.ts'
import type { FrontTable } from './front-table.ts'
import { type TableEntry, walkTable } from './table-walk.ts'
import { type RowPlace, type ValueLayout, valueLayoutOf } from './value-layout.ts'

export class DiskCell<V> implements LoadableCell<V> {
  readonly spec: StateSpec
  readonly codec: ValueCodec
  readonly layout: ValueLayout
  /** In the store's keys. */
  id: number
  readonly tables: Map<Namespace, DiskTable> = new Map()
  readonly #backend: DiskBackend
  readonly #context: DiskBackend['context']
  readonly #isNumber: boolean
  /** Any number will do. */
  readonly #isFloat: boolean
  #seenVersion = -1
  #seenNamespace: Namespace | undefined = undefined
  #table: DiskTable | undefined = undefined
  /** Where `#seek` found the entry; undefined where it is in no table. */
  #front: FrontTable | undefined = undefined
  #entry = -1
  /** The key may be in the store: nobody has asked. */
  #isUnread = false
  #sweeping: Generator<TableEntry> | undefined = undefined

  constructor(backend: DiskBackend, spec: StateSpec, id: number) {
    this.spec = spec
    this.id = id
    this.codec = cellCodec(spec)
    this.layout = valueLayoutOf(cellType(spec))
    this.#isNumber = this.layout.isNumber
    this.#isFloat = this.layout.isNumber && this.codec.fixedBytes === 8
    this.#backend = backend
    this.#context = backend.context
  }

  /** Takes expired values out before they are written, where the state is declared so. */
  prune(): ((value: unknown) => unknown) | undefined {
    return this.#backend.pruneFor(this.spec.name)
  }

  get(): V | undefined {
    this.#seek()
    const front = this.#front
    const entry = this.#entry
    if (front === undefined || !front.isLive(entry)) return undefined
    if (this.#isNumber) return front.f64[entry * 2 + 1] as V
    front.expose(entry)
    return (front.isLive(entry) ? front.valueOf(entry) : undefined) as V
  }

  set(value: V): void {
    if (typeof value !== 'number' || !this.#isFloat) this.layout.check(value)
    this.#seek(false)
    const table = this.#table
    const front = this.#front
    if (table === undefined || front !== table.active) return this.#insert(value)
    const wasLive = this.#isNumber
      ? front.replaceNumber(this.#entry, value as number)
      : front.replace(this.#entry, value)
    if (wasLive) return
    if (table.count >= 0) table.count++
    table.account()
  }

  touch(addedBytes: number): void {
    this.#seek()
    const front = this.#front
    if (front === undefined || !front.isLive(this.#entry)) return
    const table = this.#table!
    if (front !== table.active) this.#insert(front.valueOf(this.#entry) as V)
    else front.mark(this.#entry)
    if (addedBytes === 0) return
    this.#front!.grewBy(addedBytes)
    this.#backend.grew(table)
  }

  clear(): void {
    this.#seek()
    const front = this.#front
    if (front === undefined || !front.isLive(this.#entry)) return
    const table = this.#table!
    if (front === table.active) {
      if (!front.delete(this.#entry)) return
    } else {
      this.#entry = table.active.addDeleted(this.#context.key, this.#context.keyGroup())
      this.#front = table.active
    }
    this.#removed(table)
  }

  /** See `FrontTable.touch`: of the current namespace's tables, those beneath where the active one does not know a key. */
  touchKeys(keys: ArrayLike<unknown>, count: number): void {
    const table = this.tables.get(this.#context.namespace)
    if (table === undefined) return
    let missed = table.active.touch(keys, count, missing)
    for (const { front } of table.parts) if (missed > 0) missed = front.touch(missing, missed, missing)
    if (missed > 0) table.clean?.touch(missing, missed, missing)
  }

  mergeNamespaces(into: Namespace, from: Namespace, merge: (left: V, right: V) => V): void {
    const { key } = this.#context
    const keyGroup = this.#context.keyGroup()
    if (into === from) return
    const source = this.tables.get(from)
    const moved = source === undefined ? undefined : this.#read(source, key, keyGroup)
    if (moved === undefined) return
    this.#delete(source!, key, keyGroup)
    const target = this.tables.get(into)
    const present = target === undefined ? undefined : this.#read(target, key, keyGroup)
    this.put(into, key, keyGroup, present === undefined ? moved : merge(present, moved))
    this.#context.invalidate()
  }

  forEachKey(namespace: Namespace, visit: (key: unknown, value: V) => boolean | void): void {
    const table = this.tables.get(namespace)
    if (table === undefined) return
    for (const { key, value } of walkTable(table, this.#backend)) if (visit(key, value as V) === false) return
  }

  openCursor(namespace: Namespace): AccumulatorCursor<V> {
    const table = this.tables.get(namespace)
    return new DiskCursor<V>(table === undefined ? undefined : walkTable(table, this.#backend))
  }

  columns(): RowColumns | undefined {
    return this.layout.columns?.((place) => this.#findRow(place))
  }

  dropNamespace(namespace: Namespace): void {
    const table = this.tables.get(namespace)
    if (table === undefined) return
    this.tables.delete(namespace)
    table.isDropped = true
    table.account()
    if (table.isOnDisk) this.#backend.dropLater(table.prefix)
    this.#context.invalidate()
  }

  namespaces(): Iterable<Namespace> {
    const found: Namespace[] = []
    for (const table of this.tables.values()) if (this.#hasAny(table)) found.push(table.namespace)
    return found
  }

  entryCount(): number {
    let count = 0
    for (const table of this.tables.values()) count += this.countOf(table)
    return count
  }

  /** Counts where a restore left the number open. */
  countOf(table: DiskTable): number {
    if (table.count < 0) {
      let count = 0
      for (const _ of walkTable(table, this.#backend)) count++
      table.count = count
    }
    return table.count
  }

  sweep(count: number, keep: (value: V) => V | undefined): void {
    for (let i = 0; i < count; i++) {
      this.#sweeping ??= this.#walkAll()
      const step = this.#sweeping.next()
      if (step.done === true) {
        this.#sweeping = undefined
        return
      }
      const { table, key, keyGroup, value } = step.value
      if (table.isDropped || keep(value as V) === value) continue
      this.#sweepEntry(table, key, keyGroup, keep)
    }
  }

  put(namespace: Namespace, key: unknown, keyGroup: number, value: V): void {
    this.layout.check(value)
    const table = this.#tableOf(namespace)
    const isPresent = this.#isLive(table, key, keyGroup)
    const entry = table.active.find(key)
    if (entry >= 0) table.active.replace(entry, value)
    else table.active.add(key, keyGroup, value)
    if (!isPresent && table.count >= 0) table.count++
    this.#backend.grew(table)
  }

  removeKey(namespace: Namespace, key: unknown): void {
    const table = this.tables.get(namespace)
    if (table === undefined) return
    const keyGroup = this.#context.checkedGroupOf(key)
    if (this.#isLive(table, key, keyGroup)) this.#delete(table, key, keyGroup)
  }

  /** A table that is in no tier any more. */
  release(front: FrontTable): void {
    front.release()
    this.#context.invalidate()
  }

  /** Gives a table up that `isForgettable`. */
  forget(table: DiskTable): void {
    if (this.tables.get(table.namespace) !== table) return
    this.tables.delete(table.namespace)
    table.isDropped = true
    table.account()
    this.#context.invalidate()
  }

  compactWritten(table: DiskTable): void {
    if (!table.compactWritten()) return
    table.account()
    this.#context.invalidate()
  }

  /** For restores: a namespace of which something is on disk. Count -1: unknown. */
  addStored(namespace: Namespace, count: number): void {
    const table = this.#tableOf(namespace)
    table.isOnDisk = true
    table.isComplete = false
    table.count = count < 0 || table.count < 0 ? -1 : table.count + count
  }

  /** Only in the active table: elsewhere nothing changes in its place. */
  #findRow(place: RowPlace): boolean {
    this.#seek()
    const front = this.#front
    if (front === undefined || front !== this.#table!.active || !front.isLive(this.#entry)) return false
    place.front = front
    place.entry = this.#entry
    return true
  }

  /** `reads` false: what only the store knows is about to be replaced, and need not be read. */
  #seek(reads = true): void {
    const context = this.#context
    if (this.#seenVersion === context.version && this.#seenNamespace === context.namespace && !this.#isUnread) return
    this.#isUnread = false
    if (context.key === undefined) context.keyGroup()
    if (this.#seenNamespace !== context.namespace || this.#table === undefined || this.#table.isDropped) {
      this.#seenNamespace = context.namespace
      this.#table = this.tables.get(context.namespace)
    }
    this.#seenVersion = context.version
    const table = this.#table
    this.#front = undefined
    if (table === undefined) return
    const entry = table.active.find(context.key)
    if (entry >= 0) {
      this.#front = table.active
      this.#entry = entry
    } else if (table.hasTiers) this.#seekBeneath(table, context.key, reads)
  }

  #seekBeneath(table: DiskTable, key: unknown, reads: boolean): void {
    for (const part of table.parts) {
      const entry = part.front.find(key)
      if (entry < 0) continue
      part.front.expose(entry)
      this.#front = part.front
      this.#entry = entry
      return
    }
    const entry = table.clean?.find(key) ?? -1
    if (entry >= 0) {
      this.#front = table.clean
      this.#entry = entry
    } else if (!table.isComplete) {
      // Namespaces keep count of their keys, to be given up when they are empty.
      if (!reads && table.namespace === 0) {
        this.#isUnread = true
        return
      }
      this.#entry = this.#backend.reads.readOne(table, key, this.#context.keyGroup())
      this.#front = table.clean
    }
  }

  #insert(value: V): void {
    const context = this.#context
    const keyGroup = context.keyGroup()
    const table = this.#tableOf(context.namespace)
    const beneath = this.#front
    const wasLive = beneath?.isLive(this.#entry) === true
    beneath?.supersede(this.#entry)
    this.#table = table
    this.#entry = table.active.add(context.key, keyGroup, value)
    this.#front = table.active
    if (this.#isUnread) {
      table.count = -1
      this.#isUnread = false
    } else if (!wasLive && table.count >= 0) table.count++
    this.#backend.grew(table)
  }

  #read(table: DiskTable, key: unknown, keyGroup: number): V | undefined {
    const [front, entry] = this.#locate(table, key, keyGroup)
    return front === undefined || !front.isLive(entry) ? undefined : (front.valueOf(entry) as V)
  }

  #isLive(table: DiskTable, key: unknown, keyGroup: number): boolean {
    const [front, entry] = this.#locate(table, key, keyGroup)
    return front !== undefined && front.isLive(entry)
  }

  /** Where a key of any table stands in memory, after a read from disk if need be. */
  #locate(table: DiskTable, key: unknown, keyGroup: number): [FrontTable | undefined, number] {
    const active = table.active.find(key)
    if (active >= 0) {
      // Before anybody looks: what is found expired on the way to disk is deleted.
      table.active.preserve(active)
      return [table.active, active]
    }
    for (const { front } of table.parts) {
      const entry = front.find(key)
      if (entry < 0) continue
      front.preserve(entry)
      return [front, entry]
    }
    const clean = table.clean?.find(key) ?? -1
    if (clean >= 0) return [table.clean, clean]
    if (table.isComplete) return [undefined, -1]
    const read = this.#backend.reads.readOne(table, key, keyGroup)
    return [table.clean, read]
  }

  #delete(table: DiskTable, key: unknown, keyGroup: number): void {
    const entry = table.active.find(key)
    if (entry < 0) table.active.addDeleted(key, keyGroup)
    else if (!table.active.delete(entry)) return
    this.#removed(table)
  }

  #removed(table: DiskTable): void {
    if (table.count > 0) table.count--
    if (!table.hasBeneath) {
      if (table.count === 0 && table.namespace !== 0) return this.#forgetUnstored(table)
      if (table.active.isSparse) {
        table.active.compact(true)
        this.#context.invalidate()
      }
    } else if (table.compactFresh()) this.#context.invalidate()
    this.#backend.grew(table)
  }

  #forgetUnstored(table: DiskTable): void {
    this.tables.delete(table.namespace)
    table.isDropped = true
    table.account()
    this.#context.invalidate()
  }

  #tableOf(namespace: Namespace): DiskTable {
    let table = this.tables.get(namespace)
    if (table === undefined) {
      table = new DiskTable(this as DiskCell<unknown>, namespace, this.#backend.memory)
      this.tables.set(namespace, table)
      this.#seenVersion = -1
    }
    return table
  }

  #hasAny(table: DiskTable): boolean {
    if (table.count >= 0) return table.count > 0
    const walk = walkTable(table, this.#backend)
    const has = walk.next().done !== true
    walk.return(undefined)
    return has
  }

  #sweepEntry(table: DiskTable, key: unknown, keyGroup: number, keep: (value: V) => V | undefined): void {
    const value = this.#read(table, key, keyGroup)
    if (value === undefined) return
    const kept = keep(value)
    if (kept === value) return
    if (kept === undefined) this.#delete(table, key, keyGroup)
    else this.put(table.namespace, key, keyGroup, kept)
    this.#context.invalidate()
  }

  *#walkAll(): Generator<TableEntry> {
    for (const table of this.tables.values()) yield* walkTable(table, this.#backend)
  }
}

/** Keys that a table did not know. Not reentrant. */
const missing: unknown[] = []

class DiskCursor<V> implements AccumulatorCursor<V> {
  key: unknown = undefined
  accumulator: V = undefined as V
  readonly #walk: Generator<TableEntry> | undefined

  constructor(walk: Generator<TableEntry> | undefined) {
    this.#walk = walk
  }

  next(): boolean {
    const step = this.#walk?.next()
    if (step === undefined || step.done === true) return false
    this.key = step.value.key
    this.accumulator = step.value.value as V
    return true
  }
}
