/**
 * One state of the managed backend. The hot part (`get`, `set`, `seek`) is generated per value type by cell-code.ts;
 * the fields that it uses are public for that reason only.
 *
 * Invariants
 * 1. While `seenVersion` is the context's version, `entry` (-1: none) of `partition` is the current key's entry.
 * 2. Before an entry changes, or its object is handed out, a snapshot under way has got it (`preserve`).
 */
import type { ValueCodec } from '../../data/value-codec.ts'
import { detached, estimatedBytes } from '../detached-value.ts'
import { KeyClass } from '../key-class.ts'
import type { AccumulatorCursor, KeyGroupRange, Namespace, RowColumns, ValueState } from '../keyed-state-backend.ts'
import type { KeyContext } from '../key-context.ts'
import type { LoadableCell } from '../keyed-backend-base.ts'
import { type BlockReader, keyCodecs } from '../snapshot-layout.ts'
import { cellType, type StateSpec } from '../state-spec.ts'
import { specialisedCell } from './cell-code.ts'
import type { ClassTable, TableOptions } from './class-table.ts'
import { keyAt, prepare, tableClassOf } from './key-words.ts'
import { int32LoaderFor, loadInt32s } from './load-int32s.ts'
import type { ManagedBackend } from './managed-backend.ts'
import { NamespaceTables } from './namespace-tables.ts'
import type { Partition } from './partition.ts'
import { Mode } from './tracking.ts'
import { type RecordLayout, recordLayoutOf } from './record-layout.ts'

/** A namespace is not expected to have more entries than this. */
const expectedEntriesMax = 16_384
/** At most so many keys are touched at once. */
const touchedKeysMax = 256

export abstract class ManagedCell<V> implements LoadableCell<V>, ValueState<V> {
  readonly spec: StateSpec
  readonly layout: RecordLayout
  readonly namespaceTables: Map<Namespace, NamespaceTables> = new Map()
  readonly context: KeyContext
  seenVersion = -1
  /** Whose tables are at hand; undefined where that has to be looked up again. */
  seenNamespace: Namespace | undefined = undefined
  entry = -1
  partition: Partition = undefined as unknown as Partition
  /** The current namespace's table of int32 keys. */
  int32: ClassTable | undefined = undefined
  /** The tables of `seenNamespace`. */
  current: NamespaceTables | undefined = undefined
  /** Where `seek` found the place of an int32 key empty; `missedIn` is undefined for other keys. */
  missedIn: Partition | undefined = undefined
  missedAt = 0
  missedHash = 0
  /** Scratch of `touchKeys`. */
  readonly touchedPartitions: Partition[] = []
  readonly touchedWords: Int32Array = new Int32Array(touchedKeysMax)
  readonly #backend: ManagedBackend
  readonly #tableOptions: TableOptions
  readonly partitionEntriesMax: number
  /** What the next namespace is expected to be like: the one before it, and the last one dropped. */
  #latest: NamespaceTables | undefined = undefined
  #droppedEntries = 0
  #sweep: Iterator<[NamespaceTables, ClassTable, Partition, number]> | undefined = undefined

