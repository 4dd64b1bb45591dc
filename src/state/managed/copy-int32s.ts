/**
 * Copies the entries of one partition with int32 keys into another, empty one: all there is to growing and splitting
 * where entries are their records and nothing else. Homes keep the order of the hashes, so both are walked from front to
 * back.
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

/**
 * Those whose hash has these bits under the mask. Answers how many; -1 where the tail turned out too short, and then
 * what has been written is no good.
 */
export function copyInt32s(from: Places, to: Homes, mask: number, bits: number): number {
  const { strideWords } = from.layout
  const source = from.i32
  const target = to.i32
  const { multiplier, shiftA, shiftB, maskB } = to
  const last = (to.places - 1) * strideWords
  let live = 0
  for (let place = 0; place < from.places; place += copiedAtOnce) {
    const end = Math.min(place + copiedAtOnce, from.places) * strideWords
    // Which places are in use, and whose, is random: found without branches, which would be guessed wrong.
    let count = 0
    for (let base = place * strideWords; base < end; base += strideWords) {
      const key = source[base]!
      const used = key | source[base + 1]!
      const other = (mix32(key) & mask) ^ bits
      copied[count] = base
      count += ((used | -used) & ~(other | -other)) >>> 31
    }
    for (let i = 0; i < count; i++) {
      const base = copied[i]!
      const x = Math.imul(mix32(source[base]!), multiplier)
      let at = Math.imul((x >>> shiftA) + ((x >>> shiftB) & maskB), strideWords)
      while (target[at] !== 0 || target[at + 1] !== 0) at += strideWords
      if (at === last) return -1
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
