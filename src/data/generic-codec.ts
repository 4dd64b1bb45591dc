/**
 * The tagged codec for any plain JavaScript value: null, undefined, boolean, number (-0 and NaN included), bigint of
 * any size, string, Date, typed arrays, arrays (holes too), Map, Set and plain objects. What is read back is
 * deep-equal and of the same kinds; shared references are written twice.
 *
 * Objects name their keys once per dictionary (`begin` starts a new one: per value in state, per batch in channels);
 * later objects of the same shape refer to it. Shapes are cached on both sides, and objects are rebuilt by code
 * generated per shape, so that they share a hidden class.
 *
 * MR_DATA_NOT_SERIALIZABLE names the path of what has no plain meaning (function, symbol, class instance, cycle).
 */
import { MillraceError } from '../common/errors.ts'
import type { ByteReader, ByteWriter } from './bytes.ts'
import { ShapeReader, ShapeWriter } from './object-shapes.ts'
import { isPlainObject, notSerializable, valueDepthMax } from './plain-values.ts'
import { bufferTypeIndex, readTypedArray, typedArrayNames } from './typed-arrays.ts'

const Tag = {
  Null: 0,
  Undefined: 1,
  False: 2,
  True: 3,
  Int32: 4,
  Double: 5,
  Int64: 6,
  BigPositive: 7,
  BigNegative: 8,
  Text: 9,
  Date: 10,
  Bytes: 11,
  TypedArray: 12,
  Array: 13,
  Hole: 14,
  Map: 15,
  Set: 16,
  NewShape: 17,
  /** Shape 0; tag ShapeRef0 + n refers to shape n up to 200, beyond that `ShapeRef` and a varint. */
  ShapeRef: 18,
  Dictionary: 19,
  ShapeRef0: 32,
} as const

const shortRefs = 255 - Tag.ShapeRef0

export class GenericEncoder {
  readonly #shapes = new ShapeWriter()
  readonly #isCanonical: boolean
  readonly #isApart: boolean
  #root: unknown
  #depth = 0

  /**
   * Canonical: equal keys give equal bytes (fields sorted, -0 as 0). Apart: definitions of shapes are not written with
   * the values but kept for `writeDefinitions`, so that values can be read in any order.
   */
  constructor(options: { readonly isCanonical?: boolean; readonly isApart?: boolean } = {}) {
    this.#isCanonical = options.isCanonical ?? false
    this.#isApart = options.isApart ?? false
  }

  /** Bytes that `writeDefinitions` would write now. */
  get definitionBytes(): number {
    return this.#shapes.definitionBytes
  }

  /** Apart: all shapes defined since `begin`, for `GenericDecoder.define`. */
  writeDefinitions(out: ByteWriter): void {
    this.#shapes.writeDefinitions(out)
  }

  /** Starts a new dictionary of shapes. */
  begin(): void {
    this.#shapes.begin()
  }

  /** Writes one value. Where it throws, the writer's position is undefined. */
  encode(value: unknown, out: ByteWriter): void {
    this.#root = value
    this.#depth = 0
    this.#value(value, out)
    this.#root = undefined
  }

  #value(value: unknown, out: ByteWriter): void {
    switch (typeof value) {
      case 'number':
        return this.#number(value, out)
      case 'string':
        out.u8(Tag.Text)
        return out.text(value)
      case 'boolean':
        return out.u8(value ? Tag.True : Tag.False)
      case 'undefined':
        return out.u8(Tag.Undefined)
      case 'bigint':
        return writeBigint(value, out)
      case 'object':
        if (value === null) return out.u8(Tag.Null)
        if (++this.#depth > valueDepthMax) throw notSerializable(this.#root)
        this.#object(value, out)
        this.#depth--
        return
      default:
        throw notSerializable(this.#root)
    }
  }

  #number(value: number, out: ByteWriter): void {
    const int = value | 0
    if (int === value && (int !== 0 || this.#isCanonical || 1 / value > 0)) {
      out.u8(Tag.Int32)
      out.zigzag(int)
    } else {
      out.u8(Tag.Double)
      out.f64(value === value ? value : NaN)
    }
  }

  #object(value: object, out: ByteWriter): void {
    if (isPlainObject(value)) return this.#plain(value as Record<string, unknown>, out)
    if (Array.isArray(value)) return this.#array(value, out)
    if (value instanceof Date) {
      out.u8(Tag.Date)
      return out.f64(value.getTime())
    }
    if (value instanceof Map) return this.#map(value, out)
    if (value instanceof Set) return this.#set(value, out)
    if (!writeTypedArray(value, out)) throw notSerializable(this.#root)
  }

  #plain(value: Record<string, unknown>, out: ByteWriter): void {
    const keys = this.#isCanonical ? Object.keys(value).toSorted() : Object.keys(value)
    const hasPrototype = Object.getPrototypeOf(value) !== null
    const shape = this.#shapes.find(keys, hasPrototype)
    if (shape === undefined) return this.#dictionary(value, keys, hasPrototype, out)
    const isNew = this.#shapes.define(shape)
    const reference = shape.number
    if (isNew && !this.#isApart) {
      out.u8(Tag.NewShape)
      out.raw(shape.encoded)
    } else if (reference < shortRefs) {
      out.u8(Tag.ShapeRef0 + reference)
    } else {
      out.u8(Tag.ShapeRef)
      out.varint(reference)
    }
    for (let i = 0; i < keys.length; i++) this.#value(value[keys[i]!], out)
  }

