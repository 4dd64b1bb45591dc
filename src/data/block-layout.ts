/**
 * A block: rows of one schema in columns, contiguous, 8-aligned, addressed relative to its own start, so that the same
 * bytes are valid in a segment, in a snapshot and in private memory. Little-endian.
 *
 *   header 48 bytes, u32 each:
 *     0 rows · 4 stride (rows reserved per column, multiple of 8) · 8 flags · 12 text start · 16 text units
 *     20 heap start · 24 heap bytes · 28 definitions start · 32 definition bytes · 36 block bytes · 40 … 47 zero
 *   | event times f64 × stride (flag 1) | 8-byte columns | 4-byte columns | text ends u32 | heap ends u32
 *   | 1-byte columns | text | heap | definitions |
 *
 * Text ends: one 0, then for every row the end of each of its texts, in units, counted through the whole block; heap
 * ends likewise in bytes. Text is one byte a unit, or two (flag 2). The heap holds what has no fixed width and is no
 * text; definitions are the object shapes that its generic values refer to.
 */
import type { ColumnNode, ColumnSchema, LeafNode } from './column-schema.ts'

export const headerBytes = 48

/** Index of header words, in u32. */
export const Header = {
  Rows: 0,
  Stride: 1,
  Flags: 2,
  TextStart: 3,
  TextUnits: 4,
  HeapStart: 5,
  HeapBytes: 6,
  DefinitionsStart: 7,
  DefinitionBytes: 8,
  BlockBytes: 9,
} as const

export const Flag = { EventTimes: 1, WideText: 2 } as const

/** A leaf with the place of its data: column numbers count per width, slots per kind. */
export interface PlacedLeaf {
  readonly node: LeafNode
  /** Column of absence codes among the 1-byte columns, or -1. */
  readonly absence: number
  /** 8, 4, 1: fixed-width column number `column` (decimals over 18 digits take two); 0: slot `slot` in the heap or text. */
  readonly width: 8 | 4 | 1 | 0
  readonly column: number
  readonly slot: number
}

export interface PlacedGroup {
  readonly kind: 'row' | 'tuple'
  readonly absent: number
  readonly absence: number
  readonly fields: readonly { readonly name: string; readonly node: Placed }[]
}

export type Placed = PlacedLeaf | PlacedGroup

export interface BlockLayout {
  readonly schema: ColumnSchema
  readonly root: Placed
  readonly columns8: number
  readonly columns4: number
  readonly columns1: number
  readonly textSlots: number
  readonly heapSlots: number
}

export function layoutOf(schema: ColumnSchema): BlockLayout {
  const counts = { columns8: 0, columns4: 0, columns1: 0, textSlots: 0, heapSlots: 0 }
  const place = (node: ColumnNode): Placed => {
    const absence = node.absent === 0 ? -1 : counts.columns1++
    if ('fields' in node) {
      const fields = node.fields.map((field) => ({ name: field.name, node: place(field.node) }))
      return { kind: node.kind, absent: node.absent, absence, fields }
    }
    switch (node.kind) {
      case 'float64':
      case 'date':
      case 'int64':
        return { node, absence, width: 8, column: counts.columns8++, slot: -1 }
      case 'decimal': {
        const column = counts.columns8
        counts.columns8 += node.precision! > 18 ? 2 : 1
        return { node, absence, width: 8, column, slot: -1 }
      }
      case 'int32':
        return { node, absence, width: 4, column: counts.columns4++, slot: -1 }
      case 'bool':
        return { node, absence, width: 1, column: counts.columns1++, slot: -1 }
      case 'text':
        return { node, absence, width: 0, column: -1, slot: counts.textSlots++ }
      default:
        return { node, absence, width: 0, column: -1, slot: counts.heapSlots++ }
    }
  }
  const root = place(schema.root)
  return { schema, root, ...counts }
}

/** Regions between header and text in order; a region takes `rowBytes * stride + extraBytes`. */
export function regionsOf(layout: BlockLayout, hasTimes: boolean): { rowBytes: number; extraBytes: number }[] {
  const regions = Array.from({ length: layout.columns8 + (hasTimes ? 1 : 0) }, () => ({ rowBytes: 8, extraBytes: 0 }))
  for (let i = 0; i < layout.columns4; i++) regions.push({ rowBytes: 4, extraBytes: 0 })
  if (layout.textSlots > 0) regions.push({ rowBytes: 4 * layout.textSlots, extraBytes: 8 })
  if (layout.heapSlots > 0) regions.push({ rowBytes: 4 * layout.heapSlots, extraBytes: 8 })
  for (let i = 0; i < layout.columns1; i++) regions.push({ rowBytes: 1, extraBytes: 0 })
  return regions
}

/** Bytes of a row without text and heap. */
export function fixedRowBytes(layout: BlockLayout, hasTimes: boolean): number {
  return regionsOf(layout, hasTimes).reduce((sum, region) => sum + region.rowBytes, 0)
}

/** Bytes from the block's start to its text. */
export function fixedBytes(layout: BlockLayout, stride: number, hasTimes: boolean): number {
  return regionsOf(layout, hasTimes).reduce(
    (sum, region) => sum + region.rowBytes * stride + region.extraBytes,
    headerBytes,
  )
}

/**
 * Statements that set, on `this`, the element index of every column for a block at byte `this.start` with
 * `this.stride` and `this.hasTimes`: `e0…` 8-byte, `f0…` 4-byte, `b0…` 1-byte columns, `times`, `slots`, `heapSlots`,
 * `fixedEnd` (a byte). Shared by generated encoders and decoders.
 */
export function placementCode(layout: BlockLayout): string {
  const lines = [`const s = this.stride`, `let at = this.start + ${headerBytes}`]
  lines.push('if (this.hasTimes) { this.times = at / 8; at += s * 8 }')
  for (let i = 0; i < layout.columns8; i++) lines.push(`this.e${i} = at / 8; at += s * 8`)
  for (let i = 0; i < layout.columns4; i++) lines.push(`this.f${i} = at / 4; at += s * 4`)
  if (layout.textSlots > 0) lines.push(`this.slots = at / 4; at += s * ${4 * layout.textSlots} + 8`)
  if (layout.heapSlots > 0) lines.push(`this.heapSlots = at / 4; at += s * ${4 * layout.heapSlots} + 8`)
  for (let i = 0; i < layout.columns1; i++) lines.push(`this.b${i} = at; at += s`)
  lines.push('this.fixedEnd = at')
  return lines.join('\n')
}

/** Initialisers of the fields that `placementCode` sets, for the generated constructors. */
export function placementFields(layout: BlockLayout): string {
  const names = [
    ...Array.from({ length: layout.columns8 }, (_, i) => `e${i}`),
    ...Array.from({ length: layout.columns4 }, (_, i) => `f${i}`),
    ...Array.from({ length: layout.columns1 }, (_, i) => `b${i}`),
  ]
  return names.map((name) => `this.${name} = 0`).join('\n')
}
