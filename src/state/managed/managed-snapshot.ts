/**
 * A snapshot of the managed backend under way: the entries whose bit is set in their partition's `frozen`. They are
 * encoded in the background; one that is about to change before its turn is encoded at that moment (`preserve`).
 *
 * Invariant: an entry's bit in `frozen` is cleared when it is encoded, and nothing else clears it.
 */
import { cellCodec } from '../cell-codec.ts'
import type { FrozenState } from '../frozen-state.ts'
import { BlockBuilder, BlockOp } from '../snapshot-layout.ts'
import type { ValueCodec } from '../../data/value-codec.ts'
import type { Namespace } from '../keyed-state-backend.ts'
import { keyGroupOf } from '../../data/key-groups.ts'
import type { ClassTable } from './class-table.ts'
import { hashAt, keyAt } from './key-words.ts'
import type { ManagedCell } from './managed-cell.ts'
import type { Partition } from './partition.ts'

/** A partition whose frozen entries are to be written, and whose they are. */
export interface FrozenPartition {
  readonly cell: ManagedCell<unknown>
  readonly table: ClassTable
  readonly partition: Partition
}

export interface Graves {
  readonly cell: ManagedCell<unknown>
  readonly table: ClassTable
  readonly keys: readonly unknown[]
}

export interface Drop {
  readonly stateName: string
  readonly namespace: Namespace
}

const blockEntriesMax = 4096
const blockBytesMax = 256 * 1024

export class ManagedSnapshot implements FrozenState {
  readonly #maxParallelism: number
  readonly #partitions: FrozenPartition[]
  readonly #owners: Map<Partition, FrozenPartition> = new Map()
  readonly #graves: readonly Graves[]
  readonly #drops: readonly Drop[]
  readonly #states: ReadonlyMap<string, number>
  readonly #prune: (stateName: string) => ((value: unknown) => unknown) | undefined
  readonly #codecs: Map<string, ValueCodec> = new Map()
  readonly #preserved: Map<ClassTable, BlockBuilder> = new Map()
  readonly #finished: Uint8Array[] = []
  readonly #onClose: () => void
  #isWritten = false

  constructor(options: {
    readonly maxParallelism: number
    readonly partitions: FrozenPartition[]
    readonly graves: readonly Graves[]
    readonly drops: readonly Drop[]
    readonly states: ReadonlyMap<string, number>
    readonly prune: (stateName: string) => ((value: unknown) => unknown) | undefined
    readonly onClose: () => void
  }) {
    this.#maxParallelism = options.maxParallelism
    this.#partitions = options.partitions
    this.#graves = options.graves
    this.#drops = options.drops
    this.#states = options.states
    this.#prune = options.prune
    this.#onClose = options.onClose
    for (const each of options.partitions) this.#owners.set(each.partition, each)
  }

  get isEmpty(): boolean {
    return this.#partitions.length === 0 && this.#graves.length === 0 && this.#drops.length === 0
  }

  preserve(partition: Partition, entry: number): void {
    const owner = this.#owners.get(partition)!
    let builder = this.#preserved.get(owner.table)
    if (builder === undefined) this.#preserved.set(owner.table, (builder = this.#builder(owner, BlockOp.Upsert)))
    this.#add(builder, owner, entry)
    if (isFull(builder)) this.#finished.push(builder.take())
  }

  /** The entries of a partition are in two others now. */
  replace(from: Partition, left: Partition, right: Partition): void {
    const owner = this.#owners.get(from)
    if (owner === undefined) return
    from.frozen = undefined
    for (const partition of [left, right]) {
      const each = { ...owner, partition }
      this.#owners.set(partition, each)
      this.#partitions.push(each)
    }
  }

  *blocks(): Generator<Uint8Array> {
    for (const drop of this.#drops) yield this.#dropBlock(drop)
    for (const graves of this.#graves) yield* this.#removals(graves)
    // The list grows while it is walked, when partitions are split.
    for (let i = 0; i < this.#partitions.length; i++) yield* this.#upserts(this.#partitions[i]!)
    yield* this.#finished
    for (const builder of this.#preserved.values()) if (builder.count > 0) yield builder.take()
    this.#isWritten = true
  }

  close(): void {
    for (const { partition } of this.#partitions) partition.thaw(this.#isWritten)
    this.#onClose()
  }

  #dropBlock(drop: Drop): Uint8Array {
    const state = this.#states.get(drop.stateName)!
    return new BlockBuilder({ op: BlockOp.DropNamespace, state, keyClass: 0, namespace: drop.namespace }).take()
  }

  *#removals(graves: Graves): Generator<Uint8Array> {
    const builder = this.#builder(graves, BlockOp.Remove)
    for (const key of graves.keys) {
      builder.add(keyGroupOf(key, this.#maxParallelism), key, undefined, undefined)
      if (isFull(builder)) yield builder.take()
    }
    if (builder.count > 0) yield builder.take()
  }

  *#upserts(owner: FrozenPartition): Generator<Uint8Array> {
    const builder = this.#builder(owner, BlockOp.Upsert)
    const { partition } = owner
    let { generation } = partition
    for (let word = 0; partition.frozen !== undefined && word < partition.frozen.length; word++) {
      let bits = partition.frozen[word]!
      if (bits === 0) continue
      partition.frozen[word] = 0
      if (partition.persisted !== undefined) partition.persisted[word]! |= bits
      while (bits !== 0) {
        const entry = word * 32 + 31 - Math.clz32(bits & -bits)
        bits &= bits - 1
        if (entry < partition.places && !partition.isEmptyAt(entry)) this.#add(builder, owner, entry)
      }
      if (!isFull(builder)) continue
      yield builder.take()
      if (generation === partition.generation) continue
      // The partition has grown meanwhile: all entries, and the bits of those not written yet, are elsewhere.
      generation = partition.generation
      word = -1
    }
    if (builder.count > 0) yield builder.take()
  }

  #add(builder: BlockBuilder, { cell, table, partition }: FrozenPartition, entry: number): void {
    const base = entry * cell.layout.strideWords
    let value = cell.readAt(partition, entry)
    const prune = this.#prune(cell.spec.name)
    if (prune !== undefined) {
      value = prune(value)
      if (value === undefined) return
    }
    const keyGroup = (hashAt(table.keyClass, partition, base) >>> 0) % this.#maxParallelism
    builder.add(keyGroup, keyAt(table.keyClass, partition, base), value, this.#codec(cell))
  }

  #codec(cell: ManagedCell<unknown>): ValueCodec {
    let codec = this.#codecs.get(cell.spec.name)
    if (codec === undefined) this.#codecs.set(cell.spec.name, (codec = cellCodec(cell.spec)))
    return codec
  }

  #builder({ cell, table }: { cell: ManagedCell<unknown>; table: ClassTable }, op: BlockOp): BlockBuilder {
    const state = this.#states.get(cell.spec.name)!
    return new BlockBuilder({ op, state, keyClass: table.keyClass, namespace: table.namespace })
  }
}

function isFull(builder: BlockBuilder): boolean {
  return builder.count >= blockEntriesMax || builder.bytes >= blockBytesMax
}
