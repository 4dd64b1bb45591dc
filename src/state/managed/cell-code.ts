/**
 * Code of a managed cell per value type: strides and offsets are constants, fields are read and written in place, and
 * each type has call sites of its own, so that all of it is inlined. Made from types only; names are escaped.
 */
import { MillraceError } from '../../common/errors.ts'
import { generate } from '../../common/generated-code.ts'
import { mix32 } from '../../data/key-groups.ts'
import { KeyClass } from '../key-class.ts'
import { printType } from '../state-spec.ts'
import { keyAt } from './key-words.ts'
import { Mode } from './tracking.ts'
import type { DataType } from '../../data/types.ts'
import type { RecordField, RecordLayout } from './record-layout.ts'
import { blockShift } from './stamps.ts'

/**
 * Generated code is kept short: all of a read-modify-write is to fit into what V8 inlines into the user's function (calls
 * of Math.imul, which are the same instruction as products that are cut to 32 bits, would be 20 bytes longer each). Most
 * changes are to entries that have changed in the same period already: those are told by the stamp beside the key. `mark`,
 * called for the others, has code that never runs, so that it is longer than what V8 inlines: it took the place of `seek`
 * (q11 with checkpoints: a fifth).
 */
const marked = ({ strideWords }: RecordLayout): string =>
  `if (p.i32[(e * ${strideWords} + 1) | 0] <= p.unnoted) this.mark(p, e)`

type Constructor = new (...args: never[]) => object

/**
 * A subclass of `Base` with `get`, `set`, `value`, `update`, `seek`, `mark`, `readAt`, `writeAt` and `check` for the type; one
 * for each state, so that V8 compiles it for the keys and values of that state alone.
 */
export function specialisedCell<C extends Constructor>(Base: C, type: DataType, layout: RecordLayout): C {
  const Cursor = generate({ keyAt }, cursorSource(layout))
  return generate<C>({ Base, Cursor, mix32, refuse: (value: unknown) => refuse(type, value) }, cellSource(layout))
}

function refuse(type: DataType, value: unknown): never {
  let found: string = typeof value
  try {
    found = `${typeof value} ${typeof value === 'bigint' ? `${value}n` : (JSON.stringify(value) ?? '')}`.slice(0, 200)
  } catch {}
  throw new MillraceError('MR_DATA_TYPE_MISMATCH', `expected ${printType(type)}, got ${found}`)
}

function cellSource(layout: RecordLayout): string {
  const stride = layout.strideWords
  const isObject = layout.fields === undefined
  const isSimple = !isObject && !layout.isRow
  // An object may be changed by whoever gets it, so a snapshot under way has to have it before.
  const found = `this.partition = p; this.entry = e; ${isObject ? 'if (p.mode === 2) this.preserve(p, e);' : ''} return`
  return `class extends Base {
  get() {
    if (this.seenVersion !== this.context.version) this.seek()
    const e = this.entry
    if (e < 0) return undefined
    const p = this.partition
    return ${readOf(layout)}
  }
  value() {
    if (this.seenVersion !== this.context.version) this.seek()
    const e = this.entry
    if (e < 0) return undefined
    const p = this.partition
    return ${readOf(layout)}
  }
  update(value) {
    ${isSimple ? `if (${misfit(layout.fields[0], 'value')}) { this.updateOther(value); return }` : 'if (value === undefined) { this.clear(); return }'}
    if (this.seenVersion !== this.context.version) this.seek()
    const e = this.entry
    if (e < 0) { this.insert(value); return }
    const p = this.partition
    ${isSimple ? '' : checkOf(layout, 'value')}
    ${marked(layout)}
    ${writeOf(layout)}
  }
  set(value) {
    if (this.seenVersion !== this.context.version) this.seek()
    const e = this.entry
    if (e < 0) { this.insert(value); return }
    const p = this.partition
    ${checkOf(layout, 'value')}
    ${marked(layout)}
    ${writeOf(layout)}
  }
  seek() {
    const context = this.context
    if (context.namespace !== this.seenNamespace) this.turnToNamespace()
    this.seenVersion = context.version
    const key = context.key
    if (typeof key !== 'number' || (key | 0) !== key) { this.seekOther(key); return }
    const int = key | 0
    const table = this.int32
    if (table === undefined) { this.missedAll(); return }
    const hash = mix32(int)
    const p = table.directory[(hash >>> 1) >>> table.shift]
    const i32 = p.i32
    const x = Math.imul(hash, p.multiplier)
    let e = ((x >>> p.shiftA) + ((x >>> p.shiftB) & p.maskB)) | 0
    for (let base = (e * ${stride}) | 0; ; base = (base + ${stride}) | 0) {
      const held = i32[base]
      // The key 0 is a place in use, too.
      if (held === 0 && i32[base + 1] === 0) { this.missed(p, e, hash); return }
      if (held === int) { ${found} }
      e = (e + 1) | 0
    }
  }
  touchKeys(keys, count) {
    const table = this.int32
    if (table === undefined) return 0
    const { directory, shift } = table
    const { touchedPartitions, touchedWords } = this
    let found = 0
    for (let i = 0; i < count; i++) {
      const key = keys[i]
      const int = key | 0
      if (int !== key) continue
      const hash = mix32(int)
      const p = directory[(hash >>> 1) >>> shift]
      const x = Math.imul(hash, p.multiplier)
      touchedWords[found] = Math.imul((x >>> p.shiftA) + ((x >>> p.shiftB) & p.maskB), ${stride})
      touchedPartitions[found++] = p
    }
    // A loop of its own, and short, so that the processor has many of these loads under way.
    let seen = 0
    for (let i = 0; i < found; i++) {
      const { i32 } = touchedPartitions[i]
      const word = touchedWords[i]
      seen ^= i32[word]
    }
    return seen
  }
  mark(p, e) {
    if (e < 0) { ${'this.missedAt = 0; '.repeat(80)}}
    if (p.mode !== ${Mode.Stamped}) { this.markOther(p, e); return }
    const { i32, stamp } = p
    const at = (e * ${stride} + 1) | 0
    i32[at] = stamp | (i32[at] & 1)
    p.blocks[e >>> ${blockShift}] = stamp
  }
  ${insertOf(layout)}
  ${layout.isRow && !isObject ? columnsOf(layout) : ''}
  cursorOver(partitions) { return new Cursor(this, partitions) }
  readAt(p, e) {
    return ${readOf(layout)}
  }
  writeAt(p, e, value) {
    ${writeOf(layout)}
  }
  check(value) {
    ${checkOf(layout, 'value')}
  }
}`
}

