/**
 * Writes the entries of one table whose keys are int32 and whose values are one number: counters and sums, and so most of
 * what a checkpoint has to write. What is the same in all of them is worked out once, and stored in words.
 */
import { KeyClass } from '../key-class.ts'
import { int32EntryKeyBytes, keyGroupBytes } from './entry-key-layout.ts'
import type { PackedEntriesWriter } from './packed-entries-layout.ts'

const wordBytes = 4
const int32KeyBytes = 1 + wordBytes

export class PlainEntryWriter {
  readonly #keyBytes: number
  readonly #valueBytes: number
  readonly #prefixBytes: number
  /** The table's prefix in words. The last one reaches into what is written after it. */
  readonly #words: Int32Array

  /** `prefix`: see `entryPrefix`. `valueBytes`: 8 for a float64, 4 for an int32. */
  constructor(prefix: Uint8Array, valueBytes: number) {
    this.#keyBytes = int32EntryKeyBytes(prefix)
    this.#valueBytes = valueBytes
    this.#prefixBytes = prefix.length
    const padded = new Uint8Array(Math.ceil(prefix.length / wordBytes) * wordBytes)
    padded.set(prefix)
    const view = new DataView(padded.buffer)
    this.#words = Int32Array.from({ length: padded.length / wordBytes }, (_, i) => view.getInt32(i * wordBytes, true))
  }

  write(keyGroup: number, key: number, value: number, out: PackedEntriesWriter): void {
    const start = out.place(this.#keyBytes, this.#valueBytes)
    const { view } = out
    const words = this.#words
    view.setUint16(start, keyGroup)
    const prefixAt = start + keyGroupBytes
    for (let i = 0; i < words.length; i++) view.setInt32(prefixAt + i * wordBytes, words[i]!, true)
    const classAt = prefixAt + this.#prefixBytes
    view.setUint8(classAt, KeyClass.Int32)
    view.setInt32(classAt + 1, key, true)
    if (this.#valueBytes === 8) view.setFloat64(classAt + int32KeyBytes, value, true)
    else view.setInt32(classAt + int32KeyBytes, value, true)
  }
}
