/**
 * Keys fall into classes by their JavaScript value, whatever type is declared: each has its own kind of table, so that
 * no table has to be widened when a key of another class arrives.
 */
export const KeyClass = { Int32: 0, Float64: 1, Int64: 2, Text: 3, Other: 4 } as const
export type KeyClass = (typeof KeyClass)[keyof typeof KeyClass]

export const keyClassCount = 5

export function keyClassOf(key: unknown): KeyClass {
  if (typeof key === 'number') return (key | 0) === key ? KeyClass.Int32 : KeyClass.Float64
  if (typeof key === 'string') return KeyClass.Text
  if (typeof key === 'bigint' && BigInt.asIntN(64, key) === key) return KeyClass.Int64
  return KeyClass.Other
}
