/**
 * Shapes of plain objects in the generic codec: a shape is an ordered list of keys. The writer finds an object's shape
 * among those it knows, the reader rebuilds objects by generated code.
 *
 * Layout of a definition: varint bytes that follow · u8 hasPrototype · varint keys · text each.
 *
 * Invariants
 * 1. Numbers of shapes count up from 0 within a dictionary, in order of definition, equal on both sides.
 * 2. The caches outlive dictionaries and are bounded by `shapesMax`; an object beyond the bounds is no shape.
 */
import { MillraceError } from '../common/errors.ts'
import { ByteReader, ByteWriter } from './bytes.ts'

const shapesMax = 512
const shapeKeysMax = 64

export interface WrittenShape {
  readonly keys: readonly string[]
  readonly hasPrototype: boolean
  readonly encoded: Uint8Array
  /** Dictionary in which it was last defined, and its number there. */
  epoch: number
  number: number
}

export class ShapeWriter {
  readonly #byLength: WrittenShape[][] = []
  #shapeCount = 0
  #epoch = 0
  readonly #defined: WrittenShape[] = []
  definitionBytes = 0

  begin(): void {
    this.#epoch++
    this.#defined.length = 0
    this.definitionBytes = 0
  }

  /** Undefined: too many keys, or too many shapes already. */
  find(keys: readonly string[], hasPrototype: boolean): WrittenShape | undefined {
    const candidates = (this.#byLength[keys.length] ??= [])
    for (let i = 0; i < candidates.length; i++) {
      const shape = candidates[i]!
      if (shape.hasPrototype !== hasPrototype || !sameKeys(shape.keys, keys)) continue
      if (i > 0) {
        candidates[i] = candidates[i - 1]!
        candidates[i - 1] = shape
      }
      return shape
    }
    if (keys.length > shapeKeysMax || this.#shapeCount >= shapesMax) return undefined
    this.#shapeCount++
    const shape = { keys: [...keys], hasPrototype, encoded: encodeShape(keys, hasPrototype), epoch: -1, number: 0 }
    candidates.push(shape)
    return shape
  }

  /** Gives the shape a number in this dictionary; true where it had none. */
  define(shape: WrittenShape): boolean {
    if (shape.epoch === this.#epoch) return false
    shape.epoch = this.#epoch
    shape.number = this.#defined.push(shape) - 1
    this.definitionBytes += shape.encoded.length
    return true
  }

  writeDefinitions(out: ByteWriter): void {
    for (const shape of this.#defined) out.raw(shape.encoded)
  }
}

type Build = (input: ByteReader, next: (input: ByteReader) => unknown) => object

export interface ReadShape {
  readonly encoded: Uint8Array
  readonly build: Build
}

export class ShapeReader {
  readonly #byHash = new Map<number, ReadShape>()
  readonly #dictionary: ReadShape[] = []

  begin(): void {
    this.#dictionary.length = 0
  }

  /** Reads a definition and gives it the next number. */
  define(input: ByteReader): ReadShape {
    const start = input.position
    const bytes = input.varint()
    const header = input.position - start
    input.skip(bytes)
    const encoded = input.buffer.subarray(start + header, start + header + bytes)
    const hash = hashBytes(encoded)
    let shape = this.#byHash.get(hash)
    if (shape === undefined || !encoded.equals(shape.encoded)) {
      shape = readShape(Uint8Array.from(encoded))
      if (this.#byHash.size < shapesMax) this.#byHash.set(hash, shape)
    }
    this.#dictionary.push(shape)
    return shape
  }

  at(number: number): ReadShape {
    const shape = this.#dictionary[number]
    if (shape === undefined) throw new MillraceError('MR_DATA_CORRUPT', `object shape ${number} was never defined`)
    return shape
  }
}

function sameKeys(left: readonly string[], right: readonly string[]): boolean {
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false
  return true
}

function encodeShape(keys: readonly string[], hasPrototype: boolean): Uint8Array {
  const body = new ByteWriter()
  body.u8(hasPrototype ? 1 : 0)
  body.varint(keys.length)
  for (const key of keys) body.text(key)
  const whole = new ByteWriter(body.position + 4)
  whole.bytes(body.written())
  return whole.take()
}

function readShape(encoded: Uint8Array): ReadShape {
  const input = new ByteReader(encoded)
  const hasPrototype = input.u8() === 1
  const keys = Array.from({ length: input.varint() }, () => input.text())
  return { encoded, build: objectBuilder(keys, hasPrototype) }
}

/** An object literal evaluates its properties in order; a computed `__proto__` is a property like any other. */
function objectBuilder(keys: readonly string[], hasPrototype: boolean): Build {
  const names = keys.map((key) => (key === '__proto__' ? '["__proto__"]' : JSON.stringify(key)))
  const literal = names.map((name) => `${name}: next(input)`)
  const build = new Function('input', 'next', `return {${literal.join(', ')}}`) as Build
  if (hasPrototype) return build
  return (input, next) => Object.assign(Object.create(null) as object, build(input, next))
}

function hashBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash
}
