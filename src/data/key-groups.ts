/**
 * Keys, their hash and their key groups: Flink's formulas, so that key group g of a job with parallelism p is always
 * in the same subtask. Hot: `hashKey` runs for every record before a keyed operator.
 *
 * Invariants
 * 1. Keys that are equal (SameValueZero for primitives, by value for Date, bytes, arrays and plain objects whatever
 *    their order of fields) have equal hashes, in every thread and in every run: key groups are stored in snapshots.
 * 2. A number and a bigint of the same value are different keys.
 */
import { MillraceError } from '../common/errors.ts'
import { maxParallelismDefault, maxParallelismMax } from '../common/limits.ts'

/** Inclusive range of key groups. */
export interface KeyGroupRange {
  readonly first: number
  readonly last: number
}

/** A 32-bit signed hash. Throws MR_STATE_NO_KEY for null and undefined. */
export function hashKey(key: unknown): number {
  if (typeof key === 'number') {
    const int = key | 0
    return int === key ? mix32(int) : hashDouble(key)
  }
  if (typeof key === 'string') return hashText(key)
  if (key === null || key === undefined) {
    throw new MillraceError('MR_STATE_NO_KEY', `the key selector gave ${key}; every record needs a key`)
  }
  return hashOther(key, 0)
}

/** Key group of a key, 0 … maxParallelism - 1. */
export function keyGroupOf(key: unknown, maxParallelism: number): number {
  return (hashKey(key) >>> 0) % maxParallelism
}

/** Key groups of a subtask. */
export function keyGroupRangeOf(subtask: number, parallelism: number, maxParallelism: number): KeyGroupRange {
  return {
    first: Math.floor((subtask * maxParallelism + parallelism - 1) / parallelism),
    last: Math.floor(((subtask + 1) * maxParallelism - 1) / parallelism),
  }
}

/** The subtask that owns a key group. */
export function subtaskOfKeyGroup(keyGroup: number, parallelism: number, maxParallelism: number): number {
  return Math.floor((keyGroup * parallelism) / maxParallelism)
}

/** Flink's rule where no maximum is given: 1.5 times the parallelism as a power of two, between 128 and 32768. */
export function maxParallelismFor(parallelism: number): number {
  const wanted = 2 ** Math.ceil(Math.log2(parallelism + Math.floor(parallelism / 2)))
  return Math.min(Math.max(wanted, maxParallelismDefault), maxParallelismMax)
}

/** murmur3's finaliser: a bijection of 32-bit numbers. */
export function mix32(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

const doubleCell = new Float64Array(1)
const wordCell = new Int32Array(doubleCell.buffer)

function hashDouble(value: number): number {
  doubleCell[0] = value === value ? value : NaN
  return mix32(step(step(0x2545f491, wordCell[0]!), wordCell[1]!))
}

/** murmur3-32 over UTF-16 units, two at a time. */
function hashText(value: string): number {
  const units = value.length
  let h = 0
  let i = 0
  for (; i + 1 < units; i += 2) h = step(h, value.charCodeAt(i) | (value.charCodeAt(i + 1) << 16))
  if (i < units) h ^= scramble(value.charCodeAt(i))
  return mix32(h ^ (units << 1))
}

function scramble(word: number): number {
  const k = Math.imul(word, 0xcc9e2d51)
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593)
}

function step(hash: number, word: number): number {
  const h = hash ^ scramble(word)
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
}

/** Structures deeper than this are no keys (or cyclic). */
const keyDepthMax = 64

function hashNested(value: unknown, depth: number): number {
  if (value === null) return 0x6e756c6c
  if (value === undefined) return 0x756e6465
  if (typeof value === 'number' || typeof value === 'string') return hashKey(value)
  return hashOther(value, depth)
}

function hashOther(key: unknown, depth: number): number {
  if (typeof key === 'boolean') return mix32(key ? 0x74727565 : 0x66616c73)
  if (typeof key === 'bigint') return hashBigint(key)
  if (typeof key === 'object' && depth < keyDepthMax) return hashObject(key as object, depth)
  throw notAKey(key)
}

const longCell = new BigInt64Array(doubleCell.buffer)

/** `hashKey` of the 64-bit bigint whose words these are. */
export function hashInt64Words(low: number, high: number): number {
  if (high >= 0) return high === 0 ? mix32(step(0x62696e2b, low)) : mix32(step(step(0x62696e2b, low), high))
  const negative = step(0x62696e2d, ~low)
  return mix32(high === -1 ? negative : step(negative, ~high))
}

function hashBigint(value: bigint): number {
  longCell[0] = value
  if (longCell[0] === value) return hashInt64Words(wordCell[0]!, wordCell[1]!)
  let rest = value < 0n ? ~value : value
  let h = value < 0n ? 0x62696e2d : 0x62696e2b
  do {
    h = step(h, Number(BigInt.asIntN(32, rest)))
    rest >>= 32n
  } while (rest > 0n)
  return mix32(h)
}

function hashObject(key: object, depth: number): number {
  if (Array.isArray(key)) {
    let h = 0x61727279
    for (let i = 0; i < key.length; i++) h = step(h, hashNested(key[i], depth + 1))
    return mix32(h ^ key.length)
  }
  if (key instanceof Date) return mix32(step(0x64617465, hashDouble(key.getTime())))
  if (ArrayBuffer.isView(key)) return hashBytes(new Uint8Array(key.buffer, key.byteOffset, key.byteLength))
  const prototype: unknown = Object.getPrototypeOf(key)
  if (prototype !== Object.prototype && prototype !== null) throw notAKey(key)
  let h = 0
  for (const [name, value] of Object.entries(key)) {
    h = (h + mix32(step(hashText(name), hashNested(value, depth + 1)))) | 0
  }
  return mix32(h ^ 0x6f626a65)
}

function hashBytes(bytes: Uint8Array): number {
  let h = 0x62797465
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193)
  return mix32(h ^ bytes.length)
}

function notAKey(key: unknown): MillraceError {
  const found = typeof key === 'object' ? ((key as object).constructor?.name ?? 'object') : typeof key
  return new MillraceError(
    'MR_DATA_NOT_SERIALIZABLE',
    `a key must be a number, string, bigint, boolean, Date, bytes, array or plain object (nested at most ` +
      `${keyDepthMax} deep), got ${found}`,
  )
}
