/**
 * Codecs of single values: state entries, snapshots, keys. `codecFor` takes a declared type, or nothing for the
 * generic tagged codec. Every encoding says itself where it ends, so values can be written one after another.
 *
 * A typed codec refuses values of another type with MR_DATA_TYPE_MISMATCH; fields that a row type does not name are
 * not kept. Codecs belong to one thread and are not reentrant.
 */
import { MillraceError } from '../common/errors.ts'
import type { ByteReader, ByteWriter } from './bytes.ts'
import { GenericDecoder, GenericEncoder } from './generic-codec.ts'
import type { DataType, Field } from './types.ts'

export interface ValueCodec<T = unknown> {
  encode(value: T, out: ByteWriter): void
  decode(input: ByteReader): T
  /** Bytes of every encoding, or -1 where they differ. */
  readonly fixedBytes: number
}

export function codecFor(type: DataType | undefined): ValueCodec {
  return build(type ?? { kind: 'generic' }, 'plain')
}

/** Like codecFor, but an object with more fields than its row type names is a mismatch. */
export function strictCodecFor(type: DataType): ValueCodec {
  return build(type, 'strict')
}

/** Like codecFor, but equal keys have equal bytes: generic objects are written with sorted fields, -0 as 0. */
export function keyCodecFor(type: DataType | undefined): ValueCodec {
  return build(type ?? { kind: 'generic' }, 'canonical')
}

type Manner = 'plain' | 'strict' | 'canonical'

function build(type: DataType, manner: Manner): ValueCodec {
  return type.nullable === true ? nullable(ofKind(type, manner)) : ofKind(type, manner)
}

function ofKind(type: DataType, manner: Manner): ValueCodec {
  switch (type.kind) {
    case 'float64':
    case 'timestamp':
      return manner === 'canonical' ? canonicalFloat64(type.kind) : float64(type.kind)
    case 'int32':
      return int32
    case 'int64':
      return int64
    case 'bool':
      return bool
    case 'text':
      return text
    case 'bytes':
      return bytes
    case 'decimal':
      return decimal(type.precision)
    case 'list':
      return list(build(type.element, manner))
    case 'row':
      return row(type.fields, manner)
    case 'generic':
      return generic(manner === 'canonical')
  }
}

function mismatch(expected: string, value: unknown): MillraceError {
  const found =
    value === null ? 'null' : typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value
  return new MillraceError('MR_DATA_TYPE_MISMATCH', `expected ${expected}, got ${found}`)
}

function codec<T>(fixedBytes: number, encode: ValueCodec<T>['encode'], decode: ValueCodec<T>['decode']): ValueCodec {
  return { encode, decode, fixedBytes } as ValueCodec
}

function float64(name: string): ValueCodec {
  return codec<number>(
    8,
    (value, out) => {
      if (typeof value !== 'number') throw mismatch(name, value)
      out.f64(value)
    },
    (input) => input.f64(),
  )
}

function canonicalFloat64(name: string): ValueCodec {
  return codec<number>(
    8,
    (value, out) => {
      if (typeof value !== 'number') throw mismatch(name, value)
      out.f64(value === value ? value + 0 : NaN)
    },
    (input) => input.f64(),
  )
}

const int32: ValueCodec = codec<number>(
  4,
  (value, out) => {
    if (typeof value !== 'number' || (value | 0) !== value) throw mismatch('int32', value)
    out.i32(value)
  },
  (input) => input.i32(),
)

const int64: ValueCodec = codec<bigint>(
  8,
  (value, out) => {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) throw mismatch('int64 (bigint)', value)
    out.i64(value)
  },
  (input) => input.i64(),
)

const bool: ValueCodec = codec<boolean>(
  1,
  (value, out) => {
    if (typeof value !== 'boolean') throw mismatch('bool', value)
    out.u8(value ? 1 : 0)
  },
  (input) => input.u8() === 1,
)

