/**
 * Encoders of blocks. `write` is generated per schema: it checks a value's shape and writes fixed-width columns in
 * place; texts are staged, joined and written once when the block is sealed. Hot, one thread.
 *
 * Invariants
 * 1. A row counts only once `write` has returned Wrote; whatever it did before a refusal is overwritten by the next.
 * 2. What a row will need in text and heap is within `varLimit` bytes, unless its text turns out wide at sealing.
 * 3. A value is accepted only where reading it back gives the same value (see schema-sampler.ts): same keys, absences
 *    told apart, prototypes plain.
 */
import { MillraceError } from '../common/errors.ts'
import { batchRecordsMax } from '../common/limits.ts'
import { alignUp, type MemoryViews, privateViews } from '../memory/memory-views.ts'
import { encoderClass } from './block-encoder-code.ts'
import {
  type BlockLayout,
  fixedBytes,
  fixedRowBytes,
  Flag,
  Header,
  headerBytes,
  layoutOf,
  regionsOf,
} from './block-layout.ts'
import { ByteWriter } from './bytes.ts'
import type { ColumnSchema } from './column-schema.ts'
import { GenericEncoder } from './generic-codec.ts'

/** Answers of `write`. */
export const Written = {
  /** The row does not fit any more (or there is no block). */
  Full: 0,
  Wrote: 1,
  /** The value does not have the schema's shape. */
  Mismatch: 2,
  /** The value has an event time and the block no column for it. */
  NeedsTimes: 3,
} as const
export type Written = (typeof Written)[keyof typeof Written]

/** Anything that takes records one by one. */
export interface RecordSink {
  /** Rows that it holds, and how many it has room for. */
  readonly count: number
  readonly stride: number
  /** A `Written`; a plain number so that generated code inlines well. */
  write(value: unknown, timestampMs: number): number
}

export abstract class BlockEncoder implements RecordSink {
  readonly layout: BlockLayout
  f64: Float64Array
  i64: BigInt64Array
  i32: Int32Array
  u8: MemoryViews['u8']
  /** Byte of the block's start, rows reserved, rows written. */
  start = 0
  stride = 0
  count = 0
  hasTimes = false
  times = 0
  slots = 0
  heapSlots = 0
  fixedEnd = 0
  /** Committed units of text and bytes of heap; bytes allowed for both; bytes a unit of text is charged with. */
  textUnits = 0
  heapEnd = 0
  varLimit = 0
  unitBytes = 1
  readonly strings: string[] = []
  readonly heap: ByteWriter
  readonly generic: GenericEncoder = new GenericEncoder({ isApart: true })
  #varBytesPerRow: number
  #fixedRowBytes: readonly [number, number]

  constructor(layout: BlockLayout, views: MemoryViews) {
    this.layout = layout
    this.f64 = views.f64
    this.i64 = views.i64
    this.i32 = views.i32
    this.u8 = views.u8
    this.heap = new ByteWriter(layout.heapSlots > 0 ? 4096 : 8)
    this.#varBytesPerRow = layout.textSlots * 16 + layout.heapSlots * 32
    this.#fixedRowBytes = [fixedRowBytes(layout, false), fixedRowBytes(layout, true)]
  }

  /** Generated: sets the columns' indices from start, stride and hasTimes. */
  abstract place(): void
  /** Generated. */
  abstract write(value: unknown, timestampMs: number): number
  /** Generated: element index of a top-level field's fixed-width column (field 0: the root's own). */
  abstract columnStart(field: number): number