  constructor(backend: ManagedBackend, spec: StateSpec, layout: RecordLayout) {
    this.#backend = backend
    this.context = backend.context
    this.spec = spec
    this.layout = layout
    this.partitionEntriesMax = backend.partitionEntriesMax
    this.#tableOptions = {
      layout,
      account: backend.account,
      stamps: backend.stamps,
      partitionEntriesMax: backend.partitionEntriesMax,
      onSplit: (from, left, right) => backend.replaced(from, left, right),
    }
  }

  abstract get(): V | undefined
  /** The cell is value state by itself: no layer in between. */
  abstract value(): V | undefined
  abstract update(value: V): void
  abstract set(value: V): void
  abstract seek(): void
  abstract cursorOver(partitions: Iterator<[ClassTable, Partition]> | undefined): AccumulatorCursor<V>
  /** Reads the first place of each int32 key; answers something made of what it read. */
  abstract touchKeys(keys: ArrayLike<unknown>, count: number): number
  /** The value of an entry; a new object where it is a row of fields. */
  abstract readAt(partition: Partition, entry: number): V
  abstract writeAt(partition: Partition, entry: number, value: V): void
  /** Throws MR_DATA_TYPE_MISMATCH. */
  abstract check(value: V): void
  /** Notes that an entry of a tracked partition changes. */
  abstract mark(partition: Partition, entry: number): void

  touch(addedBytes: number): void {
    if (this.seenVersion !== this.context.version) this.seek()
    if (this.entry < 0) return
    const { partition, entry } = this
    // As generated code does (cell-code.ts): `mark` is for the first change in a period.
    if (partition.i32[entry * this.layout.strideWords + 1]! <= partition.unnoted) this.mark(partition, entry)
    if (addedBytes === 0) return
    this.#backend.account.charge(addedBytes)
    this.current!.objectBytes += addedBytes
  }

  clear(): void {
    if (this.seenVersion !== this.context.version) this.seek()
    if (this.entry < 0) return
    const { partition, entry } = this
    const table = this.current!.tables[tableClassOf(this.context.key)]!
    this.#remove(this.current!, table, partition, entry)
    this.entry = -1
    this.context.invalidate()
  }

  mergeNamespaces(into: Namespace, from: Namespace, merge: (left: V, right: V) => V): void {
    const key = this.#currentKey()
    if (into === from) return
    const moved = this.#take(from, key)
    if (moved === undefined) return
    const present = this.#peek(into, key)
    this.put(into, key, 0, present === undefined ? moved : merge(present, moved))
  }

  forEachKey(namespace: Namespace, visit: (key: unknown, value: V) => boolean | void): void {
    const tables = this.namespaceTables.get(namespace)
    for (const table of tables?.tables ?? []) if (table !== undefined && !this.#visit(table, visit)) return
  }

  openCursor(namespace: Namespace): AccumulatorCursor<V> {
    return this.cursorOver(this.namespaceTables.get(namespace)?.partitions())
  }

  columns(): RowColumns | undefined {
    const { fields, isRow } = this.layout
    return isRow && fields !== undefined ? (this as unknown as RowColumns) : undefined
  }

  dropNamespace(namespace: Namespace): void {
    const tables = this.namespaceTables.get(namespace)
    if (tables !== undefined) this.#drop(tables)
  }

  namespaces(): Iterable<Namespace> {
    const names: Namespace[] = []
    for (const tables of this.namespaceTables.values()) if (tables.entryCount > 0) names.push(tables.namespace)
    return names
  }

  entryCount(): number {
    let count = 0
    for (const tables of this.namespaceTables.values()) count += tables.entryCount
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
      const [tables, table, partition, entry] = step.value
      if (partition.mode === Mode.Frozen && this.layout.fields === undefined) this.preserve(partition, entry)
      const value = this.readAt(partition, entry)
      const kept = keep(value)
      if (kept === value) continue
      if (kept === undefined) this.#remove(tables, table, partition, entry)
      else {
        if (partition.mode !== Mode.Untracked) this.mark(partition, entry)
        this.writeAt(partition, entry, kept)
      }
      this.context.invalidate()
    }
  }

  /** Sets the value of any key, creating the entry where there is none. Used by merges and restores. */
  put(namespace: Namespace, key: unknown, _keyGroup: number, value: V): void {
    this.check(value)
    const tables = this.#tablesOf(namespace)
    const keyClass = tableClassOf(key)
    const table = tables.table(keyClass, this.#tableOptions)
    prepare(keyClass, key)
    const entry = table.find()
    this.context.invalidate()
    if (entry < 0) return void this.#insertPrepared(tables, table, value)
    if (table.partition.mode !== Mode.Untracked) this.mark(table.partition, entry)
    this.writeAt(table.partition, entry, value)
  }

  /** Makes room for entries that a restore is about to load. */
  expect(namespace: Namespace, keyClass: KeyClass, count: number): void {
    const tables = this.#tablesOf(namespace)
    if (tables.tables[keyClass] === undefined && count > 0) tables.table(keyClass, this.#tableOptions, count)
  }

  /** Puts the entries of a block of a snapshot whose key groups are in the range. */
  load(block: BlockReader, codec: ValueCodec, range: KeyGroupRange): void {
    const tables = this.#tablesOf(block.namespace)
    const loader = block.keyClass === KeyClass.Int32 ? int32LoaderFor(this.layout) : undefined
    if (loader?.valueBytes === block.values.remaining / block.count) {
      const table = tables.table(KeyClass.Int32, this.#tableOptions)
      const mark = (partition: Partition, entry: number): void => this.mark(partition, entry)
      tables.entryCount += loadInt32s(block, table, this.layout.strideWords, loader, range, mark)
      this.context.invalidate()
    } else this.#loadValues(block, tables, codec, range)
    if (tables.entryCount === 0 && tables.namespace !== 0) this.#drop(tables)
  }

  #loadValues(block: BlockReader, tables: NamespaceTables, codec: ValueCodec, { first, last }: KeyGroupRange): void {
    const keyCodec = keyCodecs[block.keyClass]!
    for (let i = 0; i < block.count; i++) {
      const keyGroup = block.keyGroup(i)
      const key = keyCodec.decode(block.keys)
      const value = codec.decode(block.values) as V
      if (keyGroup < first || keyGroup > last) continue
      const keyClass = tableClassOf(key)
      const table = tables.table(keyClass, this.#tableOptions)
      prepare(keyClass, key)
      const entry = table.find()
      if (entry < 0) {
        if (table.partition.liveCount === 0) table.partition.orderBy(block.order)
        this.#insertPrepared(tables, table, value)
        continue
      }
      if (table.partition.mode !== Mode.Untracked) this.mark(table.partition, entry)
      this.writeAt(table.partition, entry, value)
    }
  }

  removeKey(namespace: Namespace, key: unknown): void {
    this.#take(namespace, key)
  }

  /** Bytes of the table that `touchKeys` would look into. */
  touchableBytes(): number {
    return this.namespaceTables.get(this.context.namespace)?.int32?.recordBytes() ?? 0
  }

  /** What `mark` does but in the one case that its code has in itself. */
  markOther(partition: Partition, entry: number): void {
    if (partition.mode === Mode.Untracked) return partition.noteNothing()
    if (partition.mode === Mode.Frozen) this.preserve(partition, entry)
    partition.noteChange(entry)
  }

  /** Gives an entry to the snapshot under way if that still has to write it. */
  preserve(partition: Partition, entry: number): void {
    if (!partition.isFrozenAt(entry)) return
    this.#backend.preserve(partition, entry)
    partition.thawAt(entry)
  }

  /** Looks up a key that is no int32, or 0. */
  seekOther(key: unknown): void {
    this.entry = -1
    this.missedIn = undefined
    const keyClass = tableClassOf(this.#currentKey())
    const table = this.current?.tables[keyClass]
    if (table === undefined) return
    if (typeof key === 'string') this.entry = table.findText(key)
    else {
      prepare(keyClass, key)
      this.entry = table.find()
    }
    this.partition = table.partition
    if (this.entry >= 0 && this.partition.mode === Mode.Frozen && this.layout.fields === undefined) {
      this.preserve(this.partition, this.entry)
    }
  }

  /** There is no table of int32 keys. */
  missedAll(): void {
    this.entry = -1
    this.missedIn = undefined
  }

  /** Of types that are one field: the value is undefined, which clears, or of another type. */
  updateOther(value: V): void {
    if (value === undefined) this.clear()
    else this.check(value)
  }

  /** `seek` has found the place of an int32 key empty. */
  missed(partition: Partition, place: number, hash: number): void {
    this.entry = -1
    this.missedAt = place
    this.missedHash = hash
    this.missedIn = partition
  }

  /** What an entry of the current namespace keeps of an object, charged. */
  kept(value: V): V {
    const kept = detached(value)
    const bytes = estimatedBytes(kept)
    this.#backend.account.charge(bytes)
    this.current!.objectBytes += bytes
    return kept
  }

  /** Sets the current key's value where it has none. */
  abstract insert(value: V): void

  insertAnyhow(value: V): void {
    this.check(value)
    const { context } = this
    context.keyGroup()
    const tables = this.#tablesOf(context.namespace)
    const keyClass = tableClassOf(context.key)
    const table = tables.table(keyClass, this.#tableOptions)
    this.current = tables
    this.int32 = tables.int32
    this.seenNamespace = context.namespace
    prepare(keyClass, context.key)
    this.entry = this.#insertPrepared(tables, table, value)
    this.partition = table.partition
  }

  turnToNamespace(): void {
    if (this.context.key === undefined) this.#currentKey()
    this.current = this.namespaceTables.get(this.context.namespace)
    this.int32 = this.current?.int32
    this.missedIn = undefined
    this.seenNamespace = this.current === undefined ? undefined : this.context.namespace
  }

  /** What `visit` does to the table moves entries, so a partition's are collected first. */
  #visit(table: ClassTable, visit: (key: unknown, value: V) => boolean | void): boolean {
    let prefix = 0
    for (let at = table.partitionAt(0); at !== undefined; at = table.partitionAt(prefix)) {
      prefix = table.prefixAfter(prefix, at)
      const entries: [key: unknown, value: V][] = []
      for (let entry = 0; entry < at.places; entry++) {
        if (at.isEmptyAt(entry)) continue
        if (at.mode === Mode.Frozen && this.layout.fields === undefined) this.preserve(at, entry)
        entries.push([keyAt(table.keyClass, at, entry * this.layout.strideWords), this.readAt(at, entry)])
      }
      for (const [key, value] of entries) if (visit(key, value) === false) return false
    }
    return true
  }

  #insertPrepared(tables: NamespaceTables, table: ClassTable, value: V): number {
    let kept = value
    let objectBytes = 0
    if (this.layout.fields === undefined) {
      kept = detached(value)
      objectBytes = estimatedBytes(kept)
      this.#backend.account.charge(objectBytes)
    }
    const entry = this.#insertEntry(table, objectBytes)
    tables.objectBytes += objectBytes
    tables.entryCount++
    this.writeAt(table.partition, entry, kept)
    return entry
  }

  #insertEntry(table: ClassTable, objectBytes: number): number {
    try {
      return table.insert()
    } catch (error) {
      this.#backend.account.release(objectBytes)
      throw error
    }
  }

  #remove(tables: NamespaceTables, table: ClassTable, partition: Partition, entry: number): void {
    if (partition.mode === Mode.Frozen) this.preserve(partition, entry)
    if (partition.isPersisted(entry))
      table.graves.push(keyAt(table.keyClass, partition, entry * this.layout.strideWords))
    table.remove(partition, entry, (moved) => this.preserve(partition, moved))
    const objectBytes = Math.floor(tables.objectBytes / tables.entryCount)
    tables.objectBytes -= objectBytes
    tables.entryCount--
    this.#backend.account.release(objectBytes)
    if (tables.entryCount === 0 && tables.namespace !== 0) this.#drop(tables)
  }

  #drop(tables: NamespaceTables): void {
    this.namespaceTables.delete(tables.namespace)
    this.#droppedEntries = tables.entryCount
    if (this.#latest === tables) this.#latest = undefined
    tables.isDropped = true
    this.#backend.forget(this.spec.name, tables)
    this.#backend.account.release(tables.objectBytes)
    tables.release()
    this.seenNamespace = undefined
    this.context.invalidate()
  }

  #take(namespace: Namespace, key: unknown): V | undefined {
    const tables = this.namespaceTables.get(namespace)
    const keyClass = tableClassOf(key)
    const table = tables?.tables[keyClass]
    if (tables === undefined || table === undefined) return undefined
    const entry = this.#entryOf(table, keyClass, key)
    if (entry < 0) return undefined
    const { partition } = table
    if (partition.mode === Mode.Frozen) this.preserve(partition, entry)
    const value = this.readAt(partition, entry)
    this.#remove(tables, table, partition, entry)
    this.context.invalidate()
    return value
  }

  #peek(namespace: Namespace, key: unknown): V | undefined {
    const keyClass = tableClassOf(key)
    const table = this.namespaceTables.get(namespace)?.tables[keyClass]
    if (table === undefined) return undefined
    const entry = this.#entryOf(table, keyClass, key)
    if (entry < 0) return undefined
    if (table.partition.mode === Mode.Frozen) this.preserve(table.partition, entry)
    return this.readAt(table.partition, entry)
  }

  #entryOf(table: ClassTable, keyClass: KeyClass, key: unknown): number {
    prepare(keyClass, key)
    return table.find()
  }

  #currentKey(): unknown {
    if (this.context.key === undefined) this.context.keyGroup()
    return this.context.key
  }

  #tablesOf(namespace: Namespace): NamespaceTables {
    let tables = this.namespaceTables.get(namespace)
    if (tables === undefined) {
      const latest = this.#latest
      const dropped = this.#droppedEntries
      const expected = latest === undefined ? dropped : Math.max(latest.entryCount, dropped >>> 1)
      tables = new NamespaceTables(namespace, Math.min(expected, expectedEntriesMax))
      this.#latest = tables
      this.namespaceTables.set(namespace, tables)
      this.seenNamespace = undefined
    }
    return tables
  }

  *#allEntries(): Generator<[NamespaceTables, ClassTable, Partition, number], void> {
    for (const tables of this.namespaceTables.values()) {
      for (const [table, partition] of tables.partitions()) {
        for (let entry = 0; entry < partition.places; entry++) {
          if (tables.isDropped || partition.isRetired) break
          if (!partition.isEmptyAt(entry)) yield [tables, table, partition, entry]
        }
      }
    }
  }
}

/** Cell of a state, with code made for its type. */
export function createManagedCell(backend: ManagedBackend, spec: StateSpec): ManagedCell<unknown> {
  const type = cellType(spec)
  const layout = recordLayoutOf(type)
  type Concrete = new (backend: ManagedBackend, spec: StateSpec, layout: RecordLayout) => ManagedCell<unknown>
  const Cell = specialisedCell(ManagedCell as unknown as Concrete, type, layout)
  return new Cell(backend, spec, layout)
}
