/**
 * Takes one generation to the store: encodes it, has it ingested, retires its tables.
 *
 * A generation that would take too much memory when encoded goes in pieces: until its tables are retired their entries
 * are found in memory, so that nobody sees a part of it only. Where the store has fallen behind with merging, each piece
 * waits a while, bounded, and with it the slot once its memory is full.
 *
 * Retiring keeps what is hot: the frozen table and the clean one become one where memory allows, the newer value
 * winning; otherwise the frozen one takes the clean one's place, so that two generations of use decide what stays.
 */
import { blockFor } from '../../exchange/doorbell.ts'
import type { DiskStore } from './disk-store.ts'
import type { DiskTable } from './disk-table.ts'
import type { FrontMemory } from './front-memory.ts'
import type { FrontTable } from './front-table.ts'
import type { FrozenPart, Generation } from './generation.ts'
import type { RowsToPack } from './rows-to-pack.ts'
import type { SpillJob } from './spill-queue.ts'
import type { StoreReads } from './store-reads.ts'

const entriesPerStep = 8192
const pauseMs = 5
/** What sorting and writing take: places and hashes of all entries, and the key prefixes of one buffer twice. */
const bytesPerEntry = 14
const bytesPerSortedEntry = 32
/** Of what is encoded, to begin with: entries of tables take about as much, and half of it to be sorted. */
const encodedShare = 1.5
const sortedEntriesMax = 150_000

export class IngestJob implements SpillJob {
  readonly #generation: Generation
  readonly #store: DiskStore
  readonly #memory: FrontMemory
  readonly #reads: StoreReads
  readonly #encoding: Generator<RowsToPack | undefined>
  readonly #retiring: Generator<void>
  #isEncoded = false
  /** By the store, for the piece under way. */
  #packing: { readonly rows: RowsToPack; readonly packed: Promise<void> } | undefined
  /** Of the piece under way. */
  #ingesting: Promise<void> | undefined
  #piecesDone = 0
  #isGivenUp = false
  /** Left of the present piece's delay; undefined: the store has not been asked. */
  #delayMs: number | undefined
  /** What is charged for encoded entries. */
  #transitBytes = 0
  /** Charged from the beginning on. */
  #reservedBytes = 0
  /** Of one piece, so that all are alike. */
  #pieceBytes = 0

