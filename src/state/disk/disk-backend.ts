/**
 * Keyed state on disk: tables in memory in front of an engine (rocksdb, leveldb). Changes collect in active tables;
 * what exceeds the memory given, and at every barrier all that has changed, is frozen as a generation and goes to the
 * store in the background. State that fits into memory is never read from disk.
 *
 * Thread: the slot's. The engine's own threads sort, write and compact.
 * Invariants
 * 1. Nothing is written to the store except whole generations, in the order in which they were frozen.
 * 2. A snapshot is the store right after the generation that its barrier froze.
 */
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MillraceError } from '../../common/errors.ts'
import { keyGroupOf } from '../../data/key-groups.ts'
import { KeyedBackendBase, type KeyedBackendOptions, type LoadableCell } from '../keyed-backend-base.ts'
import type { KeyedStateHandle, SnapshotOptions } from '../keyed-state-backend.ts'
import type { SnapshotSink, SnapshotSource } from '../snapshot-store.ts'
import { unlimitedBudget } from '../state-budget.ts'
import type { StateSpec } from '../state-spec.ts'
import type { FrozenState } from '../frozen-state.ts'
import { DiskCell } from './disk-cell.ts'
import { isTablesHandle, partsOf } from './disk-handle.ts'
import { DiskRestore } from './disk-restore.ts'
import { DiskSnapshots } from './disk-snapshots.ts'
import type { DiskStore } from './disk-store.ts'
import type { DiskTable } from './disk-table.ts'
import { FrontMemory } from './front-memory.ts'
import { type FrozenPart, Generation } from './generation.ts'
import { IngestJob } from './ingest-job.ts'
import { SpillQueue } from './spill-queue.ts'
import { StoreReads } from './store-reads.ts'
import { makeWorkingDirectory } from './working-directory.ts'

export interface DiskBackendOptions extends KeyedBackendOptions {
  /** Limit of the tables in memory. Default half of the budget, 128 MiB of an unlimited one; a budget that gives less lowers it. */
  readonly frontBytesMax?: number
}

/** Opens a store of one kind on a directory, which is there. */
export type OpenStore = (directory: string) => DiskStore

const frontBytesDefault = 128 * 1024 * 1024
const frontShareOfBudget = 0.5
/** Where an engine cannot be waited for on this thread: up to here the limit is exceeded within a batch of records. */
const overdraftFactor = 2
const overdraftBytesMin = 16 * 1024 * 1024
/** A freeze that gains less than this is not worth a table file. */
const freezeBytesMin = 48 * 1024

export class DiskBackend extends KeyedBackendBase {
  readonly kind: 'rocksdb' | 'leveldb'
  readonly memory: FrontMemory
  readonly queue: SpillQueue
  readonly store: DiskStore
  readonly openStore: OpenStore
  readonly reads: StoreReads
  readonly directory: string
  #droppedPrefixes: Uint8Array[] = []
  #nextStateId = 0
  /** Bytes of the active tables when they were last empty. */
  #emptyBytes = 0
  #isClosed = false
  readonly #snapshots: DiskSnapshots

  constructor(kind: 'rocksdb' | 'leveldb', openStore: OpenStore, options: DiskBackendOptions) {
    super(options)
    this.kind = kind
    this.queue = new SpillQueue(options.holdEventLoop)
    this.directory = makeWorkingDirectory(options.localDirectory ?? tmpdir(), kind)
    this.openStore = openStore
    this.store = openStore(join(this.directory, 'db'))
    const budget = options.budget ?? unlimitedBudget
    const { limitBytes = Infinity } = budget
    const share = Number.isFinite(limitBytes) ? limitBytes * frontShareOfBudget : frontBytesDefault
    this.memory = new FrontMemory(budget, options.frontBytesMax ?? share)
    this.reads = new StoreReads(this.store, this.memory, () => this.tables())
    this.#snapshots = new DiskSnapshots(this)
  }

  override usedBytes(): number {
    return this.memory.usedBytes
  }

  override chargeOther(bytes: number): void {
    this.memory.otherBytes += bytes
    this.memory.settle()
  }

  get wantsPrefetch(): boolean {
    for (const cell of this.diskCells()) if (cell.tables.get(this.context.namespace)?.isComplete === false) return true
    return false
  }

  /** Reads what a batch of keys will need at once: far cheaper than one key at a time. */
  prefetch(keys: ArrayLike<unknown>, count: number): void {
    for (const cell of this.diskCells()) {
      const table = cell.tables.get(this.context.namespace)
      if (table === undefined || table.isComplete) continue
      this.reads.prefetch(table, keys, count, (key) => keyGroupOf(key, this.maxParallelism))
    }
  }

  /** Reads the places in memory of a few keys at once. */
  touchKeys(keys: ArrayLike<unknown>, count: number): void {
    for (const cell of this.diskCells()) cell.touchKeys(keys, count)
  }

  touchableBytes(): number {
    let bytes = 0
    for (const cell of this.diskCells()) {
      const table = cell.tables.get(this.context.namespace)
      // About half of it is spare room.
      if (table !== undefined) bytes += table.active.bytes / 2
    }
    return bytes
  }

