/**
 * Keys of map state as keys of a JavaScript Map: primitives stand for themselves; others are compared by value, as
 * their canonical bytes in a string behind a NUL. Strings that begin with NUL get another in front.
 */
import { decodedKey, encodedKey } from '../encoded-key.ts'

const nul = '\u0000'

export function toMapKey(key: unknown): unknown {
  if (typeof key === 'string') return key.charCodeAt(0) === 0 ? nul + nul + key : key
  return typeof key === 'object' && key !== null ? nul + encodedKey(key) : key
}

export function fromMapKey(mapKey: unknown): unknown {
  if (typeof mapKey !== 'string' || mapKey.charCodeAt(0) !== 0) return mapKey
  return mapKey.charCodeAt(1) === 0 ? mapKey.slice(2) : decodedKey(mapKey.slice(1))
}
