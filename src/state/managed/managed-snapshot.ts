/**
 * A snapshot of the managed backend under way: the entries that are frozen by their partition's bits or their stamps. They
 * are encoded in the background, many at once; one that is about to change before its turn is put aside at that moment
 * (`preserve`): a copy of its record where the record is all of it, else it is encoded.
 *
 * Invariants
 * 1. An entry is thawed when it is encoded or put aside, and by nothing else.
 * 2. Between two chunks `#out` ends with a whole block.
 */
import { cellCodec } from '../cell-codec.ts'
import type { FrozenState } from '../frozen-state.ts'
import { BlockBuilder, type BlockHead, BlockOp, keyCodecs } from '../snapshot-layout.ts'
import { ByteWriter } from '../../data/bytes.ts'
import type { NativeBuffer } from '../../memory/memory-views.ts'
import type { ValueCodec } from '../../data/value-codec.ts'
import { KeyClass } from '../key-class.ts'
import type { Namespace } from '../keyed-state-backend.ts'
import { keyGroupOf } from '../../data/key-groups.ts'
import type { ClassTable } from './class-table.ts'
import { hashAt, keyAt, writeArenaKey } from './key-words.ts'
import type { ManagedCell } from './managed-cell.ts'
import type { Partition } from './partition.ts'
import { Mode } from './tracking.ts'
import { RecordBlocks } from './record-blocks.ts'
import { recordWriterFor } from './record-writer.ts'
import { blockShift } from './stamps.ts'
import { canGather, WordBlocks } from './word-blocks.ts'

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
/** Of a block of records that were put aside: less than a block takes. */
const asideEntries = 1024
/** Blocks end beyond the limit. */
const chunkSlackBytes = 128 * 1024

/** A frozen partition, with what `preserve` would have to look up for each entry. */
interface Owner extends FrozenPartition {
  /** Whether words are all there is to an entry. */
  readonly isAllRecord: boolean
  readonly prune: ((value: unknown) => unknown) | undefined
  aside: Aside | undefined
}

/** Records of one table put aside. */
interface Aside {
  readonly owner: FrozenPartition
  readonly i32: Int32Array
  count: number
}

export class ManagedSnapshot implements FrozenState {
  readonly #maxParallelism: number
  readonly #partitions: Owner[] = []
  #scrap = new Int32Array(0)
  readonly #graves: readonly Graves[]
  readonly #drops: readonly Drop[]
  readonly #states: ReadonlyMap<string, number>
  readonly #prune: (stateName: string) => ((value: unknown) => unknown) | undefined
  readonly #codecs: Map<string, ValueCodec> = new Map()
  readonly #out: ByteWriter
  #spare: NativeBuffer | undefined
  readonly #chunkBytes: number
  readonly #records: RecordBlocks
  readonly #words: WordBlocks
  /** Changed before their turn: copies of records; what is encoded one by one; blocks of both. */
  readonly #asides: Map<ClassTable, Aside> = new Map()
  readonly #asideOut = new ByteWriter()
  #asideWords: WordBlocks | undefined
  readonly #builders: Map<ClassTable, BlockBuilder> = new Map()
  readonly #finished: Uint8Array[] = []
  readonly #onClose: () => void
  #isWritten = false

  constructor(options: {
    readonly maxParallelism: number
    readonly chunkBytes: number
    readonly partitions: FrozenPartition[]
    readonly graves: readonly Graves[]
    readonly drops: readonly Drop[]
    readonly states: ReadonlyMap<string, number>
    readonly prune: (stateName: string) => ((value: unknown) => unknown) | undefined
    readonly onClose: () => void
  }) {
    this.#maxParallelism = options.maxParallelism
    this.#graves = options.graves
    this.#drops = options.drops
    this.#states = options.states
    this.#prune = options.prune
    this.#onClose = options.onClose
    this.#chunkBytes = options.chunkBytes
    this.#out = new ByteWriter(options.chunkBytes + chunkSlackBytes)
    this.#records = new RecordBlocks(options.maxParallelism, this.#out)
    this.#words = new WordBlocks(options.maxParallelism, this.#out)
    for (const each of options.partitions) this.#own(each)
  }

  get isEmpty(): boolean {
    return this.#partitions.length === 0 && this.#graves.length === 0 && this.#drops.length === 0
  }

  preserve(partition: Partition, entry: number): void {
    const owner = partition.owner as Owner
    if (owner.isAllRecord) this.#putAside(owner, entry)
    else this.#encode(owner, entry)
  }