  /** An object with too many keys for a shape: a dictionary in the user's program, most likely. */
  #dictionary(value: Record<string, unknown>, keys: readonly string[], hasPrototype: boolean, out: ByteWriter): void {
    out.u8(Tag.Dictionary)
    out.u8(hasPrototype ? 1 : 0)
    out.varint(keys.length)
    for (const key of keys) {
      out.text(key)
      this.#value(value[key], out)
    }
  }

  #array(value: readonly unknown[], out: ByteWriter): void {
    if (Object.getPrototypeOf(value) !== Array.prototype && value.constructor?.name !== 'Array') {
      throw notSerializable(this.#root)
    }
    out.u8(Tag.Array)
    out.varint(value.length)
    for (let i = 0; i < value.length; i++) {
      const element = value[i]
      if (element === undefined && !(i in value)) out.u8(Tag.Hole)
      else this.#value(element, out)
    }
  }

  #map(value: ReadonlyMap<unknown, unknown>, out: ByteWriter): void {
    out.u8(Tag.Map)
    out.varint(value.size)
    for (const [key, mapped] of value) {
      this.#value(key, out)
      this.#value(mapped, out)
    }
  }

  #set(value: ReadonlySet<unknown>, out: ByteWriter): void {
    out.u8(Tag.Set)
    out.varint(value.size)
    for (const element of value) this.#value(element, out)
  }
}

export class GenericDecoder {
  readonly #shapes = new ShapeReader()
  /** Bound once: generated object builders call it for every field. */
  readonly #next = (input: ByteReader): unknown => this.decode(input)

  /** Starts a new dictionary of shapes. */
  begin(): void {
    this.#shapes.begin()
  }

  /** Takes definitions as `writeDefinitions` wrote them, from the position to the input's end. */
  define(input: ByteReader): void {
    while (input.remaining > 0) this.#shapes.define(input)
  }

  decode(input: ByteReader): unknown {
    const tag = input.u8()
    switch (tag) {
      case Tag.Null:
        return null
      case Tag.Undefined:
        return undefined
      case Tag.False:
        return false
      case Tag.True:
        return true
      case Tag.Int32:
        return input.zigzag()
      case Tag.Double:
        return input.f64()
      case Tag.Int64:
        return input.i64()
      case Tag.BigPositive:
        return readBigMagnitude(input)
      case Tag.BigNegative:
        return -readBigMagnitude(input)
      case Tag.Text:
        return input.text()
      case Tag.Date:
        return new Date(input.f64())
      case Tag.Bytes:
        return input.bytes()
      case Tag.TypedArray:
        return readTypedArray(input)
      case Tag.Array:
        return this.#array(input)
      case Tag.Map:
        return this.#map(input)
      case Tag.Set:
        return this.#set(input)
      case Tag.NewShape:
        return this.#shapes.define(input).build(input, this.#next)
      case Tag.ShapeRef:
        return this.#shapes.at(input.varint()).build(input, this.#next)
      case Tag.Dictionary:
        return this.#dictionary(input)
      default:
        if (tag >= Tag.ShapeRef0) return this.#shapes.at(tag - Tag.ShapeRef0).build(input, this.#next)
        throw new MillraceError('MR_DATA_CORRUPT', `expected a value, found tag ${tag} at ${input.position - 1}`)
    }
  }

  #array(input: ByteReader): unknown[] {
    const length = input.varint()
    const array: unknown[] = []
    for (let i = 0; i < length; i++) {
      if (input.u8() === Tag.Hole) array.length = i + 1
      else {
        input.position--
        array.push(this.decode(input))
      }
    }
    return array
  }

  #map(input: ByteReader): Map<unknown, unknown> {
    const size = input.varint()
    const map = new Map<unknown, unknown>()
    for (let i = 0; i < size; i++) {
      const key = this.decode(input)
      map.set(key, this.decode(input))
    }
    return map
  }

  #set(input: ByteReader): Set<unknown> {
    const size = input.varint()
    const set = new Set<unknown>()
    for (let i = 0; i < size; i++) set.add(this.decode(input))
    return set
  }

  #dictionary(input: ByteReader): object {
    const hasPrototype = input.u8() === 1
    const count = input.varint()
    const object: Record<string, unknown> = hasPrototype ? {} : Object.create(null)
    for (let i = 0; i < count; i++) {
      const key = input.text()
      const value = this.decode(input)
      if (key === '__proto__') {
        Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
      } else object[key] = value
    }
    return object
  }
}

function writeBigint(value: bigint, out: ByteWriter): void {
  if (BigInt.asIntN(64, value) === value) {
    out.u8(Tag.Int64)
    return out.i64(value)
  }
  out.u8(value < 0n ? Tag.BigNegative : Tag.BigPositive)
  const hex = (value < 0n ? -value : value).toString(16)
  out.bytes(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'))
}

function readBigMagnitude(input: ByteReader): bigint {
  return BigInt(`0x${Buffer.from(input.bytes()).toString('hex')}`)
}

function writeTypedArray(value: object, out: ByteWriter): boolean {
  if (value instanceof ArrayBuffer) return writeView(typedArrayNames.indexOf('ArrayBuffer'), new Uint8Array(value), out)
  if (!ArrayBuffer.isView(value)) return false
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  if (value.constructor === Uint8Array) {
    out.u8(Tag.Bytes)
    out.bytes(bytes)
    return true
  }
  return writeView(bufferTypeIndex(value), bytes, out)
}

function writeView(typeIndex: number, bytes: Uint8Array, out: ByteWriter): boolean {
  if (typeIndex < 0) return false
  out.u8(Tag.TypedArray)
  out.u8(typeIndex)
  out.bytes(bytes)
  return true
}