  /** Rows that a block of `availableBytes` should reserve, a multiple of 8; 0 where not even 8 fit. */
  rowsFor(availableBytes: number, hasTimes: boolean): number {
    const { textSlots, heapSlots } = this.layout
    const overhead = headerBytes + (textSlots > 0 ? 8 : 0) + (heapSlots > 0 ? 8 : 0)
    const fixed = this.#fixedRowBytes[hasTimes ? 1 : 0]!
    const rows = Math.min((availableBytes - overhead) / (fixed + this.#varBytesPerRow + 1e-9), batchRecordsMax) & ~7
    if (rows >= 8) return rows
    return overhead + fixed * 8 <= availableBytes * 0.75 ? 8 : 0
  }

  /** Begins a block at byte `start` of the views given to the constructor. */
  open(start: number, availableBytes: number, rows: number, hasTimes: boolean): void {
    this.start = start
    this.stride = rows
    this.hasTimes = hasTimes
    this.count = 0
    this.place()
    this.varLimit = start + availableBytes - this.fixedEnd
    this.textUnits = 0
    this.heapEnd = 0
    const { textSlots, heapSlots } = this.layout
    if (textSlots > 0) {
      this.i32[this.slots] = 0
      const texts = rows * textSlots
      while (this.strings.length < texts) this.strings.push('')
    }
    if (heapSlots > 0) {
      this.i32[this.heapSlots] = 0
      this.heap.reset()
      this.generic.begin()
    }
  }

  /** Takes no row any more until `open`. */
  close(): void {
    this.stride = 0
    this.count = 0
  }

  /** Begins a block in private memory of its own, without a limit; `sealToBytes` ends it. */
  openPrivate(rows: number, hasTimes: boolean): void {
    const stride = alignUp(Math.max(rows, 1), 8)
    const bytes = fixedBytes(this.layout, stride, hasTimes)
    const views = privateViews(bytes)
    this.f64 = views.f64
    this.i64 = views.i64
    this.i32 = views.i32
    this.u8 = views.u8
    this.open(0, bytes, stride, hasTimes)
    this.varLimit = Infinity
  }

  /**
   * Ends the block and returns its bytes, a multiple of 8; -1 where its text turned out wide and does not fit: then
   * call sealToBytes. Reserved rows that stayed empty are squeezed out where they are many.
   */
  seal(): number {
    const text = this.#joinedText()
    if (this.count * 2 < this.stride) this.#squeeze()
    const definitionBytes = this.layout.heapSlots > 0 ? this.generic.definitionBytes : 0
    const spaceBytes = this.varLimit - this.heapEnd - definitionBytes
    const textBytes = writeText(text, this.u8, this.fixedEnd, spaceBytes)
    if (textBytes < 0) {
      this.unitBytes = 2
      return -1
    }
    this.unitBytes = textBytes > text.length ? 2 : 1
    if (this.count > 0) this.#varBytesPerRow = ((textBytes + this.heapEnd + definitionBytes) / this.count) * 1.02
    return this.#finish(text.length, textBytes, this.u8, this.i32, this.start)
  }

  /** Ends the block as private bytes of its own, whatever their number. */
  sealToBytes(): Uint8Array {
    const text = this.#joinedText()
    const fixed = this.fixedEnd - this.start
    const definitionBytes = this.layout.heapSlots > 0 ? this.generic.definitionBytes : 0
    const views = privateViews(fixed + text.length * 2 + this.heapEnd + definitionBytes + 16)
    views.u8.set(this.u8.subarray(this.start, this.fixedEnd))
    const textBytes = writeText(text, views.u8, fixed, Infinity)
    const bytes = this.#finish(text.length, textBytes, views.u8, views.i32, 0)
    return new Uint8Array(views.u8.buffer, 0, bytes)
  }

  #joinedText(): string {
    const texts = this.count * this.layout.textSlots
    return texts === 0 ? '' : this.strings.slice(0, texts).join('')
  }

  /** Moves the columns together, so that they reserve just the rows written. */
  #squeeze(): void {
    const stride = alignUp(this.count, 8)
    let from = this.start + headerBytes
    let to = from
    for (const { rowBytes, extraBytes } of regionsOf(this.layout, this.hasTimes)) {
      const used = rowBytes * stride + extraBytes
      this.u8.copyWithin(to, from, from + used)
      from += rowBytes * this.stride + extraBytes
      to += used
    }
    this.stride = stride
    this.varLimit += this.fixedEnd - to
    this.fixedEnd = to
  }

  /** Writes heap, definitions and header around columns and text, which are at `start` already. */
  #finish(units: number, textBytes: number, u8: MemoryViews['u8'], i32: Int32Array, start: number): number {
    const textStart = start + (this.fixedEnd - this.start)
    const heapStart = textStart + textBytes
    let at = heapStart
    let definitionBytes = 0
    if (this.layout.heapSlots > 0) {
      u8.set(this.heap.buffer.subarray(0, this.heapEnd), at)
      at += this.heapEnd
      this.heap.position = this.heapEnd
      this.generic.writeDefinitions(this.heap)
      definitionBytes = this.heap.position - this.heapEnd
      u8.set(this.heap.buffer.subarray(this.heapEnd, this.heap.position), at)
      at += definitionBytes
    }
    const bytes = alignUp(at - start, 8)
    const header = start / 4
    i32[header + Header.Rows] = this.count
    i32[header + Header.Stride] = this.stride
    i32[header + Header.Flags] = (this.hasTimes ? Flag.EventTimes : 0) | (textBytes > units ? Flag.WideText : 0)
    i32[header + Header.TextStart] = textStart - start
    i32[header + Header.TextUnits] = units
    i32[header + Header.HeapStart] = heapStart - start
    i32[header + Header.HeapBytes] = this.heapEnd
    i32[header + Header.DefinitionsStart] = heapStart - start + this.heapEnd
    i32[header + Header.DefinitionBytes] = definitionBytes
    i32[header + Header.BlockBytes] = bytes
    return bytes
  }
}

type EncoderClass = new (layout: BlockLayout, views: MemoryViews) => BlockEncoder

interface CompiledEncoder {
  readonly layout: BlockLayout
  readonly encoder: EncoderClass
}

/** Generated classes by schema, per thread. Bounded: schemas come from plans, or few from inference. */
const compiled = new Map<string, CompiledEncoder>()

export function newBlockEncoder(schema: ColumnSchema, views: MemoryViews): BlockEncoder {
  const id = schema.isProjection === true ? `projection ${schema.key}` : schema.key
  let found = compiled.get(id)
  if (found === undefined) {
    const layout = layoutOf(schema)
    found = { layout, encoder: encoderClass(layout, BlockEncoder) as EncoderClass }
    compiled.set(id, found)
  }
  return new found.encoder(found.layout, views)
}

/**
 * Writes text as one byte a unit where it can be, else as two; returns the bytes, -1 where they exceed `spaceBytes`.
 * ASCII is told by writing it: its UTF-8 form has as many bytes as the text has units, any other text's has more (also
 * when cut off after four bytes more than units, since at most three bytes of a character can be cut).
 */
function writeText(text: string, u8: MemoryViews['u8'], at: number, spaceBytes: number): number {
  const units = text.length
  if (units === 0) return 0
  if (units > spaceBytes) return -1
  const isAscii =
    spaceBytes >= units + 4
      ? u8.utf8Write(text, at, units + 4) === units
      : Buffer.byteLength(text, 'utf8') === units && u8.latin1Write(text, at) === units
  if (isAscii) return units
  if (/^[\0-\xff]*$/.test(text)) return u8.latin1Write(text, at)
  return units * 2 <= spaceBytes ? u8.ucs2Write(text, at) : -1
}

/** For writers that must fail where a fresh block cannot take a row that it was made for. */
export function doesNotFit(): MillraceError {
  return new MillraceError('MR_INTERNAL', 'a block without a limit refused a row')
}
