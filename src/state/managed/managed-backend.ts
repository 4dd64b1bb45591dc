/**
 * The `managed` backend: keys and fixed-width values in off-heap tables, charged to a budget. What has no fixed width is
 * an object beside its record. Changes are tracked from the first snapshot on, a bit per entry.
 */
import type { FrozenState } from '../frozen-state.ts'
import { mapPages } from '../../memory/map-pages.ts'
import type { LiveTable } from '../expected-tables.ts'
import { KeyedBackendBase, type KeyedBackendOptions, type LoadableCell } from '../keyed-backend-base.ts'
import type { KeyClass } from '../key-class.ts'
import type { Namespace, ValueState } from '../keyed-state-backend.ts'
import type { SingleValue } from '../primitives/timed-cell.ts'
import type { BlockReader } from '../snapshot-layout.ts'
import type { ValueCodec } from '../../data/value-codec.ts'
import type { StateSpec } from '../state-spec.ts'
import { Zeros } from './bits.ts'
import { createManagedCell, ManagedCell } from './managed-cell.ts'
import { type Drop, type FrozenPartition, type Graves, ManagedSnapshot } from './managed-snapshot.ts'
import type { NamespaceTables } from './namespace-tables.ts'
import type { Partition } from './partition.ts'
import { Mode } from './tracking.ts'
import { freshBuffersOf } from './record-buffers.ts'
import { never, Stamps } from './stamps.ts'

/** Growing and splitting a partition of this many entries takes a few milliseconds. */
const partitionEntriesMaxDefault = 262_144

/** A partition with fewer entries is never taken whole. */
const wholeEntriesMinDefault = 4096
/** Smaller tables grow fast enough while a restore fills them. */
const liveEntriesMin = 4096
/** So many snapshots take a partition whole before its changes are noted again, to see whether they are still that many. */
const wholeSnapshotsMax = 16

interface PendingChanges {
  readonly checkpointId: number
  /** The stamp of what it has written. */
  readonly stamp: number
  readonly graves: readonly Graves[]
  readonly drops: readonly Drop[]
}

export class ManagedBackend extends KeyedBackendBase {
  readonly kind = 'managed'
  readonly partitionEntriesMax: number
  readonly #wholeEntriesMin: number
  readonly stamps: Stamps = new Stamps()
  /** What is stamped up to here is in the last completed checkpoint. */
  #confirmedStamp = never
  #drops: Drop[] = []
  /** What touching has read: kept so that nobody can leave the reading out. */
  #touched = 0
  /** Removals that checkpoints not confirmed yet have written; their other changes are in the partitions. */
  #pending: PendingChanges[] = []
  #snapshot: ManagedSnapshot | undefined
  /** At the last snapshot that tracked: the context's version, and entries of the partitions that are taken whole since. */
  #versionThen = 0
  #wholeEntries = 0

  constructor(
    options: KeyedBackendOptions & { readonly partitionEntriesMax?: number; readonly wholeEntriesMin?: number },
  ) {
    super(options)
    this.#wholeEntriesMin = options.wholeEntriesMin ?? wholeEntriesMinDefault
    this.partitionEntriesMax = options.partitionEntriesMax ?? partitionEntriesMaxDefault
  }

  touchKeys(keys: ArrayLike<unknown>, count: number): void {
    let seen = 0
    for (const cell of this.cells() as readonly ManagedCell<unknown>[]) seen ^= cell.touchKeys(keys, count)
    this.#touched = seen
  }

  touchableBytes(): number {
    let bytes = 0
    for (const cell of this.cells() as readonly ManagedCell<unknown>[]) bytes += cell.touchableBytes()
    return bytes
  }

  preserve(partition: Partition, entry: number): void {
    this.#snapshot!.preserve(partition, entry)
  }

  get touched(): number {
    return this.#touched
  }

  /** A partition has been split. */
  replaced(from: Partition, left: Partition, right: Partition): void {
    from.isRetired = true
    this.#snapshot?.replace(from, left, right)
    this.context.invalidate()
  }

