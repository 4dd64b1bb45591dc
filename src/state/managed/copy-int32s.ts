/**
 * Copies the entries of one partition with int32 keys into another, empty one: growing and splitting. Homes keep the order
 * of the hashes, so both are walked from front to back. What entries have besides their records, objects and bits, is
 * copied afterwards, by the places where they have gone.
 */
import { mix32 } from '../../data/key-groups.ts'
import type { RecordLayout } from './record-layout.ts'

export interface Places {
  readonly layout: RecordLayout
  readonly i32: Int32Array
  readonly places: number
}

export interface Homes extends Places {
  readonly multiplier: number
  readonly shiftA: number
  readonly shiftB: number
  readonly maskB: number
}

/** Places of entries to be copied, some at a time. */
const copiedAtOnce = 256
const copied = new Int32Array(copiedAtOnce)
let places = new Int32Array(0)

/**
 * Where the entries of `from` have gone, by their former places; -1: nowhere. To be filled by `copyInt32s`; valid until the
 * next call.
 */
export function newPlaces(from: Places): Int32Array {
  const needed = (from.places + 31) & ~31
  if (places.length < needed) places = new Int32Array(2 * needed)
  return places.subarray(0, needed).fill(-1)
}

/**
 * Those whose hash has these bits under the mask. Answers how many; -1 where the tail turned out too short, and then
 * what has been written is no good. `moved`: see `newPlaces`.
 */
export function copyInt32s(from: Places, to: Homes, mask: number, bits: number, moved: Int32Array | undefined): number {
  const { strideWords } = from.layout
  const source = from.i32
  const target = to.i32
  const { multiplier, shiftA, shiftB, maskB } = to
  const last = to.places - 1
  let live = 0
  for (let first = 0; first < from.places; first += copiedAtOnce) {
    const end = Math.min(first + copiedAtOnce, from.places)
    // Which places are in use, and whose, is random: found without branches, which would be guessed wrong.
    let count = 0
    for (let place = first; place < end; place++) {
      const base = Math.imul(place, strideWords)
      const key = source[base]!
      const used = key | source[base + 1]!
      const other = (mix32(key) & mask) ^ bits
      copied[count] = place
      count += ((used | -used) & ~(other | -other)) >>> 31
    }
    for (let i = 0; i < count; i++) {
      const base = Math.imul(copied[i]!, strideWords)
      const x = Math.imul(mix32(source[base]!), multiplier)
      let home = (x >>> shiftA) + ((x >>> shiftB) & maskB)
      let at = Math.imul(home, strideWords)
      while (target[at] !== 0 || target[at + 1] !== 0) {
        at += strideWords
        home++
      }
      if (home === last) return -1
      if (moved !== undefined) moved[copied[i]!] = home
      target[at] = source[base]!
      target[at + 1] = source[base + 1]!
      if (strideWords > 2) target[at + 2] = source[base + 2]!
      if (strideWords > 3) target[at + 3] = source[base + 3]!
      for (let word = 4; word < strideWords; word++) target[at + word] = source[base + word]!
    }
    live += count
  }
  return live
}

/** Sets the bits of those that have moved. */
export function copyMovedBits(from: Int32Array, to: Int32Array, moved: Int32Array): void {
  for (let word = 0; word < from.length; word++) {
    for (let bits = from[word]!; bits !== 0; bits &= bits - 1) {
      const place = moved[(word << 5) + 31 - Math.clz32(bits & -bits)]!
      if (place >= 0) to[place >>> 5]! |= 1 << (place & 31)
    }
  }
}

export function copyMovedObjects(from: readonly unknown[], to: unknown[], moved: Int32Array): void {
  for (let i = 0; i < from.length; i++) {
    const place = moved[i]!
    if (place >= 0) to[place] = from[i]
  }
}
