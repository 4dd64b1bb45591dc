/**
 * A savepoint: opens a walk over the whole store right behind the last generation that belongs to it, and writes what
 * the walk finds as blocks (snapshot-layout), which every backend reads. Values are copied as bytes.
 */
import { ByteReader } from '../../data/bytes.ts'
import type { KeyGroupRange } from '../../data/key-groups.ts'
import { type KeyClass, keyClassOf } from '../key-class.ts'
import { BlockBuilder, BlockOp } from '../snapshot-layout.ts'
import type { DiskCell } from './disk-cell.ts'
import type { DiskStore, StoreScan } from './disk-store.ts'
import { type EntryAddress, rangeOfKeyGroups, readEntryAddress } from './entry-key-layout.ts'
import { type SpillJob, turn } from './spill-queue.ts'

const blockEntriesMax = 4096
const blockBytesMax = 256 * 1024
/** Namespaces that are collected at the same time. */
const buildersMax = 256
const entriesPerTurn = 4096

export class SavepointJob implements SpillJob {
  readonly opened: Promise<void>
  readonly #store: DiskStore
  readonly #keyGroupRange: KeyGroupRange
  /** Index in the file's schema by the number in the store's keys. */
  readonly #indexes: Map<number, number>
  readonly #cells: readonly DiskCell<unknown>[]
  #scan: StoreScan | undefined
  #resolve!: () => void
  #reject!: (error: unknown) => void

  constructor(store: DiskStore, keyGroupRange: KeyGroupRange, cells: readonly DiskCell<unknown>[]) {
    this.#store = store
    this.#keyGroupRange = keyGroupRange
    this.#cells = cells
    this.#indexes = new Map(cells.map((cell, index) => [cell.id, index]))
    this.opened = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.opened.catch(() => {})
  }

  step(): boolean | Promise<void> {
    if (this.#scan !== undefined) return false
    const opening = this.#store.open()
    if (opening !== undefined) return opening
    this.#scan = this.#store.scan(rangeOfKeyGroups(this.#keyGroupRange.first, this.#keyGroupRange.last))
    this.#resolve()
    return false
  }

  finishNow(): void {
    void this.step()
  }

  failed(error: unknown): void {
    this.#reject(error)
  }

  /** The file: header and blocks. */
  async *chunks(header: Uint8Array): AsyncGenerator<Uint8Array> {
    yield header
    const scan = this.#scan!
    const reader = new ByteReader()
    const builders = new Map<string, BlockBuilder>()
    let entries = 0
    try {
      while (scan.next()) {
        if (++entries % entriesPerTurn === 0) await turn()
        reader.reset(scan.bytes)
        const address = readEntryAddress(reader, scan.keyStart, scan.keyEnd)
        const builder = this.#add(address, scan, reader, builders)
        if (builder !== undefined && isFull(builder)) yield builder.take()
        if (builders.size > buildersMax) yield* drained(builders)
      }
      yield* drained(builders)
    } finally {
      scan.close()
    }
  }

  #add(
    address: EntryAddress,
    scan: StoreScan,
    reader: ByteReader,
    builders: Map<string, BlockBuilder>,
  ): BlockBuilder | undefined {
    const index = this.#indexes.get(address.stateId)
    if (index === undefined) return undefined
    const cell = this.#cells[index]!
    const keyClass = keyClassOf(address.key)
    const prune = cell.prune()
    const builder = builderOf(builders, index, keyClass, address)
    if (prune === undefined) {
      builder.values.raw(scan.bytes.subarray(scan.valueStart, scan.valueEnd))
      builder.add(address.keyGroup, address.key, undefined, undefined)
      return builder
    }
    reader.seek(scan.valueStart, scan.valueEnd)
    const kept = prune(cell.codec.decode(reader))
    if (kept !== undefined) builder.add(address.keyGroup, address.key, kept, cell.codec)
    return builder
  }
}

function builderOf(
  builders: Map<string, BlockBuilder>,
  state: number,
  keyClass: KeyClass,
  { namespace }: EntryAddress,
): BlockBuilder {
  const id = `${state} ${keyClass} ${typeof namespace} ${namespace}`
  let builder = builders.get(id)
  if (builder === undefined) {
    builder = new BlockBuilder({ op: BlockOp.Upsert, state, keyClass, namespace })
    builders.set(id, builder)
  }
  return builder
}

function isFull(builder: BlockBuilder): boolean {
  return builder.count >= blockEntriesMax || builder.bytes >= blockBytesMax
}

function* drained(builders: Map<string, BlockBuilder>): Generator<Uint8Array> {
  for (const builder of builders.values()) if (builder.count > 0) yield builder.take()
  builders.clear()
}
