/**
 * What a task holds of its sessions, by key: the stretch that has not left yet, and the one that has left before it. The
 * second phase keeps the session of what has left until a watermark reaches its end: up to then, what begins within it
 * may go on waiting.
 */
import { KeyIndex } from '../key-index.ts'
import type { NumberList } from './number-list.ts'

const roomMin = 64
const wordsPerKey = 4

export class Stretches<Acc> {
  readonly index: KeyIndex = new KeyIndex()
  /** By number of the key. */
  readonly accumulators: Acc[] = []
  /**
   * By number of the key, four each, in ms: start (NaN: nothing waits) and end, exclusive, of what waits; start and end of
   * what has left. Read and written by generated code.
   */
  bounds: Float64Array = new Float64Array(wordsPerKey * roomMin)

  /** Keys that there are. */
  count = 0

  add(key: unknown, accumulator: Acc, startMs: number, endMs: number): number {
    const number = this.index.add(key)
    const at = wordsPerKey * number
    if (at === this.bounds.length) {
      const wider = new Float64Array(2 * at)
      wider.set(this.bounds)
      this.bounds = wider
    }
    this.count++
    this.bounds[at + 2] = Number.POSITIVE_INFINITY
    this.bounds[at + 3] = Number.NEGATIVE_INFINITY
    this.put(number, accumulator, startMs, endMs)
    return number
  }

  /** A stretch that waits, where nothing has waited. */
  put(number: number, accumulator: Acc, startMs: number, endMs: number): void {
    this.accumulators[number] = accumulator
    this.bounds[wordsPerKey * number] = startMs
    this.bounds[wordsPerKey * number + 1] = endMs
  }

  waits(number: number): boolean {
    const startMs = this.bounds[wordsPerKey * number]!
    return startMs === startMs
  }

  startMs(number: number): number {
    return this.bounds[wordsPerKey * number]!
  }

  endMs(number: number): number {
    return this.bounds[wordsPerKey * number + 1]!
  }

  /** True where a record from `startMs` on belongs to a session that lasts beyond `timeMs`, by what has left. */
  isCovered(number: number, startMs: number, timeMs: number): boolean {
    const at = wordsPerKey * number
    return startMs >= this.bounds[at + 2]! && this.bounds[at + 3]! - 1 > timeMs
  }

  /** What waits has left. */
  leave(number: number): void {
    const { bounds } = this
    const at = wordsPerKey * number
    const startMs = bounds[at]!
    const endMs = bounds[at + 1]!
    bounds[at] = Number.NaN
    if (startMs <= bounds[at + 3]! && endMs >= bounds[at + 2]!) {
      bounds[at + 2] = Math.min(bounds[at + 2]!, startMs)
      bounds[at + 3] = Math.max(bounds[at + 3]!, endMs)
    } else if (endMs > bounds[at + 3]!) {
      bounds[at + 2] = startMs
      bounds[at + 3] = endMs
    }
  }

  /** Adds to `due` what waits and is not sure to be covered beyond `timeMs`; forgets keys whose session is over by `reachedMs`. */
  sweep(reachedMs: number, timeMs: number, due: NumberList): void {
    const { index, bounds, accumulators } = this
    const { keys, bound } = index
    for (let number = 0; number < bound; number++) {
      const at = wordsPerKey * number
      const startMs = bounds[at]!
      if (startMs === startMs) {
        if (bounds[at + 3]! - 1 <= timeMs) due.push(number)
      } else if (bounds[at + 3]! - 1 <= reachedMs && keys[number] !== undefined) {
        index.remove(number)
        this.count--
        if (typeof accumulators[number] === 'object') accumulators[number] = undefined as Acc
      }
    }
  }
}