  /** A namespace has been dropped. */
  forget(stateName: string, tables: NamespaceTables): void {
    if (tables.isPersisted) this.#drops.push({ stateName, namespace: tables.namespace })
  }

  protected createCell(spec: StateSpec): LoadableCell<unknown> {
    return createManagedCell(this, spec)
  }

  protected override expectEntries(
    cell: LoadableCell<unknown>,
    namespace: Namespace,
    keyClass: KeyClass,
    count: number,
  ): Promise<void> {
    const managed = cell as ManagedCell<unknown>
    return mapPages(freshBuffersOf(() => managed.expect(namespace, keyClass, count)))
  }

  protected override loadBlock(block: BlockReader, cell: LoadableCell<unknown>, codec: ValueCodec | undefined): void {
    if (codec === undefined) super.loadBlock(block, cell, codec)
    else (cell as ManagedCell<unknown>).load(block, codec, this.keyGroupRange)
  }

  protected override valueOver<T>(cell: SingleValue<T>): ValueState<T> {
    return cell instanceof ManagedCell ? cell : super.valueOver(cell)
  }

  protected override fullBytes(): number {
    let bytes = 0
    for (const cell of this.cells() as readonly ManagedCell<unknown>[]) {
      for (const { tables } of cell.namespaceTables.values()) {
        for (const table of tables) if (table !== undefined) bytes += table.entryCount() * table.entryBytes
      }
    }
    return bytes
  }

  protected override liveTables(): readonly LiveTable[] {
    const live: LiveTable[] = []
    for (const cell of this.cells() as readonly ManagedCell<unknown>[]) {
      for (const { namespace, entryCount, tables } of cell.namespaceTables.values()) {
        if (entryCount < liveEntriesMin) continue
        for (const table of tables) {
          const count = table?.entryCount() ?? 0
          if (count >= liveEntriesMin) live.push([cell.spec.name, namespace, table!.keyClass, count])
        }
      }
    }
    return live
  }

