/**
 * Decoders of blocks. `read` is generated per schema and gives a new value per call; text is decoded in chunks of
 * rows: one native call per chunk, then `substring`. A kept substring keeps its chunk alive (about 2 KiB), not the
 * whole block. Hot, one thread.
 *
 * The decoder reads memory that its user owns: a block is open until its segment is given back.
 */
import type { MemoryViews } from '../memory/memory-views.ts'
import { decoderClass } from './block-decoder-code.ts'
import { type BlockLayout, Flag, Header, layoutOf } from './block-layout.ts'
import { ByteReader } from './bytes.ts'
import { type ColumnSchema, schemaFromKey } from './column-schema.ts'
import { GenericDecoder } from './generic-codec.ts'

/** Units of text that one chunk holds, about. */
const chunkUnits = 2_048

export abstract class BlockDecoder {
  readonly layout: BlockLayout
  /** Decoders with the same shape have the same generated code. From 16; numbers below are for others. */
  readonly shape: number
  readonly views: MemoryViews
  readonly f64: Float64Array
  readonly i64: BigInt64Array
  readonly i32: Int32Array
  readonly u8: MemoryViews['u8']
  start = 0
  stride = 0
  /** Rows to read. */
  count = 0
  /** Rows of the block that are skipped. */
  firstRow = 0
  hasTimes = false
  times = 0
  slots = 0
  heapSlots = 0
  fixedEnd = 0
  heapStart = 0
  /** Rows of a chunk are those with the same `row >>> shift`; `chunk` is the one decoded, from unit `textBase` on. */
  shift = 0
  chunk = -1
  text = ''
  textBase = 0
  readonly input: ByteReader
  readonly generic: GenericDecoder = new GenericDecoder()
  #textStart = 0
  #isWide = false

  constructor(layout: BlockLayout, views: MemoryViews, shape: number) {
    this.layout = layout
    this.shape = shape
    this.views = views
    this.f64 = views.f64
    this.i64 = views.i64
    this.i32 = views.i32
    this.u8 = views.u8
    this.input = layout.heapSlots > 0 ? new ByteReader(views.u8) : new ByteReader()
  }

  abstract place(): void
  /** Generated: moves the columns' indices on by some rows. */
  protected abstract skip(rows: number): void
  /** Generated: a new value per call, owned by the caller. */
  abstract read(index: number): unknown
  /** Generated: element index of the first row in a top-level field's fixed-width column, see BlockEncoder. */
  abstract columnStart(field: number): number

  /** Reads the block at byte `start`; `firstRow` rows of it are skipped. */
  open(start: number, firstRow = 0): void {
    const header = start / 4
    const i32 = this.i32
    const rows = i32[header + Header.Rows]!
    const flags = i32[header + Header.Flags]!
    this.start = start
    this.stride = i32[header + Header.Stride]!
    this.hasTimes = (flags & Flag.EventTimes) !== 0
    this.place()
    this.count = rows - firstRow
    this.firstRow = firstRow
    if (this.layout.textSlots > 0) this.#openText(start, rows, flags)
    if (this.layout.heapSlots > 0) this.#openHeap(start)
    if (firstRow > 0) this.skip(firstRow)
  }

  /** The bytes of the whole block, where they lie. */
  blockBytes(): Uint8Array {
    return this.u8.subarray(this.start, this.start + this.i32[this.start / 4 + Header.BlockBytes]!)
  }

  timestampMs(index: number): number {
    // As a literal: V8 does not know an imported constant's value, and would box every time for it.
    return this.hasTimes === true ? this.f64[this.times + index]! : -Infinity
  }

  /** Decodes the texts of a chunk's rows. */
  protected loadChunk(chunk: number): void {
    const slots = this.layout.textSlots
    const last = Math.min((chunk + 1) << this.shift, this.count)
    const from = this.i32[this.slots + (chunk << this.shift) * slots]!
    const to = this.i32[this.slots + last * slots]!
    const at = this.#textStart
    this.text = this.#isWide ? this.u8.ucs2Slice(at + from * 2, at + to * 2) : this.u8.latin1Slice(at + from, at + to)
    this.textBase = from
    this.chunk = chunk
  }

  #openText(start: number, rows: number, flags: number): void {
    const header = start / 4
    const units = this.i32[header + Header.TextUnits]!
    this.#textStart = start + this.i32[header + Header.TextStart]!
    this.#isWide = (flags & Flag.WideText) !== 0
    this.chunk = -1
    this.shift = units <= chunkUnits ? 12 : Math.max(0, Math.min(12, 31 - Math.clz32((chunkUnits * rows) / units)))
  }

  #openHeap(start: number): void {
    const header = start / 4
    this.heapStart = start + this.i32[header + Header.HeapStart]!
    this.generic.begin()
    const definitionBytes = this.i32[header + Header.DefinitionBytes]!
    if (definitionBytes === 0) return
    const definitionsStart = start + this.i32[header + Header.DefinitionsStart]!
    this.input.seek(definitionsStart, definitionsStart + definitionBytes)
    this.generic.define(this.input)
  }
}

type DecoderClass = new (layout: BlockLayout, views: MemoryViews, shape: number) => BlockDecoder

interface CompiledDecoder {
  readonly layout: BlockLayout
  readonly decoder: DecoderClass
  readonly shape: number
}

const firstShape = 16
const compiled = new Map<string, CompiledDecoder>()

export function newBlockDecoder(schema: ColumnSchema | string, views: MemoryViews): BlockDecoder {
  const key = typeof schema === 'string' ? schema : schema.key
  let found = compiled.get(key)
  if (found === undefined) {
    const layout = layoutOf(typeof schema === 'string' ? schemaFromKey(key) : schema)
    const decoder = decoderClass(layout, BlockDecoder) as DecoderClass
    found = { layout, decoder, shape: firstShape + compiled.size }
    compiled.set(key, found)
  }
  return new found.decoder(found.layout, views, found.shape)
}