/** A row's fields one by one: see `RowColumns`. Reading one takes less than the 27 bytes that V8 inlines anyhow. */
function columnsOf(layout: RecordLayout): string {
  const access = layout.fields!.map(
    (field, i) => `
  field${i}() {
    return ${readField(field, layout, 'this.partition', 'this.entry')}
  }
  setField${i}(value) {
    const p = this.partition, e = this.entry
    if (${misfit(field, 'value')}) refuse(value)
    ${placeOf(field, layout)} = ${stored(field, 'value')}
  }`,
  )
  return `hasRow() {
    if (this.seenVersion !== this.context.version) this.seek()
    return this.entry >= 0
  }
  changeRow() {
    const p = this.partition, e = this.entry
    ${marked(layout)}
  }${access.join('')}`
}

/** Walks over all entries of a namespace. */
function cursorSource(layout: RecordLayout): string {
  const { fields, isRow, strideWords: stride } = layout
  const first =
    fields !== undefined && !isRow && fields[0]!.kind !== 'int64' && fields[0]!.kind !== 'bool' ? '0' : 'undefined'
  return `class {
  // A field that holds numbers from the start is kept without an object for each.
  key = undefined
  accumulator = ${first}
  constructor(cell, partitions) {
    this.cell = cell
    this.partitions = partitions
    this.keyClass = 0
    this.partition = undefined
    this.entry = 0
  }
  next() {
    for (;;) {
      const p = this.partition
      if (p !== undefined) {
        const { i32, places } = p
        for (let e = this.entry, base = e * ${stride}; e < places; e++, base += ${stride}) {
          const low = i32[base]
          if (low === 0 && i32[base + 1] === 0) continue
          this.entry = e + 1
          ${fields === undefined ? 'if (p.mode === 2) this.cell.preserve(p, e)' : ''}
          this.key = this.keyClass === ${KeyClass.Int32} ? low : keyAt(this.keyClass, p, base)
          this.accumulator = ${readOf(layout)}
          return true
        }
      }
      const step = this.partitions?.next()
      if (step === undefined || step.done === true) return false
      this.keyClass = step.value[0].keyClass
      this.partition = step.value[1]
      this.entry = 0
    }
  }
}`
}

/**
 * A new entry where `seek` has just missed it, as long as neither growing nor splitting is due and the key belongs here;
 * all else is `insertAnyhow`. What never runs makes it longer than what V8 inlines (460 bytes of bytecode): within `update`
 * it would make that too long for the user's function, where it is worth most (bench/auctions, kcount: 6 %).
 */
