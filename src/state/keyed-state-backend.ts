/**
 * The contract of keyed state backends. A backend belongs to one keyed operator of one subtask, in one thread, and owns
 * the state of the key groups in `keyGroupRange`. Every implementation runs `test/contract/keyed-state-backend.ts`.
 *
 * Invariants
 * 1. State is addressed by (state name, current key, current namespace). The namespace is 0 outside windows.
 * 2. State objects are created once per descriptor and follow the current key and namespace.
 * 3. setCurrentKey throws MR_STATE_NO_KEY for null and undefined, MR_STATE_KEY_GROUP for a key of a foreign group.
 * 4. Over budget: MR_STATE_OVER_BUDGET (or spilling), never an unbounded heap.
 */
import type { KeyGroupRange } from '../data/key-groups.ts'
import type { TypeInformation } from '../data/types.ts'
import type { SnapshotPart } from './snapshot-part.ts'
import type { SnapshotSink, SnapshotSource, StoredFile } from './snapshot-store.ts'
import type { StateTtlConfig } from './state-ttl.ts'

export type { KeyGroupRange } from '../data/key-groups.ts'

/** Numbers are window or slice starts; text is a custom window's own encoding. */
export type Namespace = number | string

interface DescriptorBase<Kind extends string> {
  readonly kind: Kind
  readonly name: string
  readonly ttl?: StateTtlConfig
}
/** State that holds one value. */
export interface ValueStateDescriptor<T> extends DescriptorBase<'value'> {
  readonly type?: TypeInformation<T>
}
/** State that holds a list. */
export interface ListStateDescriptor<T> extends DescriptorBase<'list'> {
  readonly type?: TypeInformation<T>
}
/** State that holds a map. */
export interface MapStateDescriptor<UK, UV> extends DescriptorBase<'map'> {
  readonly keyType?: TypeInformation<UK>
  readonly valueType?: TypeInformation<UV>
}
/** State that holds the combination of all values added. */
export interface ReducingStateDescriptor<T> extends DescriptorBase<'reducing'> {
  readonly type?: TypeInformation<T>
  readonly reduce: (left: T, right: T) => T
}
/** State that holds an accumulator of all values added. */
export interface AggregatingStateDescriptor<In, Acc, Out> extends DescriptorBase<'aggregating'> {
  readonly accumulatorType?: TypeInformation<Acc>
  readonly aggregate: AggregateFunction<In, Acc, Out>
}

/** Flink's AggregateFunction. `merge` is needed for merging windows and sliding windows over slices. */
export interface AggregateFunction<In, Acc, Out> {
  createAccumulator(): Acc
  /** Returns the accumulator to keep: the same object changed, or a new one. */
  add(value: In, accumulator: Acc): Acc
  getResult(accumulator: Acc): Out
  merge?(left: Acc, right: Acc): Acc
  /**
   * Takes `part`, merged before, out of `total` again: makes sliding windows cheaper. Undefined where that cannot be
   * done exactly (fractions): the engine then merges anew.
   */
  retract?(total: Acc, part: Acc): Acc | undefined
  /** Declared type of the accumulator: kept off-heap where it is fixed-width. */
  accumulatorType?: TypeInformation<Acc>
}

/** A value by key. */
export interface ValueState<T> {
  /** Undefined where nothing is stored under the current key and namespace. */
  value(): T | undefined
  update(value: T): void
  clear(): void
}
/** A list by key. */
export interface ListState<T> {
  get(): Iterable<T>
  add(value: T): void
  addAll(values: Iterable<T>): void
  update(values: Iterable<T>): void
  clear(): void
}
/** A map by key. */
export interface MapState<UK, UV> {
  get(key: UK): UV | undefined
  put(key: UK, value: UV): void
  putAll(entries: Iterable<readonly [UK, UV]>): void
  remove(key: UK): void
  contains(key: UK): boolean
  entries(): Iterable<[UK, UV]>
  keys(): Iterable<UK>
  values(): Iterable<UV>
  isEmpty(): boolean
  clear(): void
}
/** State that takes values and answers their combination. */
export interface AppendingState<In, Out> {
  get(): Out | undefined
  add(value: In): void
  clear(): void
}
/** State that combines what is added. */
export type ReducingState<T> = AppendingState<T, T>
/** State that folds what is added into a result. */
export type AggregatingState<In, Out> = AppendingState<In, Out>

/**
 * What window operators use beneath ReducingState and AggregatingState: accumulators by (namespace, key), with the
 * namespaces of one state enumerable and droppable as a whole. `Acc` values are kept off-heap where the type allows.
 */
export interface AccumulatorState<Acc> {
  /** Accumulator of the current key and namespace. */
  get(): Acc | undefined
  /** After `get` under the same key and namespace this goes to the place that `get` found: no second look-up. */
  set(accumulator: Acc): void
  clear(): void
  /** Merges namespace `from` of the current key into `into` with `merge`, removing `from`. */
  mergeNamespaces(into: Namespace, from: Namespace, merge: (left: Acc, right: Acc) => Acc): void
  /** Calls `visit` for every key of a namespace; it may stop early by returning false. Changes nothing. */
  forEachKey(namespace: Namespace, visit: (key: unknown, accumulator: Acc) => boolean | void): void
  /**
   * The same walk, pulled, so that an emission that met a full output can go on where it stopped. The cursor sees the
   * namespace as it is while nobody changes it; it does not touch the current key and namespace.
   */
  openCursor(namespace: Namespace): AccumulatorCursor<Acc>
  /**
   * Of backends that keep rows of fixed-width fields in columns: the current key's row, field by field, for generated
   * code. Undefined where values are anything else.
   */
  columns?(): RowColumns | undefined
  /** Drops all keys of a namespace. */
  dropNamespace(namespace: Namespace): void
  namespaces(): Iterable<Namespace>
}

