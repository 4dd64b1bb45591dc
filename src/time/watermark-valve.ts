/**
 * Combines the watermarks and statuses of a task's input channels (Flink's StatusWatermarkValve). One thread, cold.
 *
 * Invariants
 * 1. The combined watermark is the minimum over the inputs that are active and aligned, and never falls.
 * 2. An idle input does not count. One that turns active again counts once it has caught up with the combined
 *    watermark (it is `aligned` then), so that it cannot hold others back with a stale watermark.
 * 3. All inputs idle: the valve is idle. Where the last one to fall idle held the watermark back, the largest
 *    watermark seen on any input is let through first.
 * 4. An ended input no longer counts; all ended gives the maximal watermark.
 */
import { assert } from '../common/assert.ts'
import { maxWatermark, minWatermark } from '../common/limits.ts'

/** What a call changed; bits. Watermark goes before status where both changed and the status became idle. */
export const ValveChange = { None: 0, Watermark: 1, Status: 2 } as const

interface InputState {
  watermarkMs: number
  isIdle: boolean
  isAligned: boolean
  isEnded: boolean
}

export interface HoldingBack {
  readonly input: number
  readonly watermarkMs: number
}

export class WatermarkValve {
  readonly #inputs: InputState[]
  #watermarkMs = minWatermark
  #isIdle = false

  constructor(inputCount: number) {
    assert(inputCount >= 1, `a valve needs at least one input, got ${inputCount}`)
    this.#inputs = Array.from({ length: inputCount }, () => ({
      watermarkMs: minWatermark,
      isIdle: false,
      isAligned: true,
      isEnded: false,
    }))
  }

  /** The combined watermark. */
  get watermarkMs(): number {
    return this.#watermarkMs
  }

  /** True where every input is idle. */
  get isIdle(): boolean {
    return this.#isIdle
  }

  /** A watermark arrived. One that does not rise, or that comes from an idle input, is ignored. */
  inputWatermark(input: number, timestampMs: number): number {
    const state = this.#inputs[input]!
    if (this.#isIdle || state.isIdle || timestampMs <= state.watermarkMs) return ValveChange.None
    state.watermarkMs = timestampMs
    if (!state.isAligned && timestampMs >= this.#watermarkMs) state.isAligned = true
    return this.#raiseToLeastAligned()
  }

  inputStatus(input: number, isIdle: boolean): number {
    const state = this.#inputs[input]!
    if (state.isIdle === isIdle || state.isEnded) return ValveChange.None
    state.isIdle = isIdle
    return isIdle ? this.#inputBecameIdle(state) : this.#inputBecameActive(state)
  }

  /** An input ended: it holds nothing back any more. */
  endInput(input: number): number {
    const state = this.#inputs[input]!
    if (state.isEnded) return ValveChange.None
    state.isEnded = true
    state.watermarkMs = maxWatermark
    state.isAligned = true
    state.isIdle = false
    if (!this.#inputs.every((each) => each.isEnded || each.isIdle)) return this.#raiseToLeastAligned()
    if (!this.#inputs.every((each) => each.isEnded)) return this.#setIdle(true)
    return this.#setIdle(false) | this.#raiseToLeastAligned()
  }

  /**
   * Diagnostic: the active input with the smallest watermark, which the combined one waits for. Undefined where no
   * active input is left.
   */
  holdingBack(): HoldingBack | undefined {
    let found: HoldingBack | undefined
    this.#inputs.forEach(({ watermarkMs, isIdle, isAligned, isEnded }, input) => {
      if (isIdle || isEnded || !isAligned) return
      if (found === undefined || watermarkMs < found.watermarkMs) found = { input, watermarkMs }
    })
    return found
  }

  /** Watermark of one input, for metrics. */
  inputWatermarkMs(input: number): number {
    return this.#inputs[input]!.watermarkMs
  }

  #inputBecameIdle(state: InputState): number {
    state.isAligned = false
    const heldBack = state.watermarkMs === this.#watermarkMs
    if (this.#inputs.some((each) => !each.isIdle && !each.isEnded)) {
      return heldBack ? this.#raiseToLeastAligned() : ValveChange.None
    }
    const rose = heldBack ? this.#raiseTo(this.#largestWatermarkMs()) : ValveChange.None
    return rose | this.#setIdle(true)
  }

  #inputBecameActive(state: InputState): number {
    if (state.watermarkMs >= this.#watermarkMs) state.isAligned = true
    return this.#setIdle(false)
  }

  #setIdle(isIdle: boolean): number {
    if (this.#isIdle === isIdle) return ValveChange.None
    this.#isIdle = isIdle
    return ValveChange.Status
  }

  #raiseToLeastAligned(): number {
    let leastMs = maxWatermark
    let areAllEnded = true
    let found = false
    for (const { isAligned, isEnded, watermarkMs } of this.#inputs) {
      if (isEnded) continue
      areAllEnded = false
      if (!isAligned) continue
      found = true
      if (watermarkMs < leastMs) leastMs = watermarkMs
    }
    return found || areAllEnded ? this.#raiseTo(leastMs) : ValveChange.None
  }

  #raiseTo(timestampMs: number): number {
    if (timestampMs <= this.#watermarkMs) return ValveChange.None
    this.#watermarkMs = timestampMs
    return ValveChange.Watermark
  }

  #largestWatermarkMs(): number {
    let largestMs = minWatermark
    for (const { watermarkMs, isEnded } of this.#inputs) {
      if (!isEnded && watermarkMs > largestMs) largestMs = watermarkMs
    }
    return largestMs
  }
}
