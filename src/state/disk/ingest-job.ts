/**
 * Takes one generation to the store: encodes it, has it ingested, retires its tables.
 *
 * Retiring keeps what is hot: the frozen table and the clean one become one where memory allows, the newer value
 * winning; otherwise the frozen one takes the clean one's place, so that two generations of use decide what stays.
 */
import type { DiskStore } from './disk-store.ts'
import type { DiskTable } from './disk-table.ts'
import type { FrontMemory } from './front-memory.ts'
import type { FrontTable } from './front-table.ts'
import type { FrozenPart, Generation } from './generation.ts'
import type { SpillJob } from './spill-queue.ts'

const entriesPerStep = 8192

export class IngestJob implements SpillJob {
  readonly #generation: Generation
  readonly #store: DiskStore
  readonly #memory: FrontMemory
  readonly #encoding: Generator<void>
  readonly #retiring: Generator<void>
  #isEncoded = false
  #ingesting: Promise<void> | undefined
  #isIngested = false

  constructor(generation: Generation, store: DiskStore, memory: FrontMemory) {
    this.#generation = generation
    this.#store = store
    this.#memory = memory
    this.#encoding = generation.encode()
    this.#retiring = this.#retire()
  }

  step(): boolean | Promise<void> {
    if (!this.#isEncoded) {
      this.#isEncoded = this.#encoding.next().done === true
      return true
    }
    if (!this.#isIngested) return (this.#ingesting ??= this.#ingest())
    return this.#retiring.next().done !== true
  }

  finishNow(): void {
    while (!this.#isEncoded) this.step()
    if (!this.#isIngested) {
      this.#ingesting ??= this.#ingest()
      this.#ingesting.catch(() => {})
      this.#store.waitForBegun!()
      this.#isIngested = true
    }
    while (this.#retiring.next().done !== true);
  }

  failed(): void {}

  async #ingest(): Promise<void> {
    const opening = this.#store.open()
    if (opening !== undefined) await opening
    await this.#store.ingest(this.#generation.buffers())
    this.#generation.releaseBuffers()
    this.#isIngested = true
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
    const spareBytes = this.#memory.cleanBytesLeft(part.bytes)
    if (table.clean !== undefined && front.bytes <= spareBytes) yield* mergeInto(table.clean, part)
    else table.keepClean(front.bytes - (table.clean?.bytes ?? 0) <= spareBytes ? front : undefined)
    if (table.isDropped) return
    table.parts = table.parts.filter((other) => other !== part)
    table.account(this.#memory)
    if (table.namespace !== 0 && table.isForgettable) table.cell.forget(table)
  }

  #retireInPlace(table: DiskTable, front: FrontTable): void {
    if (table.namespace !== 0 && table.isForgettable) table.cell.forget(table)
    else if (front === table.active) table.cell.compactWritten(table)
  }
}

/** The table that has less to give to the other is merged into it; the part's entries win. */
function* mergeInto(clean: FrontTable, part: FrozenPart): Generator<void> {
  const { table, front } = part
  const isFrontKept = front.freshCount >= clean.freshCount
  const from = isFrontKept ? clean : front
  const into = isFrontKept ? front : clean
  let taken = 0
  for (let entry = 0; entry < from.count; entry++) {
    // What a newer table has taken over need not be known here.
    if (from.isSuperseded(entry)) continue
    if (!isFrontKept) into.take(from, entry)
    else if (into.find(from.keyOf(entry)) < 0) into.take(from, entry)
    if (++taken % entriesPerStep === 0) yield
  }
  if (!table.isDropped) table.clean = into
}