/**
 * The row under the current key and namespace without an object: after `hasRow()` has answered true, generated code
 * calls `field0()`, and after `changeRow()`, which is for all of them, `setField0(value)` and so on, by the order of the
 * type's fields. Where it answers false, there is no row, or one that only `get` and `set` reach.
 */
export interface RowColumns {
  hasRow(): boolean
  changeRow(): void
}

/** @example while (cursor.next()) emit(cursor.key, cursor.accumulator) */
export interface AccumulatorCursor<Acc> {
  /** Steps to the next entry; false at the end. */
  next(): boolean
  /** Valid after `next()` answered true, until it is called again. */
  readonly key: unknown
  readonly accumulator: Acc
}

/** Part of a checkpoint: files of one backend over a range of key groups. Plain data. */
export interface KeyedStateHandle {
  readonly backend: string
  readonly formatVersion: number
  readonly keyGroupRange: KeyGroupRange
  readonly files: readonly StoredFile[]
  /** Backend-specific, JSON. */
  readonly meta: unknown
}

export interface SnapshotOptions {
  /** Self-contained: everything is written anew and exclusively, and later increments do not refer to it. */
  readonly isSavepoint?: boolean
}

/**
 * State up to this size stays in the processor's caches by itself: `touchKeys` has nothing to gain. Measured (q11 of
 * bench/auctions on two slots, state of 1 to 10 MB): 3 % less processor time than with 4 MiB.
 */
export const touchedStateBytesMin: number = 512 << 10

export interface KeyedStateBackend {
  readonly kind: 'heap' | 'managed' | 'rocksdb' | 'leveldb'
  readonly keyGroupRange: KeyGroupRange
  readonly maxParallelism: number

  setCurrentKey(key: unknown): void
  /** Nothing is keyed until the next setCurrentKey: keyed state is MR_STATE_NO_KEY meanwhile. */
  clearCurrentKey(): void
  currentKey(): unknown
  currentKeyGroup(): number
  setCurrentNamespace(namespace: Namespace): void

  value<T>(descriptor: ValueStateDescriptor<T>): ValueState<T>
  list<T>(descriptor: ListStateDescriptor<T>): ListState<T>
  map<UK, UV>(descriptor: MapStateDescriptor<UK, UV>): MapState<UK, UV>
  reducing<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T>
  aggregating<In, Acc, Out>(descriptor: AggregatingStateDescriptor<In, Acc, Out>): AggregatingState<In, Out>
  accumulators<Acc>(name: string, type?: TypeInformation<Acc>): AccumulatorState<Acc>

  /** All keys that have an entry in the named state under a namespace (default 0): applyToKeyedState, State Processor. */
  forEachKey(stateName: string, visit: (key: unknown) => void, namespace?: Namespace): void

  /**
   * Of backends on disk: brings what a batch of `count` keys needs into memory at once, for the current namespace; far
   * cheaper than a read per key. A hint: anything may be asked for without it. Absent where nothing is to be gained.
   */
  prefetch?(keys: ArrayLike<unknown>, count: number): void
  /**
   * Of backends in memory: reads the places of `count` keys, so that they are in the processor's caches when the records
   * come one by one. A hint, for the namespaces at hand.
   */
  touchKeys?(keys: ArrayLike<unknown>, count: number): void
  /** How large the tables are that `touchKeys` would look into now: what fits into the caches is there by itself. */
  touchableBytes?(): number
  /** Whether `prefetch` has anything to gain now: state that is whole in memory needs none. */
  readonly wantsPrefetch?: boolean
  /**
   * Of backends on disk, to be asked between batches: where the disk has fallen behind, a promise to wait for before
   * the next batch. Callers that cannot wait go on; the backend then blocks (rocksdb) or borrows as much
   * memory again (leveldb), and refuses more with MR_STATE_OVER_BUDGET.
   */
  settle?(): Promise<void> | undefined

  /**
   * Charges memory that belongs to the keyed state but is kept elsewhere (timers) to the same budget; a negative number
   * gives it back. MR_STATE_OVER_BUDGET where there is no more; backends on disk then keep less in memory instead.
   */
  chargeOther(bytes: number): void
  /** Bytes in use, as charged to the budget. */
  usedBytes(): number
  /** Entries over all states and namespaces. */
  entryCount(): number

  /**
   * Takes a snapshot. What must be frozen is frozen before this returns (a few ms at most); the promise resolves once
   * every file is written through `sink`. At most one snapshot per backend is under way.
   */
  snapshot(checkpointId: number, sink: SnapshotSink, options?: SnapshotOptions): Promise<KeyedStateHandle>
  /** Timers and the like: written and restored with every snapshot. Restored content is handed over at once. */
  addSnapshotPart(name: string, part: SnapshotPart): void
  /** The checkpoint's files may serve as base of later increments. */
  notifyCheckpointComplete(checkpointId: number): void
  notifyCheckpointAborted(checkpointId: number): void
  /** Loads every entry of the handles that falls into `keyGroupRange`. Called before the first access. */
  restore(handles: readonly KeyedStateHandle[], source: SnapshotSource): Promise<void>
  /** Idempotent. */
  close(): Promise<void>
}
