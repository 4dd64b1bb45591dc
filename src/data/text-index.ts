/**
 * Numbers for short texts: an open-addressing table of their hashes. Quicker than a Map of strings where most look-ups
 * find something: a Map reads the string of every key in its way, and those that came first, mostly the frequent ones,
 * are the last of their bucket; here a text is read only where all 32 bits of its hash agree. Hot.
 *
 * Invariants
 * 1. Every text lies less than `probesMax` slots behind its home: texts made to collide cost no more than that each. One
 *    that finds no such place, as it is added or as the table grows, has no number. Nor has a long one.
 * 2. At most half of the slots are taken.
 */
import { hashKey } from './key-groups.ts'

/** Longer texts cost more to hash here than in a Map, where V8 does it. */
const indexedUnitsMax = 64

const slotCountMin = 1024
const probesMax = 256

export class TextIndex {
  /** Text of each number. */
  readonly #texts: string[] = []
  /** Int32Array[2 * slots] = [hash, number + 1, …]; 0 in place of a number: the slot is free. */
  #slots: Int32Array
  #count = 0

  /** `expected`: how many texts there may be, where that is known. */
  constructor(expected = 0) {
    let slotCount = slotCountMin
    while (slotCount < expected * 2) slotCount *= 2
    this.#slots = new Int32Array(slotCount * 2)
  }

  /** Number of a text, -1 where it has none. */
  find(text: string): number {
    if (text.length > indexedUnitsMax) return -1
    const slots = this.#slots
    const mask = slots.length - 1
    const hash = hashKey(text)
    let at = (hash << 1) & mask
    for (let probes = 0; probes < probesMax; probes++) {
      const held = slots[at + 1]!
      if (held === 0) return -1
      if (slots[at] === hash && this.#texts[held - 1] === text) return held - 1
      at = (at + 2) & mask
    }
    return -1
  }

  /** Gives a number to a text that has none; false where it gets none. */
  add(text: string, number: number): boolean {
    if (text.length > indexedUnitsMax) return false
    if (this.#count * 4 >= this.#slots.length) this.#grow()
    if (!this.#place(hashKey(text), number)) return false
    this.#texts[number] = text
    this.#count++
    return true
  }

  #place(hash: number, number: number): boolean {
    const slots = this.#slots
    const mask = slots.length - 1
    let at = (hash << 1) & mask
    for (let probes = 1; slots[at + 1] !== 0; probes++) {
      if (probes === probesMax) return false
      at = (at + 2) & mask
    }
    slots[at] = hash
    slots[at + 1] = number + 1
    return true
  }

  #grow(): void {
    const slots = this.#slots
    this.#slots = new Int32Array(slots.length * 2)
    for (let at = 0; at < slots.length; at += 2) if (slots[at + 1] !== 0) this.#place(slots[at]!, slots[at + 1]! - 1)
  }
}
