/**
 * Generates the class of a block decoder from its layout. Names from schemas appear as JSON strings only.
 *
 * In `read(i)`: c decoded text of the row's chunk · p0, p1 … ends of the row's texts within it (p0: start of the first)
 * · h first heap slot. Leaves become expressions inside literals; what may be missing becomes statements.
 */
import { Absence } from './column-schema.ts'
import {
  type BlockLayout,
  type Placed,
  type PlacedGroup,
  type PlacedLeaf,
  placementCode,
  placementFields,
} from './block-layout.ts'
import { columnStarts } from './block-encoder-code.ts'
import { generate } from '../common/generated-code.ts'
import { strictCodecFor, type ValueCodec } from './value-codec.ts'

export function decoderClass(layout: BlockLayout, base: unknown): unknown {
  const context = new Context()
  const body = readBody(context, layout)
  const make = new Function(
    'Base',
    'codecs',
    'variantOf',
    `'use strict'
    ${helpers(context)}
    const variants = []
    return class extends Base {
      constructor(layout, views, shape) {
        super(layout, views, shape)
        ${placementFields(layout)}
      }
      place() {
        ${placementCode(layout)}
      }
      skip(rows) {
        ${skipCode(layout)}
      }
      columnStart(field) {
        switch (field) { ${columnStarts(layout)} }
        return -1
      }
      read(i) {
        ${body}
      }
    }`,
  ) as (base: unknown, codecs: readonly ValueCodec[], variantOf: (mask: number) => unknown) => unknown
  return make(base, context.codecs, (mask) => variantReader(layout, mask))
}

/**
 * Rows of which fields may be missing, as where a stream carries records of several kinds, are read by code of their own
 * for each set of fields: a literal has its fields within the object, and the shape that the sender's literal had. Fields
 * added one by one lie in an array beside it, grown twice, and every later read of them goes through that.
 */
function readBody(context: Context, layout: BlockLayout): string {
  const missable = missableFields(layout)
  if (missable.length === 0) return readWhole(context, layout, layout.root)
  const bits = missable.map((field, bit) => `(u8[this.b${field.node.absence} + i] === 3 ? ${1 << bit} : 0)`)
  return `const u8 = this.u8
        const mask = ${bits.join(' | ')}
        return (variants[mask] ??= variantOf(mask)).call(this, i)`
}

/** Reads rows of which just the fields in `mask` are missing. */
function variantReader(layout: BlockLayout, mask: number): unknown {
  const root = layout.root as PlacedGroup
  const missing = new Set(missableFields(layout).filter((_, bit) => ((mask >>> bit) & 1) !== 0))
  const fields = root.fields
    .filter((field) => !missing.has(field))
    .map(({ name, node }) => ({ name, node: found(node) }))
  const context = new Context()
  const body = readWhole(context, layout, { ...root, fields })
  return generate(
    { codecs: context.codecs },
    `(() => {
    ${helpers(context)}
    return function (i) {
      ${body}
    }
  })()`,
  )
}

const missableFieldsMax = 10

/** Fields of the row that may be missing; none where there are too many sets of them. */
function missableFields({ root }: BlockLayout): PlacedGroup['fields'] {
  if (!('fields' in root) || root.kind !== 'row' || root.absence >= 0) return []
  const missable = root.fields.filter((field) => isOptional(field.node))
  return missable.length > missableFieldsMax ? [] : missable
}

/** The node as it is where it is not missing. */
function found(node: Placed): Placed {
  if ('fields' in node) return { ...node, absent: node.absent & ~Absence.Missing }
  return { ...node, node: { ...node.node, absent: node.node.absent & ~Absence.Missing } }
}

function readWhole(context: Context, layout: BlockLayout, root: Placed): string {
  const value = readNode(context, root)
  return [readPrelude(layout), ...context.statements, `return ${value}`].join('\n')
}

function helpers(context: Context): string {
  return `
    // A whole number becomes a small integer again: fields that hold both kinds of numbers give every object a hidden
    // class that is out of date, and a box for each number. Minus zero stays what it is.
    const whole = (x) => { const n = x | 0; return n === x && (n !== 0 || 1 / x > 0) ? n : x }
    ${context.codecs.map((_, i) => `const codec${i} = codecs[${i}]`).join('\n')}`
}

class Context {
  readonly codecs: ValueCodec[] = []
  statements: string[] = []
  #names = 0

  fresh(): number {
    return this.#names++
  }
}

