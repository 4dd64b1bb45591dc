/**
 * A generation is everything that had changed in a backend when its active tables were frozen: the frozen tables and
 * the namespaces that had been dropped. It is encoded in steps of about a millisecond, ingested by the store at once,
 * and then retired: its tables become, or go into, the clean ones.
 *
 * Invariant: what is encoded is each entry's value at the time of the freeze. An entry that is about to change, or an
 * object that is about to be handed out, is encoded before (`encodeEarly`).
 */
import { ByteWriter } from '../../data/bytes.ts'
import type { KeyGroupRange } from '../../data/key-groups.ts'
import type { DiskTable } from './disk-table.ts'
import { rangeOfNamespace, writeEntryStart } from './entry-key-layout.ts'
import { freeMemory } from './free-memory.ts'
import type { FrontTable } from './front-table.ts'
import { packedBufferBytes, PackedEntriesWriter } from './packed-entries-layout.ts'
import type { PlainEntryWriter } from './plain-entry-writer.ts'
import { bitsOf, type RowsToPack, rowsToPack } from './rows-to-pack.ts'

const entriesPerStep = 4096
/** Of those that are written in place: as long. Words of bits that are skipped count as well. */
const plainEntriesPerStep = 32_768

export class FrozenPart {
  readonly table: DiskTable
  readonly front: FrontTable
  readonly generation: Generation
  /** Memory that the part has taken over from the active table; 0: frozen in place. */
  readonly bytes: number
  /** Older generations may hold keys of the table: deletions have to be written. */
  readonly hasBeneath: boolean
  /** A bit for each entry that is to be encoded. */
  readonly pending: Int32Array
  /** Where values are numbers that do not expire. */
  readonly plain: PlainEntryWriter | undefined
  /** Words of it below this one are empty. */
  wordsDone = 0
  /** Another thread packs entries: it may see one as it becomes later, unless something newer is encoded here. */
  isBeingPacked = false

  constructor(table: DiskTable, generation: Generation, bytes: number, pending: Int32Array) {
    this.table = table
    this.front = table.active
    this.bytes = bytes
    this.hasBeneath = table.isOnDisk
    this.pending = pending
    this.generation = generation
    this.plain = table.plainWriter()
    this.front.readers.push(this)
  }

  /** Memory of the entries that are to be encoded, about. */
  get frozenBytes(): number {
    const { front, pending } = this
    let count = 0
    for (let word = this.wordsDone; word < pending.length; word++) count += bitsOf(pending[word]!)
    return front.count === 0 ? 0 : (front.bytes / front.count) * count
  }

  get isDone(): boolean {
    return this.wordsDone === this.pending.length
  }

  /** Encodes the entry now, if it still has to be. */
  encodeEarly(entry: number): void {
    const { pending } = this
    const word = entry >>> 5
    const bit = 1 << (entry & 31)
    if (word >= pending.length || (pending[word]! & bit) === 0) return
    pending[word]! &= ~bit
    this.generation.encodeEntry(this, entry)
  }

  /** All is encoded, and on disk. */
  release(): void {
    const { readers } = this.front
    readers.splice(readers.indexOf(this), 1)
  }
}

export class Generation {
  readonly parts: FrozenPart[] = []
  /** Live entries per table when the generation was frozen, expired ones taken out as they are found. */
  readonly counts: Map<DiskTable, number> = new Map()
  readonly #droppedPrefixes: readonly Uint8Array[]
  readonly #keyGroupRange: KeyGroupRange
  /** By the store. What of it has changed meanwhile stands in the others, which are newer. */
  #packed: PackedEntriesWriter[] = []
  #full: PackedEntriesWriter[] = []
  #writer = new PackedEntriesWriter()
  /** Given out, and being read. */
  #lent: PackedEntriesWriter[] = []
  readonly #key = new ByteWriter()
  readonly #value = new ByteWriter()

  constructor(keyGroupRange: KeyGroupRange, droppedPrefixes: readonly Uint8Array[]) {
    this.#keyGroupRange = keyGroupRange
    this.#droppedPrefixes = droppedPrefixes
  }

  get isEmpty(): boolean {
    return this.parts.length === 0 && this.#droppedPrefixes.length === 0
  }

