/**
 * Layout of the files that keyed state is snapshotted into. The only file that knows it. Little-endian.
 *
 *   file    ┌ magic u32 ┬ version u16 ┬ 0 u16 ┬ schemaBytes u32 ┬ schema: JSON, utf-8 ┐ block*
 *   schema  { maxParallelism, states: StateSpec[], part? }; a block's state is an index into `states`
 *   block   ┌ blockBytes u32 ┬ op u8 ┬ keyClass u8 ┬ state u16 ┬ count u32 ┬ keyBytes u32 ┐  blockBytes: what follows it
 *           │ namespace: tag u8 (0 number, 1 text) + f64 | text                           │
 *           │ order u32   (where bit 7 of keyClass is set; from version 2 on)             │
 *           │ keyGroups u16 × count   (op Upsert and Remove)                              │
 *           │ keys, one after another: keyBytes in all                                    │
 *           └ values, one after another, each in the codec of its state (op Upsert)       ┘
 *
 * A handle's files are read in order, a file's blocks in order. Within a file every removal stands before every upsert,
 * so what is written later is what counts.
 * Order, a hint: the entries come by ascending (hash × order) mod 2^32, or nearly so.
 * Keys: Int32 i32, Float64 f64, Int64 i64, Text text (data/bytes), Other the canonical generic codec.
 */
import { MillraceError } from '../common/errors.ts'
import { ByteReader, ByteWriter } from '../data/bytes.ts'
import { keyCodecFor, type ValueCodec } from '../data/value-codec.ts'
import { type KeyClass, keyClassCount } from './key-class.ts'
import type { Namespace } from './keyed-state-backend.ts'
import type { StateSpec } from './state-spec.ts'

export const snapshotFormatVersion = 2
const magic = 0x534b524d // MRKS
const fileHeaderBytes = 12
const blockHeaderBytes = 12
/** In the byte of the key class: an order follows. */
const orderBit = 128

export const BlockOp = { Upsert: 0, Remove: 1, DropNamespace: 2 } as const
export type BlockOp = (typeof BlockOp)[keyof typeof BlockOp]

export interface SnapshotSchema {
  readonly maxParallelism: number
  readonly states: readonly StateSpec[]
  /** Name of the part (timers) whose file this is; absent in files of state. */
  readonly part?: string
}

/** What a block holds, without its entries. */
export interface BlockHead {
  readonly op: BlockOp
  readonly state: number
  readonly keyClass: KeyClass
  readonly namespace: Namespace
  /** By which the entries are ordered, see above; absent or 0: by nothing. */
  readonly order?: number
}

export const keyCodecs: readonly ValueCodec[] = (['int32', 'float64', 'int64', 'text', 'generic'] as const).map(
  (kind) => keyCodecFor({ kind }),
)

export function encodeFileHeader(schema: SnapshotSchema): Uint8Array {
  const json = Buffer.from(JSON.stringify(schema), 'utf8')
  const out = new ByteWriter(fileHeaderBytes + json.length)
  out.u32(magic)
  out.u32(snapshotFormatVersion)
  out.u32(json.length)
  out.raw(json)
  return out.take()
}

/** Bytes of the file's header, of which `length` are there; where those do not tell, how many do. */
export function fileHeaderBytesOf(bytes: Buffer, length: number): number {
  return length < fileHeaderBytes ? fileHeaderBytes : fileHeaderBytes + bytes.readUInt32LE(fileHeaderBytes - 4)
}

/** The same for a block. */
export function blockBytesOf(bytes: Buffer, length: number): number {
  return length < 4 ? 4 : 4 + bytes.readUInt32LE(0)
}

/** Where the last block that is there as a whole ends; the first one begins at `start`. */
export function blocksEnd(bytes: Uint8Array, start: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = start
  while (at + 4 <= bytes.length) {
    const end = at + 4 + view.getUint32(at, true)
    if (end > bytes.length) break
    at = end
  }
  return at
}

/** Reads the header; the reader stands at the first block afterwards. */
export function decodeFileHeader(input: ByteReader, path: string): SnapshotSchema {
  if (input.remaining < fileHeaderBytes || input.u32() !== magic) {
    throw new MillraceError('MR_CHECKPOINT_CORRUPT', `${path} is not a file of keyed state`, {
      context: { file: path },
    })
  }
  const version = input.u32()
  if (version < 1 || version > snapshotFormatVersion) {
    throw new MillraceError(
      'MR_CHECKPOINT_INCOMPATIBLE',
      `${path} has format version ${version}, this program reads versions up to ${snapshotFormatVersion}`,
      { context: { file: path } },
    )
  }
  const json = input.raw(input.u32())
  return JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8')) as SnapshotSchema
}

/** Collects the entries of one block. Reused from block to block. */
export class BlockBuilder {
  readonly head: BlockHead
  count = 0
  readonly #keys = new ByteWriter(1024)
  readonly #values = new ByteWriter(1024)
  readonly #keyGroups: number[] = []

  constructor(head: BlockHead) {
    this.head = head
  }

  get bytes(): number {
    return this.#keys.position + this.#values.position + this.count * 2
  }

