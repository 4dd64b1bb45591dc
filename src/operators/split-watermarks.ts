/**
 * Watermarks per split of one source subtask: every split has a generator of its own, and the subtask's watermark is the
 * minimum over the splits it holds (Flink's per-split outputs). Owned by the operator at the head of the source's chain;
 * made with the first split output, so that readers which make none pay nothing. Cold but for `current`.
 *
 * Invariants
 * 1. A registered split holds the watermark back until it has one, is idle or is released.
 * 2. A released split's last watermark is told before it goes, as it would have been with the next emission.
 * 3. The subtask is idle where every split is, or where it holds none for the idle time-out; a split that comes makes it
 *    active at once. Records emitted past the splits (through the reader's own output) have a generator beside them.
 * 4. A paused split is not idle: its activity clock stands still, as all do while the whole source is paused.
 */
import { ActivityClock } from '../time/activity-clock.ts'
import type { WatermarkGenerator, WatermarkOutput } from '../time/watermark-generator.ts'
import { type SplitOutputs, WatermarkOutputMultiplexer } from '../time/watermark-output-multiplexer.ts'
import type { GeneratorContext, WatermarkStrategy } from '../time/watermark-strategy.ts'

/** One split: its generator, and where that emits. */
export interface SplitGenerator<T> {
  readonly generator: WatermarkGenerator<T>
  /** For `onEvent`. */
  readonly output: WatermarkOutput
}

interface RegisteredSplit<T> extends SplitGenerator<T> {
  readonly outputs: SplitOutputs
  readonly activity: ActivityClock
}

export interface SplitWatermarksParts<T> {
  readonly strategy: WatermarkStrategy<T>
  readonly context: Required<GeneratorContext>
  /** Where the combined watermark and status go. */
  readonly downstream: WatermarkOutput
}

export class SplitWatermarks<T> {
  readonly #parts: SplitWatermarksParts<T>
  readonly #splits = new Map<string, RegisteredSplit<T>>()
  readonly #multiplexer: WatermarkOutputMultiplexer
  /** Asked for its idleness while there is no split; made anew whenever the last one goes. */
  #withoutSplits: WatermarkGenerator<T>
  /** As the splits have it, and as what runs beside them has it. */
  #splitsIdle = false
  #restIdle = false
  #mainIsUsed = false

  constructor(parts: SplitWatermarksParts<T>) {
    this.#parts = parts
    this.#multiplexer = new WatermarkOutputMultiplexer({
      emitWatermark: (timestampMs) => parts.downstream.emitWatermark(timestampMs),
      markIdle: () => this.#setSplitsIdle(true),
      markActive: () => this.#setSplitsIdle(false),
    })
    this.#withoutSplits = parts.strategy.createGenerator(parts.context)
  }

  /** For records that the reader emits beside its splits. */
  readonly main: WatermarkOutput = {
    emitWatermark: (timestampMs) => this.#parts.downstream.emitWatermark(timestampMs),
    markIdle: () => this.#setRestIdle(true),
    markActive: () => this.#setRestIdle(false),
  }

  /** The reader emits beside its splits as well. */
  useMain(): void {
    this.#mainIsUsed = true
  }

  get size(): number {
    return this.#splits.size
  }

  /** The split of that id, registered where it is not yet. */
  register(splitId: string): SplitGenerator<T> {
    const known = this.#splits.get(splitId)
    if (known !== undefined) return known
    const { strategy, context } = this.#parts
    const activity = new ActivityClock(context.inputActivityClock)
    const outputs = this.#multiplexer.register(splitId)
    const generator = strategy.createGenerator({ clock: context.clock, inputActivityClock: activity })
    const split = { generator, output: outputs.immediate, outputs, activity }
    this.#splits.set(splitId, split)
    this.#multiplexer.emit()
    if (!this.#mainIsUsed) this.#setRestIdle(false)
    return split
  }

  /** The split has been read whole, or went elsewhere. */
  release(splitId: string): void {
    const split = this.#splits.get(splitId)
    if (split === undefined) return
    split.generator.onPeriodicEmit(split.outputs.deferred)
    this.#multiplexer.emit()
    this.#multiplexer.unregister(splitId)
    this.#splits.delete(splitId)
    if (this.#splits.size > 0) return
    const { strategy, context } = this.#parts
    this.#withoutSplits = strategy.createGenerator(context)
  }

  /** Asks every split's generator, combines once, and asks the generator of what comes beside the splits. */
  emitPeriodic(main: WatermarkGenerator<T>): void {
    for (const { generator, outputs } of this.#splits.values()) generator.onPeriodicEmit(outputs.deferred)
    this.#multiplexer.emit()
    if (this.#mainIsUsed) main.onPeriodicEmit(this.main)
    else if (this.#splits.size === 0) this.#withoutSplits.onPeriodicEmit(this.#idlenessOnly)
  }

  splitIds(): Iterable<string> {
    return this.#splits.keys()
  }

  /** Last watermark of a split; undefined where it is not registered. */
  watermarkMs(splitId: string): number | undefined {
    return this.#multiplexer.watermarkMs(splitId)
  }

  /** Alignment reads no more of the split for now. */
  setPaused(splitId: string, isPaused: boolean): void {
    this.#splits.get(splitId)?.activity.setPaused(isPaused)
  }

  /** The active split with the smallest watermark. */
  holdingBack(): { readonly splitId: string; readonly watermarkMs: number } | undefined {
    return this.#multiplexer.holdingBack()
  }

  readonly #idlenessOnly: WatermarkOutput = {
    emitWatermark: () => {},
    markIdle: () => this.#setRestIdle(true),
    markActive: () => this.#setRestIdle(false),
  }

  #setSplitsIdle(isIdle: boolean): void {
    this.#splitsIdle = isIdle
    this.#tellStatus()
  }

  #setRestIdle(isIdle: boolean): void {
    this.#restIdle = isIdle
    this.#tellStatus()
  }

  #tellStatus(): void {
    const splitsAreIdle = this.#splits.size === 0 || this.#splitsIdle
    const restIsIdle = this.#restIdle || (this.#splits.size > 0 && !this.#mainIsUsed)
    if (splitsAreIdle && restIsIdle) this.#parts.downstream.markIdle()
    else this.#parts.downstream.markActive()
  }
}