  /** The entries of a partition are in two others now. */
  replace(from: Partition, left: Partition, right: Partition): void {
    const owner = from.owner as Owner | undefined
    if (owner === undefined) return
    from.thaw(false)
    for (const partition of [left, right]) this.#own({ ...owner, partition })
  }

  #own({ cell, table, partition }: FrozenPartition): void {
    const prune = this.#prune(cell.spec.name)
    const isAllRecord = canGather(cell.layout, table.keyClass) && prune === undefined
    const owner: Owner = { cell, table, partition, isAllRecord, prune, aside: undefined }
    partition.owner = owner
    this.#partitions.push(owner)
  }

  *blocks(): Generator<Uint8Array> {
    for (const drop of this.#drops) yield this.#dropBlock(drop)
    for (const graves of this.#graves) yield* this.#removals(graves)
    // The list grows while it is walked, when partitions are split.
    for (let i = 0; i < this.#partitions.length; i++) yield* this.#upserts(this.#partitions[i]!)
    for (const aside of this.#asides.values()) if (aside.count > 0) this.#finishAside(aside)
    if (this.#out.position > 0) yield this.#out.take()
    yield* this.#finished
    // Nothing is frozen any more, and nothing put aside.
    if (this.#asideOut.position > 0) yield this.#asideOut.written()
    for (const builder of this.#builders.values()) if (builder.count > 0) yield builder.take()
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
    const builder = new BlockBuilder(this.#head(graves, BlockOp.Remove))
    for (const key of graves.keys) {
      builder.add(keyGroupOf(key, this.#maxParallelism), key, undefined, undefined)
      if (isFull(builder)) yield builder.take()
    }
    if (builder.count > 0) yield builder.take()
  }

  *#upserts(owner: Owner): Generator<Uint8Array> {
    const { partition } = owner
    let { generation } = partition
    for (let at = 0; partition.mode === Mode.Frozen && at < frozenLength(partition);) {
      const start = this.#out.position
      at = owner.isAllRecord ? this.#gather(owner, at) : this.#collect(owner, at)
      if (this.#out.position > start)
        owner.table.entryBytes = (owner.isAllRecord ? this.#words : this.#records).entryBytes
      if (this.#out.position < this.#chunkBytes) continue
      yield this.#chunk()
      if (generation === partition.generation) continue
      // The partition has grown meanwhile: all entries, and the bits of those not written yet, are elsewhere.
      generation = partition.generation
      at = 0
    }
    // Changes need not look any more.
    partition.thaw(true)
  }

  /** Writes the next block of entries that are all record; answers the word of bits, or the block of places, to go on with. */
  #gather(owner: FrozenPartition, at: number): number {
    const { cell, partition } = owner
    const head = this.#orderedHead(owner)
    if (partition.frozen === undefined) return this.#words.writeStamped(head, cell.layout, partition, at)
    const persisted = partition.persisted ?? this.#unheeded(partition.frozen.length)
    return this.#words.write(head, cell.layout, partition, partition.frozen, persisted, at)
  }

  /** Bits that nobody reads: of partitions with stamps in snapshots that do not track. */
  #unheeded(words: number): Int32Array {
    if (this.#scrap.length < words) this.#scrap = new Int32Array(words)
    return this.#scrap
  }

  /** The same for any entries. */
  #collect(owner: Owner, from: number): number {
    const { partition } = owner
    const length = frozenLength(partition)
    let at = from
    for (; at < length && !this.#records.isFull; at++) {
      if (partition.frozen === undefined) this.#collectBlock(owner, at)
      else this.#collectWord(owner, at)
    }
    if (this.#records.count > 0) this.#writeBlock(owner)
    return at
  }

  /** The blocks written so far, without a copy: at least a chunk. The next one is made in the buffer of the last. */
  #chunk(): Uint8Array {
    const { buffer } = this.#out
    const next = this.#spare ?? Buffer.allocUnsafeSlow(buffer.length)
    this.#spare = buffer
    return this.#out.detachInto(next as NativeBuffer)
  }

  /** Takes the entries of one word of bits. */
  #collectWord({ partition }: Owner, word: number): void {
    const frozen = partition.frozen!
    const first = word * 32
    let live = 0
    for (let bits = frozen[word]!; bits !== 0; bits &= bits - 1) {
      const bit = bits & -bits
      const entry = first + 31 - Math.clz32(bit)
      if (entry >= partition.places || partition.isEmptyAt(entry)) continue
      live |= bit
      this.#records.add(entry)
    }
    frozen[word] = 0
    if (partition.persisted !== undefined) partition.persisted[word]! |= live
  }

  /** Takes the entries of one block of places whose stamps are the snapshot's. */
  #collectBlock({ cell, partition }: Owner, block: number): void {
    const { i32, places, frozenAfter, frozenBefore } = partition
    if (partition.blocks![block]! <= frozenAfter) return
    const end = Math.min((block + 1) << blockShift, places)
    this.#records.addStamped(i32, cell.layout.strideWords, block << blockShift, end, frozenAfter, frozenBefore)
  }

  #writeBlock(owner: Owner): void {
    const { cell, partition, prune } = owner
    const { strideWords } = cell.layout
    const writer = prune === undefined ? recordWriterFor(cell.layout) : undefined
    if (prune !== undefined) {
      this.#records.takeValues((entry) => prune(cell.readAt(partition, entry)))
      if (this.#records.count === 0) return
    } else if (writer === undefined) this.#records.takeObjects(partition.objects!)
    const values = writer === undefined ? { writer, codec: this.#codec(cell) } : { writer, codec: undefined }
    this.#records.write(this.#orderedHead(owner), partition, strideWords, values)
  }

  #asideOf(owner: Owner): Aside {
    let aside = this.#asides.get(owner.table)
    if (aside === undefined) {
      aside = { owner, i32: new Int32Array(asideEntries * owner.cell.layout.strideWords), count: 0 }
      this.#asides.set(owner.table, aside)
    }
    return (owner.aside = aside)
  }

  #putAside(owner: Owner, entry: number): void {
    const { strideWords } = owner.cell.layout
    const aside = owner.aside ?? this.#asideOf(owner)
    const { i32 } = owner.partition
    const from = entry * strideWords
    const to = aside.count * strideWords
    for (let i = 0; i < strideWords; i++) aside.i32[to + i] = i32[from + i]!
    if (++aside.count === asideEntries) this.#finishAside(aside)
  }

  #finishAside(aside: Aside): void {
    const { owner, i32, count } = aside
    const blocks = (this.#asideWords ??= new WordBlocks(this.#maxParallelism, this.#asideOut))
    const head = this.#head(owner, BlockOp.Upsert)
    const all = new Int32Array((count + 31) >>> 5).fill(-1)
    const written = new Int32Array(all.length)
    blocks.write(head, owner.cell.layout, { i32, places: count }, all, written, 0)
    if (this.#asideOut.position >= this.#chunkBytes) this.#finished.push(this.#asideOut.detach())
    aside.count = 0
  }

  /** One entry by itself. */
  #encode(owner: Owner, entry: number): void {
    const { cell, table, partition, prune } = owner
    let value: unknown = cell.readAt(partition, entry)
    if (prune !== undefined) value = prune(value)
    if (value === undefined) return
    let builder = this.#builders.get(table)
    if (builder === undefined) {
      this.#builders.set(table, (builder = new BlockBuilder(this.#head(owner, BlockOp.Upsert))))
    }
    const base = entry * cell.layout.strideWords
    if (table.keyClass < KeyClass.Text)
      keyCodecs[table.keyClass]!.encode(keyAt(table.keyClass, partition, base), builder.keys)
    else writeArenaKey(table.keyClass, partition, base, builder.keys)
    this.#codec(cell).encode(value, builder.values)
    builder.finishEntry((hashAt(table.keyClass, partition, base) >>> 0) % this.#maxParallelism)
    if (isFull(builder)) this.#finished.push(builder.take())
  }

  #codec(cell: ManagedCell<unknown>): ValueCodec {
    let codec = this.#codecs.get(cell.spec.name)
    if (codec === undefined) this.#codecs.set(cell.spec.name, (codec = cellCodec(cell.spec)))
    return codec
  }

  /** Of entries as they stand in their partition. */
  #orderedHead(owner: FrozenPartition): BlockHead {
    return { ...this.#head(owner, BlockOp.Upsert), order: owner.partition.multiplier }
  }

  #head({ cell, table }: { cell: ManagedCell<unknown>; table: ClassTable }, op: BlockOp): BlockHead {
    const state = this.#states.get(cell.spec.name)!
    return { op, state, keyClass: table.keyClass, namespace: table.namespace }
  }
}

/** Words of bits, or blocks of places. */
function frozenLength({ frozen, blocks }: Partition): number {
  return (frozen ?? blocks!).length
}

function isFull(builder: BlockBuilder): boolean {
  return builder.count >= blockEntriesMax || builder.bytes >= blockBytesMax
}
