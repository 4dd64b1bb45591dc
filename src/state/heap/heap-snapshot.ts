/**
 * A snapshot of the heap backend under way. Nothing is copied when it begins: entries are encoded in the background,
 * and one that somebody is about to see (and maybe change) before its turn is encoded at that moment (`preserve`).
 *
 * Invariant: every entry of the snapshot is encoded exactly once, with the value it had when the snapshot began.
 */
import { cellCodec } from '../cell-codec.ts'
import type { FrozenState } from '../frozen-state.ts'
import { keyClassCount, type KeyClass, keyClassOf } from '../key-class.ts'
import { BlockBuilder, BlockOp } from '../snapshot-layout.ts'
import type { StateSpec } from '../state-spec.ts'
import type { ValueCodec } from '../../data/value-codec.ts'
import type { HeapEntry, HeapTable } from './heap-table.ts'
import type { Namespace } from '../keyed-state-backend.ts'

/** What of one table goes into a snapshot. */
export interface HeapChanges {
  readonly spec: StateSpec
  readonly table: HeapTable
  /** Undefined: all entries. */
  readonly entries: HeapEntry[] | undefined
  readonly graves: readonly HeapEntry[]
  /** Takes expired values out (full snapshots). */
  readonly prune: ((value: unknown) => unknown) | undefined
}

export interface HeapDrop {
  readonly spec: StateSpec
  readonly namespace: Namespace
}

const blockEntriesMax = 4096
const blockBytesMax = 256 * 1024

export class HeapSnapshot implements FrozenState {
  /** Counts snapshots; entries note it in `savedBy`. */
  readonly number: number
  readonly isFull: boolean
  /** Savepoints leave the record of changes as it is. */
  readonly tracks: boolean
  readonly #epoch: number
  readonly #changes: readonly HeapChanges[]
  readonly #drops: readonly HeapDrop[]
  readonly #states: ReadonlyMap<string, number>
  readonly #codecs: Map<string, ValueCodec> = new Map()
  readonly #byTable: Map<HeapTable, HeapChanges> = new Map()
  readonly #preserved: Map<HeapTable, (BlockBuilder | undefined)[]> = new Map()
  readonly #finished: Uint8Array[] = []
  readonly #onClose: () => void

  constructor(options: {
    readonly number: number
    readonly epoch: number
    readonly isFull: boolean
    readonly tracks: boolean
    readonly changes: readonly HeapChanges[]
    readonly drops: readonly HeapDrop[]
    readonly states: ReadonlyMap<string, number>
    readonly onClose: () => void
  }) {
    this.number = options.number
    this.#epoch = options.epoch
    this.isFull = options.isFull
    this.tracks = options.tracks
    this.#changes = options.changes
    this.#drops = options.drops
    this.#states = options.states
    this.#onClose = options.onClose
    for (const changes of options.changes) this.#byTable.set(changes.table, changes)
  }

  get isEmpty(): boolean {
    return this.#changes.length === 0 && this.#drops.length === 0
  }

  /** Encodes an entry before it is handed out, where the snapshot needs it and has not reached it. */
  preserve(table: HeapTable, entry: HeapEntry): void {
    if (!this.#wants(entry)) return
    const changes = this.#byTable.get(table)
    if (changes === undefined) return
    let builders = this.#preserved.get(table)
    if (builders === undefined) this.#preserved.set(table, (builders = Array.from({ length: keyClassCount })))
    const keyClass = keyClassOf(entry.key)
    const builder = (builders[keyClass] ??= this.#builder(changes, keyClass, BlockOp.Upsert))
    this.#add(builder, changes, entry)
    if (isFull(builder)) this.#finished.push(builder.take())
  }

  *blocks(): Generator<Uint8Array> {
    for (const drop of this.#drops) yield this.#dropBlock(drop)
    for (const changes of this.#changes) yield* this.#removals(changes)
    for (const changes of this.#changes) yield* this.#upserts(changes)
    yield* this.#finished
    for (const builders of this.#preserved.values()) yield* remaining(builders)
  }

  close(): void {
    this.#onClose()
  }

  #wants(entry: HeapEntry): boolean {
    if (entry.savedBy === this.number) return false
    return this.isFull || (entry.epoch > 0 && entry.epoch <= this.#epoch)
  }

  #dropBlock(drop: HeapDrop): Uint8Array {
    const state = this.#states.get(drop.spec.name)!
    return new BlockBuilder({ op: BlockOp.DropNamespace, state, keyClass: 0, namespace: drop.namespace }).take()
  }

  *#removals(changes: HeapChanges): Generator<Uint8Array> {
    const builders: (BlockBuilder | undefined)[] = []
    for (const entry of changes.graves) {
      const keyClass = keyClassOf(entry.key)
      const builder = (builders[keyClass] ??= this.#builder(changes, keyClass, BlockOp.Remove))
      builder.add(entry.keyGroup, entry.key, undefined, undefined)
      if (isFull(builder)) yield builder.take()
    }
    yield* remaining(builders)
  }

  *#upserts(changes: HeapChanges): Generator<Uint8Array> {
    const builders: (BlockBuilder | undefined)[] = []
    for (const entry of changes.entries ?? changes.table.entries()) {
      if (entry.epoch === -1 || !this.#wants(entry)) continue
      const keyClass = keyClassOf(entry.key)
      const builder = (builders[keyClass] ??= this.#builder(changes, keyClass, BlockOp.Upsert))
      this.#add(builder, changes, entry)
      if (isFull(builder)) yield builder.take()
    }
    yield* remaining(builders)
  }

  #add(builder: BlockBuilder, changes: HeapChanges, entry: HeapEntry): void {
    const isTracked = this.tracks && entry.epoch <= this.#epoch
    if (isTracked && entry.epoch > 0) entry.epoch = 0
    if (this.tracks || this.isFull) entry.savedBy = this.number
    const value = this.isFull && changes.prune !== undefined ? changes.prune(entry.value) : entry.value
    if (value === undefined) return
    builder.add(entry.keyGroup, entry.key, value, this.#codec(changes.spec))
  }

  #codec(spec: StateSpec): ValueCodec {
    let codec = this.#codecs.get(spec.name)
    if (codec === undefined) this.#codecs.set(spec.name, (codec = cellCodec(spec)))
    return codec
  }

  #builder(changes: HeapChanges, keyClass: KeyClass, op: BlockOp): BlockBuilder {
    const state = this.#states.get(changes.spec.name)!
    return new BlockBuilder({ op, state, keyClass, namespace: changes.table.namespace })
  }
}

function isFull(builder: BlockBuilder): boolean {
  return builder.count >= blockEntriesMax || builder.bytes >= blockBytesMax
}

function* remaining(builders: readonly (BlockBuilder | undefined)[]): Generator<Uint8Array> {
  for (const builder of builders) if (builder !== undefined && builder.count > 0) yield builder.take()
}
