/**
 * What all keyed backends share: the current key, the register of states, the primitives over cells, and the protocol
 * of snapshots and restores. A backend adds cells, and how their content is frozen.
 *
 * Invariants
 * 1. A state has one cell, whoever declares it; declarations that differ in kind or type are refused.
 * 2. A restored state keeps the types that it was written with until the program declares it; then its values are
 *    brought to the declared types, or the restore is refused.
 */
import type { Clock } from '../common/clock.ts'
import { systemClock } from '../common/clock.ts'
import { MillraceError } from '../common/errors.ts'
import type { DataType, TypeInformation } from '../data/types.ts'
import type { ValueCodec } from '../data/value-codec.ts'
import { cellCodec } from './cell-codec.ts'
import { type BlocksMeta, type ExpectedTable, ExpectedTables, type LiveTable } from './expected-tables.ts'
import type { FrozenState } from './frozen-state.ts'
import type { KeyClass } from './key-class.ts'
import { KeyContext } from './key-context.ts'
import type {
  AccumulatorState,
  AggregatingState,
  AggregatingStateDescriptor,
  KeyedStateBackend,
  KeyedStateHandle,
  KeyGroupRange,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  Namespace,
  ReducingState,
  ReducingStateDescriptor,
  SnapshotOptions,
  ValueState,
  ValueStateDescriptor,
} from './keyed-state-backend.ts'
import { AggregatingOverCell, ReducingOverCell } from './primitives/appending-over-cell.ts'
import { ListOverCell } from './primitives/list-over-cell.ts'
import { MapOverCell } from './primitives/map-over-cell.ts'
import { TimeToLive, type Timed } from './primitives/time-to-live.ts'
import { TimedListOverCell } from './primitives/timed-list.ts'
import { TimedMapOverCell } from './primitives/timed-map.ts'
import { type SingleValue, timedCell } from './primitives/timed-cell.ts'
import { ValueOverCell } from './primitives/value-over-cell.ts'
import { migrationOf } from './schema-migration.ts'
import { SnapshotChain } from './snapshot-chain.ts'
import { BlockOp, BlockReader, encodeFileHeader, keyCodecs, snapshotFormatVersion } from './snapshot-layout.ts'
import { blocksAfter, chunkBytesDefault, type FrozenParts, type SnapshotPart, SnapshotParts } from './snapshot-part.ts'
import type { SnapshotSink, SnapshotSource, StoredFile } from './snapshot-store.ts'
import { StateAccount, type StateBudget, unlimitedBudget } from './state-budget.ts'
import type { StateCell } from './state-cell.ts'
import { openStateFile, type StateFile } from './state-file.ts'
import { genericType, printSpec, sameType, type StateKind, type StateSpec } from './state-spec.ts'
import type { StateTtlConfig } from './state-ttl.ts'

export interface KeyedBackendOptions {
  readonly keyGroupRange: KeyGroupRange
  readonly maxParallelism: number
  /** Declared type of the keys, where there is one. A hint: keys of any type are accepted. */
  readonly keyType?: TypeInformation<unknown>
  /** Default: no limit. */
  readonly budget?: StateBudget
  /** For time to live. Default: the system's. */
  readonly clock?: Clock
  /**
   * Of backends on disk: where their working files go, in a directory of their own that is removed at close. On the
   * disk of the checkpoints, files are linked instead of copied. Default: the system's temporary directory.
   */
  readonly localDirectory?: string
  /** A snapshot's file is made and written in pieces of about this size. Default 1 MiB, a millisecond or two. */
  readonly snapshotChunkBytes?: number
  /** Of backends on disk: called while work in the background needs turns of the event loop. */
  readonly holdEventLoop?: () => { release(): void }
}

/** A cell that restores can fill past the current key. */
export interface LoadableCell<V> extends StateCell<V> {
  put(namespace: Namespace, key: unknown, keyGroup: number, value: V): void
  removeKey(namespace: Namespace, key: unknown): void
}

interface RegisteredState {
  spec: StateSpec
  cell: LoadableCell<unknown>
  /** False while a restored state waits for its declaration. */
  isDeclared: boolean
  ttl: TimeToLive | undefined
}