  /** Where the disk has fallen behind: resolves once it has caught up by a step. To be awaited between batches. */
  settle(): Promise<void> | undefined {
    this.queue.check()
    return this.memory.isBehind && !this.queue.isIdle ? this.queue.oldestDone() : undefined
  }

  override snapshot(
    checkpointId: number,
    sink: SnapshotSink,
    options: SnapshotOptions = {},
  ): Promise<KeyedStateHandle> {
    return this.#snapshots.take(checkpointId, sink, options)
  }

  override notifyCheckpointComplete(checkpointId: number): void {
    this.#snapshots.complete(checkpointId)
  }

  override notifyCheckpointAborted(checkpointId: number): void {
    this.#snapshots.abort(checkpointId)
  }

  override async restore(handles: readonly KeyedStateHandle[], source: SnapshotSource): Promise<void> {
    const { first, last } = this.keyGroupRange
    const ours = handles.filter((handle) => handle.keyGroupRange.last >= first && handle.keyGroupRange.first <= last)
    const restore = new DiskRestore(this, source)
    await restore.run(ours.filter((handle) => isTablesHandle(handle)))
    await super.restore(
      ours.map((handle) => (isTablesHandle(handle) ? partsOf(handle) : handle)),
      source,
    )
    this.context.invalidate()
  }

  override async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.queue.abandon(new MillraceError('MR_CHECKPOINT_FAILED', 'the state backend is closed'))
    await this.store.close()
    this.memory.close()
    await rm(this.directory, { recursive: true, force: true })
    await super.close()
  }

  /** All that has changed becomes a generation on its way to the store, and nothing leaves its place in memory. */
  freezeInPlace(): Generation {
    return this.#freezeTables((table, generation) => table.freezeInPlace(generation))
  }

  /** The same, and memory is on its way to be free. */
  freezeAll(): Generation {
    const generation = this.#freezeTables((table, into) => (table.active.count > 0 ? table.freezeAll(into) : undefined))
    this.#emptyBytes = this.memory.activeBytes
    return generation
  }

  #freezeTables(freeze: (table: DiskTable, generation: Generation) => FrozenPart | undefined): Generation {
    const generation = new Generation(this.keyGroupRange, this.#droppedPrefixes)
    this.#droppedPrefixes = []
    for (const table of this.tables()) {
      const part = freeze(table, generation)
      if (part !== undefined) generation.parts.push(part)
      generation.counts.set(table, table.count)
    }
    this.context.invalidate()
    if (!generation.isEmpty) this.queue.add(new IngestJob(generation, this.store, this.memory, this.reads))
    return generation
  }

  /** A table has grown: memory is brought up to date, and what exceeds it goes to disk. */
  grew(table: DiskTable): void {
    const memory = this.memory
    table.account()
    if (!memory.isActiveFull(table.active.growthBytes(1)) || memory.activeBytes < this.#emptyBytes + freezeBytesMin)
      return
    this.queue.check()
    if (memory.isBehind) this.#catchUp()
    this.freezeAll()
  }

  /** Another generation would be too much: the disk has to take what it was given first. */
  #catchUp(): void {
    if (this.store.waitForBegun !== undefined) return this.queue.drainNow()
    const bytesMax = Math.max(this.memory.limitBytes * overdraftFactor, overdraftBytesMin)
    if (this.memory.usedBytes < bytesMax) return
    throw new MillraceError(
      'MR_STATE_OVER_BUDGET',
      `${this.memory.usedBytes} bytes of state wait to be written to disk, of a memory of ${this.memory.limitBytes}`,
    )
  }

  /** A dropped namespace that is, or will be, on disk: it goes with the next generation. */
  dropLater(prefix: Uint8Array): void {
    this.#droppedPrefixes.push(prefix)
  }

  pruneFor(name: string): ((value: unknown) => unknown) | undefined {
    return this.pruneOf(name)
  }

  diskCells(): readonly DiskCell<unknown>[] {
    return this.cells() as readonly DiskCell<unknown>[]
  }

  *tables(): Generator<DiskTable> {
    for (const cell of this.diskCells()) yield* cell.tables.values()
  }

  /** The cell of a restored state, under the number that its entries have in the store. */
  restoredDiskCell(spec: StateSpec, id: number): DiskCell<unknown> {
    const cell = this.restoredCell(spec) as DiskCell<unknown>
    cell.id = id
    return cell
  }

  /** Keeps the numbers of restored states free of others. */
  reserveStateIds(ids: ReadonlySet<number>, names: ReadonlySet<string>): void {
    this.#nextStateId = Math.max(this.#nextStateId, ...[...ids].map((id) => id + 1))
    for (const cell of this.diskCells()) {
      if (ids.has(cell.id) && !names.has(cell.spec.name)) cell.id = this.#nextStateId++
    }
  }

  protected createCell(spec: StateSpec): LoadableCell<unknown> {
    return new DiskCell<unknown>(this, spec, this.#nextStateId++)
  }

  protected freeze(): FrozenState {
    throw new MillraceError('MR_INTERNAL', 'snapshots of backends on disk are taken by DiskSnapshots')
  }

  protected forgetPending(): void {}
}