const text: ValueCodec = codec<string>(
  -1,
  (value, out) => {
    if (typeof value !== 'string') throw mismatch('text', value)
    out.text(value)
  },
  (input) => input.text(),
)

const bytes: ValueCodec = codec<Uint8Array>(
  -1,
  (value, out) => {
    if (!(value instanceof Uint8Array)) throw mismatch('bytes (Uint8Array)', value)
    out.bytes(value)
  },
  (input) => input.bytes(),
)

/** Up to 18 digits in 8 bytes, up to 38 in 16. */
function decimal(precision: number): ValueCodec {
  const limit = 10n ** BigInt(precision)
  const isShort = precision <= 18
  return codec<bigint>(
    isShort ? 8 : 16,
    (value, out) => {
      if (typeof value !== 'bigint' || value >= limit || value <= -limit) {
        throw mismatch(`decimal of ${precision} digits (bigint)`, value)
      }
      out.i64(value)
      if (!isShort) out.i64(value >> 64n)
    },
    (input) => {
      const low = input.i64()
      return isShort ? low : (input.i64() << 64n) | BigInt.asUintN(64, low)
    },
  )
}

function nullable(inner: ValueCodec): ValueCodec {
  return codec<unknown>(
    -1,
    (value, out) => {
      if (value === null) return out.u8(0)
      out.u8(1)
      inner.encode(value, out)
    },
    (input) => (input.u8() === 0 ? null : inner.decode(input)),
  )
}

function list(element: ValueCodec): ValueCodec {
  return codec<readonly unknown[]>(
    -1,
    (values, out) => {
      if (!Array.isArray(values)) throw mismatch('list (array)', values)
      out.varint(values.length)
      if (element === int32) encodeInt32s(values, out)
      else for (let i = 0; i < values.length; i++) element.encode(values[i], out)
    },
    (input) => {
      const length = input.varint()
      const values: unknown[] = []
      for (let i = 0; i < length; i++) values.push(element.decode(input))
      return values
    },
  )
}

/** What snapshots write most of in lists: all at once. */
function encodeInt32s(values: readonly unknown[], out: ByteWriter): void {
  const written = out.int32s(values)
  if (written < values.length) throw mismatch('int32', values[written])
}

/** Generated per row type, so that every field's codec is its own call site and the object is a literal. */
function row(fields: readonly Field[], manner: Manner): ValueCodec {
  const codecs = fields.map((field) => build(field.type, manner))
  const names = fields.map((field) => JSON.stringify(field.name))
  const parameters = codecs.map((_, i) => `c${i}`)
  const encodes = names.map((name, i) => `c${i}.encode(value[${name}], out)`)
  const decodes = names.map((name, i) => `${name === '"__proto__"' ? `[${name}]` : name}: c${i}.decode(input)`)
  const make = new Function(
    'mismatch',
    ...parameters,
    `return {
      encode(value, out) {
        if (typeof value !== 'object' || value === null) throw mismatch('row (object)', value)
        ${manner === 'strict' ? `if (Object.keys(value).length !== ${fields.length}) throw mismatch('row with ${fields.length} fields', value)` : ''}
        ${encodes.join('\n        ')}
      },
      decode(input) { return { ${decodes.join(', ')} } },
    }`,
  ) as (...args: unknown[]) => Pick<ValueCodec, 'encode' | 'decode'>
  const made = make(mismatch, ...codecs)
  const isFixed = codecs.every((each) => each.fixedBytes >= 0)
  const fixedBytes = isFixed ? codecs.reduce((sum, each) => sum + each.fixedBytes, 0) : -1
  return { encode: made.encode, decode: made.decode, fixedBytes }
}

function generic(isCanonical: boolean): ValueCodec {
  const encoder = new GenericEncoder({ isCanonical })
  const decoder = new GenericDecoder()
  return codec<unknown>(
    -1,
    (value, out) => {
      encoder.begin()
      encoder.encode(value, out)
    },
    (input) => {
      decoder.begin()
      return decoder.decode(input)
    },
  )
}
