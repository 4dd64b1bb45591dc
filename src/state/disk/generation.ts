/**
 * A generation is everything that had changed in a backend when its active tables were frozen: the frozen tables and
 * the namespaces that had been dropped. It is encoded in steps of about a millisecond, ingested by the store at once,
 * and then retired: its tables become, or go into, the clean ones.
 *
 * Invariant: what is encoded is each entry's value at the time of the freeze. An object that is about to be handed out,
 * and maybe changed in place, is encoded before (`expose`).
 */
import { ByteWriter } from '../../data/bytes.ts'
import type { KeyGroupRange } from '../../data/key-groups.ts'
import type { DiskTable } from './disk-table.ts'
import { int32EntryKeyBytes, placeInt32EntryKey, rangeOfNamespace, writeEntryStart } from './entry-key-layout.ts'
import type { FrontTable } from './front-table.ts'
import { PackedEntriesWriter } from './packed-entries-layout.ts'

const entriesPerStep = 4096
/** Of those that are written in place: as long. */
const plainEntriesPerStep = 32_768
const bufferBytes = 4 * 1024 * 1024

export class FrozenPart {
  readonly table: DiskTable
  readonly front: FrontTable
  readonly generation: Generation
  /** Bytes when it was frozen. */
  readonly bytes: number
  /** Older generations may hold keys of the table: deletions have to be written. */
  readonly hasBeneath: boolean
  /** Entries below this one are encoded. */
  encoded = 0
  /** Entries beyond it that are encoded. */
  early: Set<number> | undefined

  constructor(table: DiskTable, generation: Generation) {
    this.table = table
    this.front = table.active
    this.bytes = table.active.bytes
    this.hasBeneath = table.isOnDisk
    this.generation = generation
  }

  /** To be called before the object of an entry is handed out. */
  expose(entry: number): void {
    if (this.front.layout.width > 0 || entry < this.encoded || this.early?.has(entry) === true) return
    this.early ??= new Set()
    this.early.add(entry)
    this.generation.encodeEntry(this, entry)
  }
}

export class Generation {
  readonly parts: FrozenPart[] = []
  /** Live entries per table when the generation was frozen, expired ones taken out as they are found. */
  readonly counts: Map<DiskTable, number> = new Map()
  readonly #droppedPrefixes: readonly Uint8Array[]
  readonly #keyGroupRange: KeyGroupRange
  readonly #full: Uint8Array[] = []
  #writer = new PackedEntriesWriter()
  readonly #key = new ByteWriter()
  readonly #value = new ByteWriter()

  constructor(keyGroupRange: KeyGroupRange, droppedPrefixes: readonly Uint8Array[]) {
    this.#keyGroupRange = keyGroupRange
    this.#droppedPrefixes = droppedPrefixes
  }

  get isEmpty(): boolean {
    return this.parts.length === 0 && this.#droppedPrefixes.length === 0
  }

  /** Packed entries; complete once `encode` has come to its end. */
  buffers(): Uint8Array[] {
    return [...this.#full, this.#writer.written()]
  }

  *encode(): Generator<void> {
    for (const prefix of this.#droppedPrefixes) this.#encodeDrop(prefix)
    let steps = 0
    for (const part of this.parts) {
      const count = part.front.count
      while (part.encoded < count) {
        if (this.#isPlain(part)) {
          this.#encodePlain(part, Math.min(count, part.encoded + plainEntriesPerStep))
          yield
          continue
        }
        const entry = part.encoded++
        if (part.early?.has(entry) !== true) this.encodeEntry(part, entry)
        if (++steps % entriesPerStep === 0) yield
      }
    }
  }

  /** Numbers that do not expire: written in place. */
  #isPlain({ table, front }: FrozenPart): boolean {
    return front.layout.isNumber && table.cell.prune() === undefined
  }

  #encodePlain(part: FrozenPart, end: number): void {
    const { table, front } = part
    const { f64, keyGroups, stride } = front
    const { prefix } = table
    const keyBytes = int32EntryKeyBytes(prefix)
    const valueBytes = table.cell.codec.fixedBytes
    for (let entry = part.encoded; entry < end; entry++) {
      if (!front.hasInt32Key(entry) || !front.isLive(entry)) {
        this.encodeEntry(part, entry)
        continue
      }
      this.#makeRoom()
      const writer = this.#writer
      const at = writer.place(keyBytes, valueBytes)
      const valueAt = placeInt32EntryKey(
        keyGroups[entry]!,
        prefix,
        f64[entry * stride]!,
        writer.buffer,
        writer.view,
        at,
      )
      const value = f64[entry * stride + 1]!
      if (valueBytes === 8) writer.view.setFloat64(valueAt, value, true)
      else writer.view.setInt32(valueAt, value, true)
    }
    part.encoded = end
  }

  #makeRoom(): void {
    if (this.#writer.position <= bufferBytes) return
    this.#full.push(this.#writer.written())
    this.#writer = new PackedEntriesWriter(bufferBytes + 65_536)
  }

  encodeEntry(part: FrozenPart, entry: number): void {
    const { table, front } = part
    const isLive = front.isLive(entry) && !this.#isExpired(part, entry)
    if (!isLive && !part.hasBeneath) return
    this.#makeRoom()
    const key = this.#key
    key.reset()
    writeEntryStart(front.keyGroups[entry]!, table.prefix, key)
    front.writeKey(entry, key)
    if (!isLive) return this.#writer.delete(key.buffer, 0, key.position)
    const value = this.#value
    value.reset()
    table.cell.codec.encode(front.valueOf(entry), value)
    this.#writer.put(key.buffer, 0, key.position, value.buffer, 0, value.position)
  }

  /** Takes what has expired out on the way to disk; returns true where nothing is left. */
  #isExpired(part: FrozenPart, entry: number): boolean {
    const { table, front } = part
    const prune = table.cell.prune()
    if (prune === undefined) return false
    const kept = prune(front.valueOf(entry))
    if (kept !== undefined) {
      if (kept !== front.valueOf(entry)) front.replace(entry, kept)
      return false
    }
    front.delete(entry)
    const counted = this.counts.get(table)
    if (counted !== undefined && counted > 0) this.counts.set(table, counted - 1)
    if (table.count > 0 && !table.isDropped && !table.isShadowed(front.keyOf(entry), part)) table.count--
    return true
  }

  #encodeDrop(prefix: Uint8Array): void {
    for (let group = this.#keyGroupRange.first; group <= this.#keyGroupRange.last; group++) {
      const { lower, upper } = rangeOfNamespace(group, prefix)
      this.#writer.deleteRange(lower, upper)
    }
  }
}