  constructor(generation: Generation, store: DiskStore, memory: FrontMemory, reads: StoreReads) {
    this.#generation = generation
    this.#store = store
    this.#memory = memory
    this.#reads = reads
    this.#encoding = generation.encode(
      store.packRows === undefined ? undefined : (entryBytes) => this.#roomFor(entryBytes),
    )
    this.#retiring = this.#retire()
  }

  step(): boolean | Promise<void> {
    if (this.#ingesting !== undefined) return this.#ingesting
    if (this.#packing !== undefined) return this.#packing.packed
    if (this.#isGivenUp) return false
    if (!this.#isPieceReady()) return this.#encodeStep() ?? true
    if (this.#generation.hasEncoded) return this.#pause() ?? (this.#ingesting = this.#ingest())
    this.#letGo()
    return this.#retiring.next().done !== true
  }

  finishNow(): void {
    for (;;) {
      if (this.#ingesting === undefined) {
        while (this.#packing !== undefined || !this.#isPieceReady()) this.#encodeNow()
        if (!this.#generation.hasEncoded) break
        while (this.#takePause()) blockFor(pauseMs)
        this.#ingesting = this.#ingest()
        this.#ingesting.catch(() => {})
      }
      this.#store.waitForBegun!()
      this.#pieceDone()
    }
    this.#letGo()
    while (this.#retiring.next().done !== true);
  }

  failed(): void {
    this.#isGivenUp = true
  }

  /** There is a piece to be ingested, or nothing more to encode. */
  #isPieceReady(): boolean {
    return this.#isEncoded || (this.#pieceBytes > 0 && this.#bytesNeeded() >= this.#pieceBytes)
  }

  /** A promise: the store is packing. */
  #encodeStep(): Promise<void> | undefined {
    if (this.#reservedBytes === 0) this.#reserve()
    const { done, value: rows } = this.#encoding.next()
    this.#isEncoded = done === true
    this.#charge(this.#bytesNeeded())
    if (rows === undefined) return undefined
    const packed = this.#pack(rows)
    this.#packing = { rows, packed }
    return packed
  }

  #encodeNow(): void {
    if (this.#packing === undefined) this.#encodeStep()?.catch(() => {})
    if (this.#packing === undefined) return
    this.#store.waitForBegun!()
    this.#packed(this.#packing.rows)
  }

  /** Throws at once what could not be begun: nobody who waits for what was begun would hear of it. */
  #pack(rows: RowsToPack): Promise<void> {
    return this.#store.packRows!(rows).then(() => this.#packed(rows))
  }

  #packed(rows: RowsToPack): void {
    if (this.#packing?.rows !== rows) return
    this.#packing = undefined
    rows.done()
  }

  /** So many more entries fit into the piece under way. */
  #roomFor(entryBytes: number): number {
    const bytes = this.#pieceBytes - this.#bytesNeeded()
    const bytesEach = entryBytes + bytesPerEntry
    const wholeSort = sortedEntriesMax * bytesPerSortedEntry
    return Math.max(0, bytes / (bytesEach + bytesPerSortedEntry), (bytes - wholeSort) / bytesEach)
  }

  /** Before anything is encoded: so that what only saves reads makes room, and the slot does not go on regardless. */
  #reserve(): void {
    const bytes = Math.ceil(this.#generation.frozenBytes * encodedShare)
    const pieces = Math.ceil(bytes / this.#memory.pieceBytes)
    this.#pieceBytes = Math.ceil(pieces > 1 ? bytes / pieces : this.#memory.pieceBytes)
    this.#reservedBytes = Math.max(1, Math.min(bytes, this.#pieceBytes))
  }

  #bytesNeeded(): number {
    const { encodedBytes, encodedCount } = this.#generation
    return encodedBytes + encodedCount * bytesPerEntry + Math.min(encodedCount, sortedEntriesMax) * bytesPerSortedEntry
  }

  /** True: a part of the piece's delay is to be waited for. */
  #takePause(): boolean {
    const left = (this.#delayMs ??= this.#store.backlogMs?.() ?? 0)
    if (left <= 0 || this.#isGivenUp || this.#store.backlogMs!() === 0) return false
    this.#delayMs = left - pauseMs
    return true
  }

  #pause(): Promise<void> | undefined {
    return this.#takePause() ? new Promise((resolve) => setTimeout(resolve, pauseMs)) : undefined
  }

  /** Throws as `#pack`. */
  #ingest(): Promise<void> {
    const piece = this.#piecesDone
    this.#charge(this.#bytesNeeded())
    const buffers = this.#generation.lendBuffers()
    const opening = this.#store.open()
    const ingested =
      opening === undefined ? this.#store.ingest(buffers) : opening.then(() => this.#store.ingest(buffers))
    return ingested.then(() => {
      if (this.#piecesDone === piece) this.#pieceDone()
    })
  }

  #pieceDone(): void {
    this.#piecesDone++
    this.#ingesting = undefined
    this.#delayMs = undefined
    this.#generation.releaseBuffers()
    if (this.#isEncoded) this.#letGo()
    else this.#charge(this.#bytesNeeded())
  }

  /** Nothing is encoded, or will be. */
  #letGo(): void {
    if (this.#transitBytes === 0) return
    this.#reservedBytes = 0
    this.#charge(0)
  }

  #charge(needed: number): void {
    const bytes = Math.max(needed, this.#reservedBytes)
    this.#memory.transitBytes += bytes - this.#transitBytes
    this.#transitBytes = bytes
    this.#memory.settle()
    this.#reads.keepWithinLimit()
  }

  *#retire(): Generator<void> {
    for (const part of this.#generation.parts) {
      yield* this.#retirePart(part)
      this.#memory.frozenBytes -= part.bytes
      this.#memory.settle()
    }
  }

  *#retirePart(part: FrozenPart): Generator<void> {
    const { table, front } = part
    part.release()
    if (table.isDropped) return
    if (part.bytes === 0) return this.#retireInPlace(table, front)
    let dead: FrontTable | undefined
    if (table.clean !== undefined && this.#mayMerge(table.clean, front, part.bytes)) {
      dead = yield* mergeInto(table.clean, part)
    } else {
      const isKept = front.bytes - (table.clean?.bytes ?? 0) <= this.#memory.cleanBytesLeft(part.bytes)
      table.keepClean(isKept ? front : undefined)
      dead = isKept ? undefined : front
    }
    if (table.isDropped) return
    table.parts = table.parts.filter((other) => other !== part)
    if (dead !== undefined) table.cell.release(dead)
    table.account()
    if (table.namespace !== 0 && table.isForgettable) table.cell.forget(table)
  }

  /** There is room for both while one is filled from the other, and for what comes of it. */
  #mayMerge(clean: FrontTable, front: FrontTable, frozenBytes: number): boolean {
    const [into, from] = mergeOrder(clean, front)
    const grownBytes = into.bytesToTake(from)
    const wholeBytes = into.bytes + grownBytes - clean.bytes
    return grownBytes <= this.#memory.spareBytes && wholeBytes <= this.#memory.cleanBytesLeft(frozenBytes)
  }

  #retireInPlace(table: DiskTable, front: FrontTable): void {
    if (table.namespace !== 0 && table.isForgettable) table.cell.forget(table)
    else if (front === table.active) table.cell.compactWritten(table)
  }
}

/** The one to be merged into, and the one that has less to give. */
function mergeOrder(clean: FrontTable, front: FrontTable): [FrontTable, FrontTable] {
  return front.freshCount >= clean.freshCount ? [front, clean] : [clean, front]
}

/** The table that has less to give to the other is merged into it; the part's entries win. Returns the one that is done with. */
function* mergeInto(clean: FrontTable, part: FrozenPart): Generator<void, FrontTable> {
  const { table, front } = part
  const [into, from] = mergeOrder(clean, front)
  const isFrontKept = into === front
  clean.isHeld = true
  let taken = 0
  for (let entry = 0; entry < from.count; entry++) {
    // What a newer table has taken over need not be known here.
    if (from.isSuperseded(entry)) continue
    if (!isFrontKept) into.take(from, entry)
    else if (into.find(from.keyOf(entry)) < 0) into.take(from, entry)
    if (++taken % entriesPerStep === 0) yield
  }
  clean.isHeld = false
  if (!table.isDropped) table.clean = into
  return from
}