  /** Memory of what is encoded, lent or not. */
  get encodedBytes(): number {
    let bytes = this.#writer.buffer.length
    for (const writer of this.#packed) bytes += writer.buffer.length
    for (const writer of this.#full) bytes += writer.buffer.length
    for (const writer of this.#lent) bytes += writer.buffer.length
    return bytes
  }

  /** Entries of it that are not lent. */
  get encodedCount(): number {
    let count = this.#writer.count
    for (const writer of this.#packed) count += writer.count
    for (const writer of this.#full) count += writer.count
    return count
  }

  /** Memory of its entries where they are frozen, about. */
  get frozenBytes(): number {
    let bytes = 0
    for (const part of this.parts) bytes += part.frozenBytes
    return bytes
  }

  get hasEncoded(): boolean {
    return this.#packed.length > 0 || this.#full.length > 0 || this.#writer.position > 0
  }

  /** Gives out what has been encoded since the last time, until `releaseBuffers`. */
  lendBuffers(): Uint8Array[] {
    this.#lent = [...this.#packed, ...this.#full, this.#writer]
    this.#packed = []
    this.#full = []
    this.#writer = new PackedEntriesWriter(0)
    return this.#lent.filter(({ position }) => position > 0).map((writer) => writer.written())
  }

  /** What was lent is written. */
  releaseBuffers(): void {
    for (const { buffer } of this.#lent) freeMemory(buffer)
    this.#lent = []
  }

  /**
   * In steps. `roomFor`, where the store packs rows: how many entries, of so many bytes each, may be packed at once. A
   * step that answers rows is to be followed by the next one when they are `done`.
   */
  *encode(roomFor?: (entryBytes: number) => number): Generator<RowsToPack | undefined> {
    for (const prefix of this.#droppedPrefixes) this.#encodeDrop(prefix)
    for (const part of this.parts) {
      while (!part.isDone) {
        const rows = roomFor === undefined ? undefined : rowsToPack(part, roomFor)
        if (rows !== undefined) this.#packed.push(...rows.writers)
        else if (part.plain !== undefined) this.#encodePlain(part, part.plain, plainEntriesPerStep)
        else this.#encodeAny(part, entriesPerStep)
        yield rows
      }
    }
  }

  #encodeAny(part: FrozenPart, entries: number): void {
    const { pending } = part
    for (let left = entries; left > 0 && !part.isDone; left--) {
      const bits = pending[part.wordsDone]!
      if (bits === 0) part.wordsDone++
      else part.encodeEarly(part.wordsDone * 32 + 31 - Math.clz32(bits & -bits))
    }
  }

  #encodePlain(part: FrozenPart, plain: PlainEntryWriter, entries: number): void {
    const { front, pending } = part
    const { f64, keyGroups, stride } = front
    for (let left = entries; left > 0 && !part.isDone; left--) {
      const word = part.wordsDone
      const bits = pending[word]!
      if (bits === 0) {
        part.wordsDone++
        continue
      }
      const bit = bits & -bits
      const entry = word * 32 + 31 - Math.clz32(bit)
      pending[word] = bits ^ bit
      if (!front.hasInt32Key(entry) || !front.isLive(entry)) {
        this.#encodeWhole(part, entry)
        continue
      }
      this.#makeRoom()
      plain.write(keyGroups[entry]!, f64[entry * stride]!, f64[entry * stride + 1]!, this.#writer)
    }
  }

  #makeRoom(): void {
    if (this.#writer.position <= packedBufferBytes) return
    this.#full.push(this.#writer)
    this.#writer = new PackedEntriesWriter(packedBufferBytes + 65_536)
  }

  encodeEntry(part: FrozenPart, entry: number): void {
    const { front, plain } = part
    if (plain === undefined || !front.hasInt32Key(entry) || !front.isLive(entry)) return this.#encodeWhole(part, entry)
    this.#makeRoom()
    const at = entry * front.stride
    plain.write(front.keyGroups[entry]!, front.f64[at]!, front.f64[at + 1]!, this.#writer)
  }

  #encodeWhole(part: FrozenPart, entry: number): void {
    const { table, front } = part
    const isLive = front.isLive(entry) && !this.#isExpired(part, entry)
    if (!isLive && !part.hasBeneath && !part.isBeingPacked) return
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
      if (kept !== front.valueOf(entry)) front.rewrite(entry, kept)
      return false
    }
    front.erase(entry)
    const counted = this.counts.get(table)
    if (counted !== undefined && counted > 0) this.counts.set(table, counted - 1)
    if (table.count > 0 && !table.isDropped && !table.isShadowed(front.keyOf(entry), front)) table.count--
    return true
  }

  #encodeDrop(prefix: Uint8Array): void {
    for (let group = this.#keyGroupRange.first; group <= this.#keyGroupRange.last; group++) {
      const { lower, upper } = rangeOfNamespace(group, prefix)
      this.#writer.deleteRange(lower, upper)
    }
  }
}