function insertOf(layout: RecordLayout): string {
  const isObject = layout.fields === undefined
  return `insert(value) {
    const p = this.missedIn
    const e = this.missedAt
    const hash = this.missedHash
    const context = this.context
    const range = context.keyGroupRange
    const keyGroups = context.maxParallelism
    // The remainder of numbers that are not known to be small is a floating-point one, and slow.
    const keyGroup = (keyGroups & (keyGroups - 1)) === 0 ? hash & (keyGroups - 1) : (hash >>> 0) % keyGroups
    if (p === undefined || e >= p.places - 1) { this.insertAnyhow(value); return }
    if (e < 0) { ${'this.missedAt = 0; '.repeat(40)}}
    if (p.liveCount >= p.liveMax || p.liveCount >= this.partitionEntriesMax) { this.insertAnyhow(value); return }
    if (keyGroup < range.first || keyGroup > range.last) { this.insertAnyhow(value); return }
    const x = Math.imul(hash, p.multiplier)
    const home = ((x >>> p.shiftA) + ((x >>> p.shiftB) & p.maskB)) | 0
    if (e - home >= 64) { this.insertAnyhow(value); return }
    ${isObject ? 'const kept = this.kept(value)' : checkOf(layout, 'value')}
    const base = (e * ${layout.strideWords}) | 0
    p.i32[base] = context.key | 0
    p.i32[base + 1] = p.stamp
    p.liveCount++
    this.current.entryCount++
    if (p.mode !== 0) {
      p.blocks[e >>> ${blockShift}] = p.stamp
      if (p.frozen !== undefined) p.frozen[e >>> 5] &= ~(1 << (e & 31))
    }
    ${isObject ? 'p.objects[e] = kept' : writeOf(layout)}
    this.missedIn = undefined
    this.entry = e
    this.partition = p
  }`
}

function readOf(layout: RecordLayout): string {
  const fields = layout.fields
  if (fields === undefined) return 'p.objects[e]'
  if (!layout.isRow) return readField(fields[0]!, layout)
  const parts = fields.map((field) => `${propertyName(field.name!)}: ${readField(field, layout)}`)
  return `{ ${parts.join(', ')} }`
}

/** `__proto__` as a plain name would set the prototype. */
function propertyName(name: string): string {
  return name === '__proto__' ? '["__proto__"]' : JSON.stringify(name)
}

function readField(field: RecordField, layout: RecordLayout, partition = 'p', entry = 'e'): string {
  const place = placeOf(field, layout, partition, entry)
  return field.kind === 'bool' ? `${place} === 1` : place
}

function writeOf(layout: RecordLayout): string {
  const fields = layout.fields
  if (fields === undefined) return 'p.objects[e] = value'
  return fields.map((field) => `${placeOf(field, layout)} = ${stored(field, valueOf(field))}`).join('\n    ')
}

function stored(field: RecordField, value: string): string {
  return field.kind === 'bool' ? `${value} ? 1 : 0` : value
}

function checkOf(layout: RecordLayout, value: string): string {
  const fields = layout.fields
  if (fields === undefined) return ''
  const isRow = layout.isRow ? `typeof ${value} !== 'object' || ${value} === null || ` : ''
  return `if (${isRow}${fields.map((field) => misfit(field, valueOf(field))).join(' || ')}) refuse(value)`
}

function misfit(field: RecordField, value: string): string {
  switch (field.kind) {
    case 'int32':
      return `(${value} | 0) !== ${value}`
    case 'int64':
      return `typeof ${value} !== 'bigint' || BigInt.asIntN(64, ${value}) !== ${value}`
    case 'bool':
      return `typeof ${value} !== 'boolean'`
    default:
      return `typeof ${value} !== 'number'`
  }
}

function valueOf(field: RecordField): string {
  return field.name === undefined ? 'value' : `value[${JSON.stringify(field.name)}]`
}

/** The element of a view where a field of an entry is. */
function placeOf(field: RecordField, layout: RecordLayout, partition = 'p', entry = 'e'): string {
  const { strideWords } = layout
  if (field.kind === 'int32' || field.kind === 'bool')
    return `${partition}.i32[${entry} * ${strideWords} + ${field.offset}]`
  const view = field.kind === 'int64' ? 'i64' : 'f64'
  return `${partition}.${view}[${entry} * ${strideWords / 2} + ${field.offset / 2}]`
}
