/**
 * Dense numbers for keys: the lowest free one for a new key. Int32 keys live in an open-addressing table of typed
 * arrays, all others in a Map (rows and the like by value). Hot per (key, slice), not per record.
 */
import { mix32 } from '../data/key-groups.ts'
import { encodedKey } from '../state/encoded-key.ts'

const slotCountMin = 64

export class KeyIndex {
  /** Key of each number; undefined where the number is free. Longer than `bound` after `clear`. */
  readonly keys: unknown[] = []
  /** Above every number that has been given. */
  bound = 0
  /** Int32Array: number + 1 of the key in a slot, 0 where it is empty. */
  #slots = new Int32Array(slotCountMin)
  #slotKeys = new Int32Array(slotCountMin)
  #int32Count = 0
  readonly #others = new Map<unknown, number>()
  readonly #free: number[] = []

  /** Number of a key, -1 where it has none. */
  find(key: unknown): number {
    if (typeof key !== 'number' || (key | 0) !== key) return this.#others.get(identityOf(key)) ?? -1
    const slots = this.#slots
    const mask = slots.length - 1
    let at = mix32(key) & mask
    for (let held = slots[at]!; held !== 0; held = slots[at]!) {
      if (this.#slotKeys[at] === key) return held - 1
      at = (at + 1) & mask
    }
    return -1
  }

  /** Gives a key that has none a number. */
  add(key: unknown): number {
    const number = this.#free.pop() ?? this.bound++
    this.keys[number] = key
    if (typeof key !== 'number' || (key | 0) !== key) this.#others.set(identityOf(key), number)
    else {
      if (++this.#int32Count * 2 > this.#slots.length) this.#resize(this.#slots.length * 2)
      this.#place(key, number)
    }
    return number
  }

  remove(number: number): void {
    const key = this.keys[number]
    this.keys[number] = undefined
    this.#free.push(number)
    if (typeof key !== 'number' || (key | 0) !== key) this.#others.delete(identityOf(key))
    else {
      this.#int32Count--
      this.#unplace(key)
    }
  }

  /** No key has a number any more. Room for numbers stays. */
  clear(): void {
    if (this.#others.size > 0) {
      this.#others.clear()
      this.keys.length = 0
    }
    if (this.#int32Count > 0) this.#slots.fill(0)
    this.#int32Count = 0
    this.#free.length = 0
    this.bound = 0
  }

  #place(key: number, number: number): void {
    const mask = this.#slots.length - 1
    let at = mix32(key) & mask
    while (this.#slots[at] !== 0) at = (at + 1) & mask
    this.#slots[at] = number + 1
    this.#slotKeys[at] = key
  }

  /** Removes without leaving a mark: what follows in the run moves up where it may. */
  #unplace(key: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let hole = mix32(key) & mask
    while (this.#slotKeys[hole] !== key || slots[hole] === 0) hole = (hole + 1) & mask
    let at = hole
    for (;;) {
      at = (at + 1) & mask
      if (slots[at] === 0) break
      const home = mix32(this.#slotKeys[at]!) & mask
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      slots[hole] = slots[at]!
      this.#slotKeys[hole] = this.#slotKeys[at]!
      hole = at
    }
    slots[hole] = 0
  }

  #resize(slotCount: number): void {
    const slots = this.#slots
    const slotKeys = this.#slotKeys
    this.#slots = new Int32Array(slotCount)
    this.#slotKeys = new Int32Array(slotCount)
    for (let at = 0; at < slots.length; at++) if (slots[at] !== 0) this.#place(slotKeys[at]!, slots[at]! - 1)
  }
}

function identityOf(key: unknown): unknown {
  return typeof key === 'object' ? `\u0000${encodedKey(key)}` : key
}