function readPrelude(layout: BlockLayout): string {
  const lines = ['const f64 = this.f64, i64 = this.i64, i32 = this.i32, u8 = this.u8']
  if (layout.textSlots > 0) {
    lines.push('const k = i >>> this.shift', 'if (k !== this.chunk) this.loadChunk(k)')
    lines.push(`const s = this.slots + i * ${layout.textSlots}, c = this.text, o = this.textBase`)
    for (let i = 0; i <= layout.textSlots; i++) lines.push(`const p${i} = i32[s + ${i}] - o`)
  }
  if (layout.heapSlots > 0) {
    lines.push(`const h = this.heapSlots + i * ${layout.heapSlots}, input = this.input, g = this.heapStart`)
  }
  return lines.join('\n')
}

/** An expression for the node's value; statements it needs first are added to the context. */
function readNode(context: Context, node: Placed): string {
  if (node.absence < 0) return readPresent(context, node)
  const absent = 'fields' in node ? node.absent : node.node.absent
  const code = `u8[this.b${node.absence} + i]`
  const outer = context.statements
  context.statements = []
  const value = readPresent(context, node)
  const inner = context.statements
  context.statements = outer
  const otherwise =
    (absent & Absence.Null) === 0
      ? 'undefined'
      : (absent & ~Absence.Null) === 0
        ? 'null'
        : `(${code} === 1 ? null : undefined)`
  if (inner.length === 0) return `(${code} === 0 ? ${value} : ${otherwise})`
  const variable = `v${context.fresh()}`
  outer.push(`let ${variable} = ${otherwise}`, `if (${code} === 0) {`, ...inner, `${variable} = ${value}`, '}')
  return variable
}

function readPresent(context: Context, node: Placed): string {
  if (!('fields' in node)) return readLeaf(context, node)
  if (node.kind === 'tuple') return `[${node.fields.map((field) => readNode(context, field.node)).join(', ')}]`
  return readRow(context, node)
}

function readRow(context: Context, group: PlacedGroup): string {
  const firstOptional = group.fields.findIndex((field) => isOptional(field.node))
  const literalFields = firstOptional < 0 ? group.fields : group.fields.slice(0, firstOptional)
  const properties = literalFields.map((field) => `${JSON.stringify(field.name)}: ${readNode(context, field.node)}`)
  const literal = `{ ${properties.join(', ')} }`
  if (firstOptional < 0) return literal
  const object = `o${context.fresh()}`
  context.statements.push(`const ${object} = ${literal}`)
  for (const field of group.fields.slice(firstOptional)) {
    const outer = context.statements
    context.statements = []
    const value = readNode(context, field.node)
    const inner = context.statements
    context.statements = outer
    const set = `${object}[${JSON.stringify(field.name)}] = ${value}`
    if (!isOptional(field.node)) outer.push(...inner, set)
    else outer.push(`if (u8[this.b${field.node.absence} + i] !== 3) {`, ...inner, set, '}')
  }
  return object
}

function isOptional(node: Placed): boolean {
  return (('fields' in node ? node.absent : node.node.absent) & Absence.Missing) !== 0
}

function readLeaf(context: Context, leaf: PlacedLeaf): string {
  const { column, slot, node } = leaf
  switch (node.kind) {
    case 'float64':
      return `whole(f64[this.e${column} + i])`
    case 'date':
      return `new Date(f64[this.e${column} + i])`
    case 'int32':
      return `i32[this.f${column} + i]`
    case 'int64':
      return `i64[this.e${column} + i]`
    case 'bool':
      return `u8[this.b${column} + i] === 1`
    case 'decimal': {
      const low = `i64[this.e${column} + i]`
      return node.precision! > 18 ? `((i64[this.e${column + 1} + i] << 64n) | BigInt.asUintN(64, ${low}))` : low
    }
    case 'text':
      return `c.substring(p${slot}, p${slot + 1})`
    default:
      return readHeap(context, leaf, slot)
  }
}

function readHeap(context: Context, leaf: PlacedLeaf, slot: number): string {
  const seek = `input.seek(g + i32[h + ${slot}], g + i32[h + ${slot + 1}])`
  if (leaf.node.kind === 'bytes') return `(${seek}, input.raw(input.remaining))`
  if (leaf.node.kind === 'generic') return `(${seek}, this.generic.decode(input))`
  const codec = context.codecs.push(strictCodecFor(leaf.node.type!)) - 1
  return `(${seek}, codec${codec}.decode(input))`
}

function skipCode(layout: BlockLayout): string {
  const lines = ['if (this.hasTimes) this.times += rows']
  for (let i = 0; i < layout.columns8; i++) lines.push(`this.e${i} += rows`)
  for (let i = 0; i < layout.columns4; i++) lines.push(`this.f${i} += rows`)
  for (let i = 0; i < layout.columns1; i++) lines.push(`this.b${i} += rows`)
  lines.push(`this.slots += rows * ${layout.textSlots}`, `this.heapSlots += rows * ${layout.heapSlots}`)
  return lines.join('\n')
}