export abstract class KeyedBackendBase implements KeyedStateBackend {
  abstract readonly kind: KeyedStateBackend['kind']
  readonly context: KeyContext
  readonly keyGroupRange: KeyGroupRange
  readonly maxParallelism: number
  readonly account: StateAccount
  /** A snapshot's file is made and written in pieces of about this size. */
  readonly snapshotChunkBytes: number
  readonly #clock: Clock
  readonly #states: Map<string, RegisteredState> = new Map()
  #cells: readonly LoadableCell<unknown>[] | undefined
  readonly #parts = new SnapshotParts()
  /** States that are cleaned up a little with every record. */
  readonly #cleanedPerRecord: TimeToLive[] = []
  #cleansPerRecord = false
  #chain = new SnapshotChain()
  #isSnapshotting = false
  #isClosed = false

  constructor(options: KeyedBackendOptions) {
    this.keyGroupRange = options.keyGroupRange
    this.maxParallelism = options.maxParallelism
    this.context = new KeyContext(options.keyGroupRange, options.maxParallelism)
    this.account = new StateAccount(options.budget ?? unlimitedBudget)
    this.snapshotChunkBytes = options.snapshotChunkBytes ?? chunkBytesDefault
    this.#clock = options.clock ?? systemClock
  }

  protected abstract createCell(spec: StateSpec): LoadableCell<unknown>
  /** `tracks` is false for savepoints, which leave the record of changes as it is. */
  protected abstract freeze(checkpointId: number, isFull: boolean, tracks: boolean): FrozenState
  /** The changes of checkpoints up to this one need not be written again. */
  protected abstract forgetPending(checkpointId: number): void

  /** About how large a full snapshot would be; 0 where that is not known. */
  protected fullBytes(): number {
    return 0
  }

  /** The tables that a restore had better make room for before it fills them; undefined where that is not known. */
  protected liveTables(): readonly LiveTable[] | undefined {
    return undefined
  }

  setCurrentKey(key: unknown): void {
    this.context.setKey(key)
    if (this.#cleansPerRecord) this.#cleanUp()
  }

  clearCurrentKey(): void {
    this.context.key = undefined
    this.context.invalidate()
  }

  currentKey(): unknown {
    return this.context.key
  }

  currentKeyGroup(): number {
    return this.context.keyGroup()
  }

  setCurrentNamespace(namespace: Namespace): void {
    this.context.setNamespace(namespace)
  }

  value<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    return this.valueOver(this.#cellOf<T>(descriptor, descriptor.type))
  }

  /** A backend whose cells are value state by themselves returns them as they are. */
  protected valueOver<T>(cell: SingleValue<T>): ValueState<T> {
    return new ValueOverCell<T>(cell)
  }

  list<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    const state = this.#declare(specOf(descriptor, descriptor.type), descriptor.ttl)
    return state.ttl === undefined
      ? new ListOverCell<T>(state.cell as StateCell<T[]>)
      : new TimedListOverCell<T>(state.cell as StateCell<Timed<T>[]>, state.ttl)
  }

  map<UK, UV>(descriptor: MapStateDescriptor<UK, UV>): MapState<UK, UV> {
    const spec = {
      ...specOf(descriptor, descriptor.valueType),
      mapKeyType: descriptor.keyType?.dataType ?? genericType,
    }
    const state = this.#declare(spec, descriptor.ttl)
    return state.ttl === undefined
      ? new MapOverCell<UK, UV>(state.cell as StateCell<Map<unknown, UV>>)
      : new TimedMapOverCell<UK, UV>(state.cell as StateCell<Map<unknown, Timed<UV>>>, state.ttl)
  }

  reducing<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    return new ReducingOverCell<T>(this.#cellOf<T>(descriptor, descriptor.type), descriptor.reduce)
  }

