/** How large the parts of managed tables are, how they grow, and what they are made of. */
import type { NativeBuffer } from '../../memory/memory-views.ts'
import type { RecordLayout } from './record-layout.ts'

/** Grown beyond this share of homes in use. Fuller tables cost more in mispredicted probes than they save. */
export const loadMax = 0.62
const capacityMin = 4
/** Up to this many homes the capacity is doubled; above, it grows by a half or a third, to waste less. */
const doubledCapacityMax = 8192

/** Records, a slot per object (objects themselves are charged by estimate), and up to four bits per place. */
export function recordBytes(layout: RecordLayout, places: number): number {
  return places * (layout.strideWords * 4 + (layout.fields === undefined ? 8 : 0)) + (places >>> 1)
}

export function capacityFor(entries: number): number {
  let capacity = capacityMin
  while (capacity * loadMax < entries) capacity = nextCapacity(capacity)
  return capacity
}

export function nextCapacity(capacity: number): number {
  if (capacity < doubledCapacityMax) return capacity * 2
  const log = 31 - Math.clz32(capacity)
  return capacity === 1 << log ? capacity + (capacity >>> 1) : 1 << (log + 1)
}

export function filled(length: number): unknown[] {
  // Not `new Array(length)`: an array without holes is read faster.
  const values: unknown[] = []
  for (let i = 0; i < length; i++) values.push(undefined)
  return values
}

export function newArena(bytes: number): NativeBuffer {
  return Buffer.allocUnsafeSlow(bytes) as NativeBuffer
}

/** The records of a partition that has none any more. */
export const none: { i32: Int32Array; f64: Float64Array; i64: BigInt64Array } = {
  i32: new Int32Array(0),
  f64: new Float64Array(0),
  i64: new BigInt64Array(0),
}