  add(keyGroup: number, key: unknown, value: unknown, valueCodec: ValueCodec | undefined): void {
    keyCodecs[this.head.keyClass]!.encode(key, this.#keys)
    valueCodec?.encode(value, this.#values)
    this.finishEntry(keyGroup)
  }

  /** Where an entry is written by hand: key into `keys`, value into `values`, then `finishEntry`. */
  get keys(): ByteWriter {
    return this.#keys
  }
  get values(): ByteWriter {
    return this.#values
  }
  finishEntry(keyGroup: number): void {
    this.#keyGroups[this.count++] = keyGroup
  }

  /** The block's bytes; the builder is empty afterwards. */
  take(): Uint8Array {
    const out = new ByteWriter(this.bytes + 64)
    const block = new BlockWriter(out)
    const groupsAt = block.begin(this.head, this.count)
    for (let i = 0; i < this.count; i++) block.view.setUint16(groupsAt + 2 * i, this.#keyGroups[i]!, true)
    out.raw(this.#keys.written())
    block.endKeys()
    out.raw(this.#values.written())
    block.end()
    this.#keys.reset()
    this.#values.reset()
    this.count = 0
    return out.detach()
  }
}

function writeNamespace(namespace: Namespace, out: ByteWriter): void {
  if (typeof namespace === 'number') {
    out.u8(0)
    out.f64(namespace)
  } else {
    out.u8(1)
    out.text(namespace)
  }
}

/** Writes a block in place, part by part: `begin`, the keys, `endKeys`, the values, `end`. */
export class BlockWriter {
  readonly out: ByteWriter
  /** Of what `reserve` has made room for. */
  view: DataView
  /**
   * Of the block written last: its bytes but for its head, by its entries. Whole: where a fraction is put into an object that
   * had none V8 gives it another shape, and all code compiled around the tables was thrown away at the first checkpoint.
   */
  entryBytes = 0
  #count = 0
  #start = 0
  #keysStart = 0

  constructor(out: ByteWriter) {
    this.out = out
    this.view = viewOf(out)
  }

  /** The position of the key groups, which are to be written by `view`. */
  begin(head: BlockHead, count: number): number {
    const { out } = this
    this.#start = out.position
    this.#count = count
    writeBlockHead(head, count, 0, out)
    const groupsAt = this.reserve(2 * count)
    this.#keysStart = out.position
    return groupsAt
  }

  /** The position of so many bytes that are written by `view`. */
  reserve(bytes: number): number {
    const { out } = this
    const at = out.reserve(bytes)
    out.position = at + bytes
    if (this.view.buffer !== out.buffer.buffer) this.view = viewOf(out)
    return at
  }

  endKeys(): void {
    const keyBytes = this.out.position - this.#keysStart
    this.#view().setUint32(this.#start + keyBytesOffset, keyBytes, true)
  }

  end(): void {
    this.entryBytes = Math.ceil((this.out.position - this.#keysStart) / this.#count) + 2
    this.#view().setUint32(this.#start, this.out.position - this.#start - 4, true)
  }

  #view(): DataView {
    this.reserve(0)
    return this.view
  }
}

const keyBytesOffset = 12

function viewOf(out: ByteWriter): DataView {
  return new DataView(out.buffer.buffer, out.buffer.byteOffset)
}

function writeBlockHead(head: BlockHead, count: number, keyBytes: number, out: ByteWriter): void {
  const order = head.order ?? 0
  out.u32(0)
  out.u8(head.op)
  out.u8(order === 0 ? head.keyClass : head.keyClass | orderBit)
  out.u8(head.state & 255)
  out.u8(head.state >>> 8)
  out.u32(count)
  out.u32(keyBytes)
  writeNamespace(head.namespace, out)
  if (order !== 0) out.i32(order)
}

/** A block as it is read: key groups, and two readers that stand at the first key and the first value. */
export class BlockReader {
  op: BlockOp = BlockOp.Upsert
  state = 0
  keyClass: KeyClass = 0
  count = 0
  namespace: Namespace = 0
  order = 0
  /** Where the key groups begin. */
  groupsStart = 0
  readonly keys: ByteReader = new ByteReader()
  readonly values: ByteReader = new ByteReader()
  #bytes: Uint8Array
  #next: number

  constructor(bytes: Uint8Array, firstBlock: number) {
    this.#bytes = bytes
    this.#next = firstBlock
    this.keys.reset(bytes)
    this.values.reset(bytes)
  }

  /** Steps to the next block; false at the end of the file. */
  next(): boolean {
    if (this.#next >= this.#bytes.length) return false
    const keys = this.keys
    keys.seek(this.#next, this.#bytes.length)
    const end = keys.u32() + keys.position
    if (end > this.#bytes.length) throw new MillraceError('MR_DATA_CORRUPT', 'a block of state ends beyond its file')
    this.op = keys.u8() as BlockOp
    const keyClass = keys.u8()
    this.keyClass = (keyClass & ~orderBit) as KeyClass
    this.state = keys.u8() | (keys.u8() << 8)
    this.count = keys.u32()
    const keyBytes = keys.u32()
    if (this.keyClass >= keyClassCount) throw new MillraceError('MR_DATA_CORRUPT', `unknown key class ${this.keyClass}`)
    this.namespace = keys.u8() === 0 ? keys.f64() : keys.text()
    this.order = keyClass === this.keyClass ? 0 : keys.i32()
    this.groupsStart = keys.position
    const keysStart = this.groupsStart + this.count * 2
    this.keys.seek(keysStart, keysStart + keyBytes)
    this.values.seek(keysStart + keyBytes, end)
    this.#next = end
    return true
  }

  keyGroup(index: number): number {
    const at = this.groupsStart + index * 2
    return this.#bytes[at]! | (this.#bytes[at + 1]! << 8)
  }
}

export const blockOverheadBytes: number = blockHeaderBytes + 4