  aggregating<In, Acc, Out>(descriptor: AggregatingStateDescriptor<In, Acc, Out>): AggregatingState<In, Out> {
    const type = descriptor.accumulatorType ?? descriptor.aggregate.accumulatorType
    return new AggregatingOverCell<In, Acc, Out>(this.#cellOf<Acc>(descriptor, type), descriptor.aggregate)
  }

  accumulators<Acc>(name: string, type?: TypeInformation<Acc>): AccumulatorState<Acc> {
    return this.#declare(specOf({ kind: 'accumulators', name }, type), undefined).cell as StateCell<Acc>
  }

  forEachKey(stateName: string, visit: (key: unknown) => void, namespace: Namespace = 0): void {
    this.#states.get(stateName)?.cell.forEachKey(namespace, visit)
  }

  usedBytes(): number {
    return this.account.usedBytes
  }

  chargeOther(bytes: number): void {
    if (bytes > 0) this.account.charge(bytes)
    else this.account.release(-bytes)
  }

  entryCount(): number {
    let count = 0
    for (const { cell } of this.#states.values()) count += cell.entryCount()
    return count
  }

  async snapshot(checkpointId: number, sink: SnapshotSink, options: SnapshotOptions = {}): Promise<KeyedStateHandle> {
    if (this.#isSnapshotting) {
      throw new MillraceError('MR_CHECKPOINT_FAILED', 'a snapshot of this backend is still under way')
    }
    const isSavepoint = options.isSavepoint ?? false
    const basis = isSavepoint ? undefined : this.#chain.basis(this.fullBytes())
    const header = encodeFileHeader({ maxParallelism: this.maxParallelism, states: this.#specs() })
    const tables = this.liveTables()
    const meta: BlocksMeta = { layout: 'blocks', ...(tables !== undefined && { tables }) }
    const frozen = this.freeze(checkpointId, basis === undefined, !isSavepoint)
    const parts = this.freezeParts()
    this.context.invalidate()
    this.#isSnapshotting = true
    try {
      const name = `keyed-state-${this.keyGroupRange.first}-${this.keyGroupRange.last}`
      const chunks = blocksAfter(header, frozen, this.snapshotChunkBytes)
      const files: StoredFile[] = (basis ?? []).map((file) => sink.reuse(file))
      if (basis === undefined || !frozen.isEmpty) {
        files.push(isSavepoint ? await sink.writeExclusive(name, chunks) : await sink.writeShared(name, chunks))
      }
      if (!isSavepoint) this.#chain.record(checkpointId, files)
      return {
        backend: this.kind,
        formatVersion: snapshotFormatVersion,
        keyGroupRange: this.keyGroupRange,
        files: [...files, ...(await parts.write(sink))],
        meta,
      }
    } finally {
      frozen.close()
      parts.close()
      this.#isSnapshotting = false
    }
  }

  addSnapshotPart(name: string, part: SnapshotPart): void {
    this.#parts.add(name, part)
  }

  /** What lives beside the state, as it is now: every snapshot freezes it together with the state. */
  freezeParts(): FrozenParts {
    return this.#parts.freeze(this.maxParallelism, this.keyGroupRange)
  }

  notifyCheckpointComplete(checkpointId: number): void {
    if (this.#chain.complete(checkpointId)) this.forgetPending(checkpointId)
  }

  notifyCheckpointAborted(checkpointId: number): void {
    this.#chain.abort(checkpointId)
  }

  async restore(handles: readonly KeyedStateHandle[], source: SnapshotSource): Promise<void> {
    const { first, last } = this.keyGroupRange
    const ours = handles.filter(({ keyGroupRange }) => keyGroupRange.last >= first && keyGroupRange.first <= last)
    const expected = new ExpectedTables(ours, this.keyGroupRange)
    const prepared: Promise<void>[] = []
    const prepare = (tables: readonly ExpectedTable[]): void => {
      for (const { spec, namespace, keyClass, count } of tables) {
        const done = this.expectEntries(this.#restoredState(spec).cell, namespace, keyClass, count)
        // Looked at once all files are open.
        done.catch(() => undefined)
        prepared.push(done)
      }
    }
    const opened: { written: KeyGroupRange; files: StateFile[] }[] = []
    try {
      for (const { keyGroupRange, files } of ours) {
        const stateFiles: StateFile[] = []
        for (const file of files) {
          stateFiles.push(await openStateFile(source, file, ({ states }) => prepare(expected.take(states))))
        }
        opened.push({ written: keyGroupRange, files: stateFiles })
      }
      for (const { files } of opened) for (const file of files) this.#checkFile(file)
      prepare(expected.writtenIn(opened))
    } finally {
      await Promise.allSettled(prepared)
    }
    await Promise.all(prepared)
    for (const { written, files } of opened) for (const file of files) await this.#loadFile(file, written)
    this.context.invalidate()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#states.clear()
    this.#cleanedPerRecord.length = 0
    this.account.close()
  }

  /** The cell of a state that a snapshot holds, registered where the program has not declared it yet. */
  restoredCell(spec: StateSpec): LoadableCell<unknown> {
    return this.#restoredState(spec).cell
  }

  /** Asked for every few records: an array, made anew when a state is added. */
  protected cells(): readonly LoadableCell<unknown>[] {
    return (this.#cells ??= Array.from(this.#states.values(), (state) => state.cell))
  }

  /** Index of each state in the schema of a file that is begun now. */
  protected stateIndexes(): ReadonlyMap<string, number> {
    return new Map([...this.#states.keys()].map((name, i) => [name, i]))
  }

  /** Takes what has expired out of a value for a full snapshot, where the state is declared so. */
  protected pruneOf(name: string): ((value: unknown) => unknown) | undefined {
    const ttl = this.#states.get(name)?.ttl
    return ttl === undefined || !ttl.prunesFullSnapshots ? undefined : (value) => ttl.keep(value)
  }

  /** Not in setCurrentKey itself, which has to stay small enough to be inlined. */
  #cleanUp(): void {
    for (const ttl of this.#cleanedPerRecord) ttl.cleanUp()
  }

  #specs(): StateSpec[] {
    return [...this.#states.values()].map((state) => state.spec)
  }

  #cellOf<T>(
    descriptor: { readonly kind: StateKind; readonly name: string; readonly ttl?: StateTtlConfig },
    type: TypeInformation<T> | undefined,
  ): SingleValue<T> {
    const state = this.#declare(specOf(descriptor, type), descriptor.ttl)
    if (state.ttl !== undefined) return timedCell<T>(state.cell as StateCell<Timed<T>>, state.ttl)
    return state.cell as StateCell<T>
  }

  #declare(spec: StateSpec, ttlConfig: StateTtlConfig | undefined): RegisteredState {
    const found = this.#states.get(spec.name)
    if (found === undefined) return this.#register(spec, ttlConfig, true)
    if (found.isDeclared) checkSameDeclaration(found.spec, spec)
    else this.#adopt(found, spec)
    if (found.ttl === undefined && ttlConfig !== undefined) this.#addTtl(found, ttlConfig)
    return found
  }

  #register(spec: StateSpec, ttlConfig: StateTtlConfig | undefined, isDeclared: boolean): RegisteredState {
    const state: RegisteredState = { spec, cell: this.createCell(spec), isDeclared, ttl: undefined }
    this.#states.set(spec.name, state)
    this.#cells = undefined
    if (ttlConfig !== undefined) this.#addTtl(state, ttlConfig)
    return state
  }

  #addTtl(state: RegisteredState, config: StateTtlConfig): void {
    const ttl = new TimeToLive(config, this.#clock, state.cell)
    state.ttl = ttl
    if (config.incrementalCleanup?.runPerRecord !== true) return
    this.#cleanedPerRecord.push(ttl)
    this.#cleansPerRecord = true
  }

  /** A restored state is declared: its values are brought to the declared types. */
  #adopt(restored: RegisteredState, declared: StateSpec): void {
    const migrate = migrationOf(restored.spec, declared, this.#clock)
    restored.isDeclared = true
    if (migrate === undefined) {
      restored.spec = declared
      return
    }
    const old = restored.cell
    const cell = this.createCell(declared)
    for (const namespace of old.namespaces()) {
      old.forEachKey(namespace, (key, value) => {
        cell.put(namespace, key, this.context.checkedGroupOf(key), migrate(value))
      })
      old.dropNamespace(namespace)
    }
    restored.cell = cell
    this.#cells = undefined
    restored.spec = declared
    this.#chain = new SnapshotChain()
  }

  #checkFile({ path, schema }: StateFile): void {
    if (schema.maxParallelism === this.maxParallelism) return
    throw new MillraceError(
      'MR_CHECKPOINT_INCOMPATIBLE',
      `${path} was written with max parallelism ${schema.maxParallelism}, the program has ${this.maxParallelism}`,
    )
  }

  async #loadFile(file: StateFile, written: KeyGroupRange): Promise<void> {
    const { schema } = file
    const states = schema.states.map((spec) => this.#restoredState(spec))
    const codecs = schema.states.map((spec) => cellCodec(spec))
    for await (const bytes of file.blocks()) {
      if (schema.part !== undefined) {
        this.#parts.restore(schema.part, bytes)
        continue
      }
      const block = new BlockReader(bytes, 0)
      while (block.next()) {
        const cell = states[block.state]!.cell
        if (block.op === BlockOp.DropNamespace) this.#dropRange(cell, block.namespace, written)
        else this.loadBlock(block, cell, block.op === BlockOp.Upsert ? codecs[block.state]! : undefined)
      }
    }
  }

  /** A handle's file speaks of the handle's key groups only: others may have been loaded before it. */
  #dropRange(cell: LoadableCell<unknown>, namespace: Namespace, range: KeyGroupRange): void {
    const dropped: unknown[] = []
    cell.forEachKey(namespace, (key) => {
      const keyGroup = this.context.checkedGroupOf(key)
      if (keyGroup >= range.first && keyGroup <= range.last) dropped.push(key)
    })
    for (const key of dropped) cell.removeKey(namespace, key)
  }

  #restoredState(spec: StateSpec): RegisteredState {
    const found = this.#states.get(spec.name)
    if (found === undefined) return this.#register(spec, undefined, false)
    checkSameDeclaration(found.spec, spec)
    return found
  }

  /** A hint before files are loaded, which waits for the answer: about so many entries will be put. */
  protected async expectEntries(
    _cell: LoadableCell<unknown>,
    _namespace: Namespace,
    _keyClass: KeyClass,
    _count: number,
  ): Promise<void> {}

  /** Puts the entries of a block that belong here into a cell; without a codec, removes them. */
  protected loadBlock(block: BlockReader, cell: LoadableCell<unknown>, codec: ValueCodec | undefined): void {
    const keyCodec = keyCodecs[block.keyClass]!
    const { first, last } = this.keyGroupRange
    for (let i = 0; i < block.count; i++) {
      const keyGroup = block.keyGroup(i)
      const key = keyCodec.decode(block.keys)
      const isOurs = keyGroup >= first && keyGroup <= last
      if (codec === undefined) {
        if (isOurs) cell.removeKey(block.namespace, key)
        continue
      }
      const value = codec.decode(block.values)
      if (isOurs) cell.put(block.namespace, key, keyGroup, value)
    }
  }
}

function specOf(
  descriptor: { readonly kind: StateKind; readonly name: string; readonly ttl?: StateTtlConfig },
  type: TypeInformation<unknown> | undefined,
): StateSpec {
  const dataType: DataType = type?.dataType ?? genericType
  return { name: descriptor.name, kind: descriptor.kind, type: dataType, isTimed: descriptor.ttl !== undefined }
}

function checkSameDeclaration(known: StateSpec, spec: StateSpec): void {
  const isSame =
    known.kind === spec.kind &&
    known.isTimed === spec.isTimed &&
    sameType(known.type, spec.type) &&
    sameType(known.mapKeyType ?? genericType, spec.mapKeyType ?? genericType)
  if (isSame) return
  throw new MillraceError(
    'MR_STATE_CONFLICT',
    `state "${spec.name}" is declared as ${describe(known)} and again as ${describe(spec)}`,
  )
}

function describe(spec: StateSpec): string {
  return printSpec(spec) + (spec.isTimed ? ' with a time to live' : '')
}
