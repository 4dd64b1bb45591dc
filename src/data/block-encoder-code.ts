/**
 * Generates the class of a block encoder from its layout. Names from schemas appear as JSON strings only.
 *
 * In `write(v, t)`: i row · u units of text so far · s, q first text slot of the row (in memory, in `strings`) · h
 * first heap slot. A generated `return 2` is Written.Mismatch; nothing of the row counts then.
 */
import { Absence, type LeafNode } from './column-schema.ts'
import {
  type BlockLayout,
  type Placed,
  type PlacedGroup,
  type PlacedLeaf,
  placementCode,
  placementFields,
} from './block-layout.ts'
import { codeOf } from '../common/errors.ts'
import { strictCodecFor, type ValueCodec } from './value-codec.ts'

export function encoderClass(layout: BlockLayout, base: unknown): unknown {
  const context = new Context(layout)
  const body = writeBody(context)
  const make = new Function(
    'Base',
    'codecs',
    'isMismatch',
    `'use strict'
    const hasOwn = Object.hasOwn, protoOf = Object.getPrototypeOf
    const plain = Object.prototype, date = Date.prototype, bytes = Uint8Array.prototype
    ${context.codecs.map((_, i) => `const codec${i} = codecs[${i}]`).join('\n')}
    return class extends Base {
      constructor(layout, views) {
        super(layout, views)
        ${placementFields(layout)}
      }
      place() {
        ${placementCode(layout)}
      }
      columnStart(field) {
        switch (field) { ${columnStarts(layout)} }
        return -1
      }
      write(v, t) {
        ${body}
      }
    }`,
  ) as (base: unknown, codecs: readonly ValueCodec[], isMismatch: (error: unknown) => boolean) => unknown
  return make(base, context.codecs, (error) => codeOf(error) === 'MR_DATA_TYPE_MISMATCH')
}

class Context {
  readonly layout: BlockLayout
  readonly codecs: ValueCodec[] = []
  #names = 0

  constructor(layout: BlockLayout) {
    this.layout = layout
  }

  fresh(): number {
    return this.#names++
  }
}

function writeBody(context: Context): string {
  const { textSlots, heapSlots } = context.layout
  const lines = [
    'const i = this.count',
    'if (i >= this.stride) return 0',
    'if (t !== -Infinity && this.hasTimes !== true) return 3',
    'const f64 = this.f64, i64 = this.i64, i32 = this.i32, u8 = this.u8',
  ]
  if (textSlots > 0) {
    lines.push(`const q = i * ${textSlots}, s = this.slots + q + 1, strings = this.strings`, 'let u = this.textUnits')
  }
  if (heapSlots > 0) {
    lines.push(`const h = this.heapSlots + i * ${heapSlots} + 1, heap = this.heap`, 'heap.position = this.heapEnd')
  }
  lines.push(...writeNode(context, context.layout.root, 'v', undefined))
  const needs = [
    ...(textSlots > 0 ? ['u * this.unitBytes'] : []),
    ...(heapSlots > 0 ? ['heap.position + this.generic.definitionBytes'] : []),
  ]
  if (needs.length > 0) lines.push(`if (${needs.join(' + ')} > this.varLimit) return 0`)
  lines.push('if (this.hasTimes === true) f64[this.times + i] = t')
  if (textSlots > 0) lines.push('this.textUnits = u')
  if (heapSlots > 0) lines.push('this.heapEnd = heap.position')
  lines.push('this.count = i + 1', 'return 1')
  return lines.join('\n')
}

interface Parent {
  /** Variable that holds the object, JSON of the field's name, variable that counts expected keys. */
  readonly object: string
  readonly name: string
  readonly keys: string
}

function writeNode(context: Context, node: Placed, x: string, parent: Parent | undefined): string[] {
  if (node.absence < 0) {
    const isAmbiguous = parent !== undefined && !('fields' in node) && node.node.kind === 'generic'
    const check = isAmbiguous ? [`if (${x} === undefined && !hasOwn(${parent.object}, ${parent.name})) return 2`] : []
    return [...check, ...writePresent(context, node, x)]
  }
  const absent = 'fields' in node ? node.absent : node.node.absent
  const a = `a${context.fresh()}`
  const isGeneric = !('fields' in node) && node.node.kind === 'generic'
  const lines = [`let ${a} = 0`]
  if (!isGeneric) lines.push(`if (${x} === null) ${(absent & Absence.Null) !== 0 ? `${a} = 1` : 'return 2'}`)
  lines.push(`${isGeneric ? '' : 'else '}if (${x} === undefined) {`)
  if (parent !== undefined && (absent & Absence.Missing) !== 0) {
    lines.push(`if (!hasOwn(${parent.object}, ${parent.name})) { ${a} = 3; ${parent.keys}-- }`)
    if (!isGeneric) lines.push(`else ${(absent & Absence.Undefined) !== 0 ? `${a} = 2` : 'return 2'}`)
  } else if ((absent & Absence.Undefined) !== 0) {
    lines.push(parent === undefined ? '' : `if (!hasOwn(${parent.object}, ${parent.name})) return 2`, `${a} = 2`)
  } else lines.push('return 2')
  lines.push('}', `u8[this.b${node.absence} + i] = ${a}`)
  lines.push(`if (${a} === 0) {`, ...writePresent(context, node, x), '}')
  const blanks = writeBlank(node)
  if (blanks.length > 0) lines.push('else {', ...blanks, '}')
  return lines
}

