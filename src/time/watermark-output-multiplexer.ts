/**
 * Combines the watermarks of many splits of one source subtask into one: the minimum over the splits that are active.
 * Owned by the source operator; cold (per emission, not per record).
 *
 * Invariants
 * 1. The combined watermark never falls.
 * 2. All splits idle: the output is idle. A removed split no longer counts.
 * 3. Watermarks emitted in onEvent go through `immediate` and combine at once; those of onPeriodicEmit go through
 *    `deferred` and combine with the next `emit()`, once for all splits.
 */
import { maxWatermark, minWatermark } from '../common/limits.ts'
import type { WatermarkOutput } from './watermark-generator.ts'

interface PartialWatermark {
  watermarkMs: number
  isIdle: boolean
}

export interface SplitOutputs {
  readonly immediate: WatermarkOutput
  readonly deferred: WatermarkOutput
}

export class WatermarkOutputMultiplexer {
  readonly #downstream: WatermarkOutput
  readonly #splits = new Map<string, PartialWatermark>()
  #combinedMs = minWatermark
  #isIdle = false

  constructor(downstream: WatermarkOutput) {
    this.#downstream = downstream
  }

  /** Registers a split, active and with no watermark yet. */
  register(splitId: string): SplitOutputs {
    const split: PartialWatermark = { watermarkMs: minWatermark, isIdle: false }
    this.#splits.set(splitId, split)
    return { immediate: this.#outputOf(split, true), deferred: this.#outputOf(split, false) }
  }

  /** The split has been read whole, or went elsewhere. */
  unregister(splitId: string): void {
    if (this.#splits.delete(splitId)) this.emit()
  }

  /** Combines what the deferred outputs hold. */
  emit(): void {
    if (this.#splits.size === 0) return
    let leastMs = maxWatermark
    let isIdle = true
    for (const split of this.#splits.values()) {
      if (split.isIdle) continue
      isIdle = false
      if (split.watermarkMs < leastMs) leastMs = split.watermarkMs
    }
    if (isIdle !== this.#isIdle) {
      this.#isIdle = isIdle
      if (isIdle) this.#downstream.markIdle()
      else this.#downstream.markActive()
    }
    if (isIdle || leastMs <= this.#combinedMs) return
    this.#combinedMs = leastMs
    this.#downstream.emitWatermark(leastMs)
  }

  /** The active split with the smallest watermark; undefined where all are idle or none is registered. */
  holdingBack(): { splitId: string; watermarkMs: number } | undefined {
    let found: { splitId: string; watermarkMs: number } | undefined
    for (const [splitId, { isIdle, watermarkMs }] of this.#splits) {
      if (!isIdle && (found === undefined || watermarkMs < found.watermarkMs)) found = { splitId, watermarkMs }
    }
    return found
  }

  /** Watermark of one split, for alignment of splits and metrics; undefined where it is not registered. */
  watermarkMs(splitId: string): number | undefined {
    return this.#splits.get(splitId)?.watermarkMs
  }

  #outputOf(split: PartialWatermark, isImmediate: boolean): WatermarkOutput {
    const combine = (): void => {
      if (isImmediate) this.emit()
    }
    return {
      emitWatermark: (timestampMs) => {
        split.isIdle = false
        if (timestampMs > split.watermarkMs) split.watermarkMs = timestampMs
        combine()
      },
      markIdle: () => {
        split.isIdle = true
        combine()
      },
      markActive: () => {
        split.isIdle = false
        combine()
      },
    }
  }
}
