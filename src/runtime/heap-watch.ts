/**
 * Watches the JavaScript heap of a slot's thread, so that an overflow ends the slot and never the process.
 *
 * V8's own limit cannot do that: Node ends a worker that reaches it, but leaves V8 16 MiB more to get there, and one
 * array that grows or one Map that doubles asks for more than that at once; V8 then ends the whole process. So V8's limit
 * lies `heapReserveMb` above the slot's, and between passes the slot looks for itself: 0.6 µs, 20 times a second. What it
 * finds may be garbage that V8, with room left, has not looked for yet; hence a collection before the verdict. A call that
 * does not return is the business of `coordinator/heap-guard.ts`. Thread: a slot's.
 */
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Clock } from '../common/clock.ts'
import { configOptions } from '../common/config-options.ts'
import { MillraceError } from '../common/errors.ts'

/**
 * What V8 may have beyond a slot's limit: V8 collects garbage half-way between what lives and its limit, so by half of
 * this where all is well; then the young generation; then room for what grows until somebody has looked.
 */
export const heapReserveMb = 768
/** Garbage on top of the limit, as a part of it, before the watch has it collected: V8 usually does so by itself, in steps. */
const garbageFraction = 1 / 8
/** After so many collections in a row that took longer than the work between them a slot counts as full. */
const uselessCollectionsMax = 4
const mebibyte = 2 ** 20

/** The heap of the thread, as the watch sees it. */
export interface WatchedHeap {
  usedBytes(): number
  /** Without the young generation; dearer to ask for. */
  oldBytes(): number
  /** Collects all garbage; false where that is not possible at the moment. */
  collect(): boolean
}

export interface HeapWatchOptions {
  readonly slot: number
  readonly limitBytes: number
  readonly clock: Clock
  readonly heap?: WatchedHeap
}

export class HeapWatch {
  readonly #slot: number
  readonly #limitBytes: number
  readonly #clock: Clock
  readonly #heap: WatchedHeap
  #collectedMs = Number.NEGATIVE_INFINITY
  #uselessCollections = 0

  constructor({ slot, limitBytes, clock, heap = threadHeap }: HeapWatchOptions) {
    this.#slot = slot
    this.#limitBytes = limitBytes
    this.#clock = clock
    this.#heap = heap
  }

  /** Throws MR_WORKER_OUT_OF_MEMORY where the heap holds more than its limit, or little else happens than collections. */
  check(): void {
    const collectAtBytes = this.#limitBytes * (1 + garbageFraction)
    if (this.#heap.usedBytes() <= collectAtBytes || this.#heap.oldBytes() <= collectAtBytes) return
    const startMs = this.#clock.monotonicMs()
    if (!this.#heap.collect()) return
    const endMs = this.#clock.monotonicMs()
    const isUseless = endMs - startMs > startMs - this.#collectedMs
    this.#uselessCollections = isUseless ? this.#uselessCollections + 1 : 0
    this.#collectedMs = endMs
    const oldBytes = this.#heap.oldBytes()
    if (oldBytes <= this.#limitBytes && this.#uselessCollections < uselessCollectionsMax) return
    throw heapOverflow(this.#slot, oldBytes, this.#limitBytes)
  }
}

/** What a slot fails with, whoever has noticed. */
export function heapOverflow(slot: number, usedBytes: number, limitBytes: number): MillraceError {
  const [used, limit] = [inMebibytes(usedBytes), inMebibytes(limitBytes)]
  const message = `slot ${slot} has ${used} on its JavaScript heap; its limit is ${limit} (${configOptions.heapPerSlot.key})`
  return new MillraceError('MR_WORKER_OUT_OF_MEMORY', message)
}

const inMebibytes = (bytes: number): string => `${Math.round(bytes / mebibyte)} MiB`

let collectGarbage: (() => void) | undefined

const threadHeap: WatchedHeap = {
  usedBytes: () => getHeapStatistics().used_heap_size,
  oldBytes() {
    let bytes = 0
    for (const { space_name, space_used_size } of getHeapSpaceStatistics()) {
      if (!space_name.startsWith('new_')) bytes += space_used_size
    }
    return bytes
  },
  collect() {
    collectGarbage ??= globalThis.gc ?? exposedCollector()
    collectGarbage?.()
    return collectGarbage !== undefined
  },
}

/**
 * V8 gives its collector to contexts made while a flag of the process is set. Undefined where another slot, on the same
 * errand, has just reset it.
 */
function exposedCollector(): (() => void) | undefined {
  setFlagsFromString('--expose-gc')
  try {
    return runInNewContext('globalThis.gc') as (() => void) | undefined
  } finally {
    setFlagsFromString('--no-expose-gc')
  }
}