  protected freeze(checkpointId: number, isFull: boolean, tracks: boolean): FrozenState {
    const zeros = this.#zerosToTrack()
    const period = tracks ? this.#endPeriod(isFull) : undefined
    // A full snapshot is not always the next one's basis: what it has seen first is noted as changed since earlier ones.
    const isAllNew = !isFull || !tracks || this.#pending.length > 0 || this.#confirmedStamp > never
    let wholeEntries = 0
    const partitions: FrozenPartition[] = []
    const graves: Graves[] = []
    for (const cell of this.cells() as readonly ManagedCell<unknown>[]) {
      for (const tables of cell.namespaceTables.values()) {
        if (tracks) tables.isPersisted = true
        for (const [table, partition] of tables.partitions()) {
          // What has not been noted says nothing of how much has changed.
          const hasNoted = partition.mode !== Mode.Untracked
          const isDirty = partition.track(isAllNew, zeros)
          const isFrozen =
            period !== undefined && partition.stamp !== 0
              ? freezeByStamps(partition, period, hasNoted ? this.#wholeEntriesMin : Infinity)
              : freezePartition(partition, isDirty, checkpointId, isFull, tracks)
          if (isFrozen) partitions.push({ cell, table, partition })
          if (partition.wholeSnapshots > 0) wholeEntries += partition.liveCount
        }
        if (tracks) for (const table of tables.tables) if (table !== undefined) takeGraves(cell, table, graves)
      }
    }
    const earlier = isFull ? [] : this.#pending
    const snapshot = new ManagedSnapshot({
      maxParallelism: this.maxParallelism,
      chunkBytes: this.snapshotChunkBytes,
      partitions,
      graves: isFull ? [] : [...earlier.flatMap((pending) => pending.graves), ...graves],
      drops: isFull ? [] : [...earlier.flatMap((pending) => pending.drops), ...this.#drops],
      states: this.stateIndexes(),
      prune: (name) => (isFull ? this.pruneOf(name) : undefined),
      onClose: () => (this.#snapshot = undefined),
    })
    if (period !== undefined) {
      this.#pending = [...this.#pending, { checkpointId, stamp: period.written, graves, drops: this.#drops }]
      this.#drops = []
      this.#wholeEntries = wholeEntries
    }
    this.#snapshot = snapshot
    return snapshot
  }

  #endPeriod(isFull: boolean): Period {
    const { version } = this.context
    // With every record comes a key: of fewer records, fewer entries have changed.
    const isBusy = (version - this.#versionThen) >>> 0 >= this.#wholeEntries
    this.#versionThen = version
    return { after: isFull ? never : this.#confirmedStamp, written: this.stamps.end(), next: this.stamps.now, isBusy }
  }

  #zerosToTrack(): Zeros {
    let words = 0
    for (const cell of this.cells() as readonly ManagedCell<unknown>[]) {
      for (const tables of cell.namespaceTables.values()) {
        for (const [, partition] of tables.partitions()) words += partition.untrackedWords
      }
    }
    return new Zeros(words)
  }

  protected forgetPending(checkpointId: number): void {
    for (const pending of this.#pending) {
      if (pending.checkpointId <= checkpointId) this.#confirmedStamp = Math.max(this.#confirmedStamp, pending.stamp | 1)
    }
    this.#pending = this.#pending.filter((pending) => pending.checkpointId > checkpointId)
    for (const cell of this.cells() as readonly ManagedCell<unknown>[]) {
      for (const tables of cell.namespaceTables.values()) {
        for (const [, partition] of tables.partitions()) {
          if (partition.written.length === 0) continue
          partition.forgetWritten(checkpointId)
        }
      }
    }
  }
}

/** What a snapshot that tracks means to stamps. */
interface Period {
  /** It writes what is stamped after this. */
  readonly after: number
  /** The stamp of what it has written. */
  readonly written: number
  /** Of changes from now on. */
  readonly next: number
  /** So many records have come that what was taken whole may have changed as a whole. */
  readonly isBusy: boolean
}

/** The same as `freezePartition` where stamps say what is to be written. */
function freezeByStamps(
  partition: Partition,
  { after, written, next, isBusy }: Period,
  wholeEntriesMin: number,
): boolean {
  const { isWhole, liveCount } = partition
  const isNeeded = liveCount > 0 && partition.hasChangedAfter(after)
  if (isWhole) partition.wholeSnapshots = isBusy ? Math.max(partition.wholeSnapshots - 1, 0) : 0
  else if (liveCount >= wholeEntriesMin && partition.hasMostlyChanged()) partition.wholeSnapshots = wholeSnapshotsMax
  partition.stamp = next
  if (!isNeeded) {
    partition.notePeriod()
    return false
  }
  partition.frozenAfter = isWhole ? never : after
  partition.frozenBefore = written
  partition.freeze(undefined)
  return true
}

/**
 * Marks what the snapshot has to write; false where that is nothing. Bits of empty places do no harm. This is what a
 * barrier waits for: a copy of the bits, into arrays that earlier snapshots have done with.
 */
function freezePartition(
  partition: Partition,
  isDirty: boolean,
  checkpointId: number,
  isFull: boolean,
  tracks: boolean,
): boolean {
  const { dirty } = partition
  const words = (partition.places + 31) >>> 5
  const isNeeded = isFull ? partition.liveCount > 0 : isDirty || partition.written.length > 0
  let frozen: Int32Array | undefined
  if (isNeeded) {
    frozen = partition.takeScrap(words)
    if (isFull) frozen.fill(-1)
    else frozen.set(dirty!)
    if (!isFull) for (const { bits } of partition.written) for (let i = 0; i < words; i++) frozen[i]! |= bits[i]!
  }
  if (tracks && isDirty) {
    partition.written.push({ checkpointId, bits: dirty! })
    partition.dirty = partition.takeZeroed(words)
  }
  if (frozen === undefined) return false
  partition.freeze(frozen)
  return true
}

function takeGraves(cell: ManagedCell<unknown>, table: Graves['table'], graves: Graves[]): void {
  if (table.graves.length === 0) return
  graves.push({ cell, table, keys: table.graves })
  table.graves = []
}