function writePresent(context: Context, node: Placed, x: string): string[] {
  if ('fields' in node) return node.kind === 'row' ? writeRow(context, node, x) : writeTuple(context, node, x)
  return writeLeaf(context, node, x)
}

/**
 * The prototype is looked at after the fields: V8 knows the object's hidden class by then, so the look becomes a constant.
 * Before them it was a call into the runtime, 15 ns a record.
 */
function writeRow(context: Context, group: PlacedGroup, x: string): string[] {
  const keys = `n${context.fresh()}`
  const lines = [`if (typeof ${x} !== 'object' || ${x} === null) return 2`, `let ${keys} = ${group.fields.length}`]
  const values = group.fields.map((field) => {
    const value = `x${context.fresh()}`
    lines.push(`const ${value} = ${x}[${JSON.stringify(field.name)}]`)
    return value
  })
  lines.push(`if (protoOf(${x}) !== plain) return 2`)
  group.fields.forEach((field, i) => {
    lines.push(...writeNode(context, field.node, values[i]!, { object: x, name: JSON.stringify(field.name), keys }))
  })
  if (context.layout.schema.isProjection !== true) {
    lines.push(`for (const _ in ${x}) ${keys}--`, `if (${keys} !== 0) return 2`)
  }
  return lines
}

function writeTuple(context: Context, group: PlacedGroup, x: string): string[] {
  const lines = [`if (!Array.isArray(${x}) || ${x}.length !== ${group.fields.length}) return 2`]
  group.fields.forEach((field, i) => {
    const variable = `x${context.fresh()}`
    lines.push(`const ${variable} = ${x}[${i}]`, `if (${variable} === undefined && !hasOwn(${x}, ${i})) return 2`)
    lines.push(...writeNode(context, field.node, variable, undefined))
  })
  return lines
}

function writeLeaf(context: Context, leaf: PlacedLeaf, x: string): string[] {
  const { column, slot, node } = leaf
  switch (node.kind) {
    case 'float64':
      return [`if (typeof ${x} !== 'number') return 2`, `f64[this.e${column} + i] = ${x}`]
    case 'int32':
      return [
        `if (typeof ${x} !== 'number' || (${x} | 0) !== ${x} || (${x} === 0 && 1 / ${x} < 0)) return 2`,
        `i32[this.f${column} + i] = ${x}`,
      ]
    case 'int64':
      return [
        `if (typeof ${x} !== 'bigint' || BigInt.asIntN(64, ${x}) !== ${x}) return 2`,
        `i64[this.e${column} + i] = ${x}`,
      ]
    case 'bool':
      return [`if (typeof ${x} !== 'boolean') return 2`, `u8[this.b${column} + i] = ${x} ? 1 : 0`]
    case 'date':
      return [
        `if (typeof ${x} !== 'object' || ${x} === null || protoOf(${x}) !== date) return 2`,
        `f64[this.e${column} + i] = ${x}.getTime()`,
      ]
    case 'decimal':
      return writeDecimal(node, x, column)
    case 'text':
      return [
        `if (typeof ${x} !== 'string') return 2`,
        `strings[q + ${slot}] = ${x}; u += ${x}.length; i32[s + ${slot}] = u`,
      ]
    case 'bytes':
      return [
        `if (typeof ${x} !== 'object' || ${x} === null || protoOf(${x}) !== bytes) return 2`,
        `heap.raw(${x}); i32[h + ${slot}] = heap.position`,
      ]
    case 'list': {
      const codec = context.codecs.push(strictCodecFor(node.type!)) - 1
      return [
        `try { codec${codec}.encode(${x}, heap) } catch (error) { if (isMismatch(error)) return 2; throw error }`,
        `i32[h + ${slot}] = heap.position`,
      ]
    }
    case 'generic':
      return [`this.generic.encode(${x}, heap)`, `i32[h + ${slot}] = heap.position`]
  }
}

function writeDecimal(node: LeafNode, x: string, column: number): string[] {
  const limit = `${10n ** BigInt(node.precision!)}n`
  const lines = [
    `if (typeof ${x} !== 'bigint' || ${x} >= ${limit} || ${x} <= -${limit}) return 2`,
    `i64[this.e${column} + i] = ${x}`,
  ]
  if (node.precision! > 18) lines.push(`i64[this.e${column + 1} + i] = ${x} >> 64n`)
  return lines
}

/** An absent value still ends its texts and heap entries where they began. */
function writeBlank(node: Placed): string[] {
  if ('fields' in node) return node.fields.flatMap((field) => writeBlank(field.node))
  if (node.slot < 0) return []
  if (node.node.kind === 'text') return [`strings[q + ${node.slot}] = ''; i32[s + ${node.slot}] = u`]
  return [`i32[h + ${node.slot}] = heap.position`]
}

/** Cases `field: element index` for the fixed-width columns of the root's fields. */
export function columnStarts(layout: BlockLayout): string {
  const fields = 'fields' in layout.root ? layout.root.fields.map((field) => field.node) : [layout.root]
  const prefix = { 8: 'e', 4: 'f', 1: 'b' } as const
  return fields
    .map((node, i) =>
      'fields' in node || node.width === 0 ? '' : `case ${i}: return this.${prefix[node.width]}${node.column}`,
    )
    .join('\n')
}
