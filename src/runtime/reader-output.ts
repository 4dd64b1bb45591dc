/**
 * What a source's reader emits into: the chain's own output, and an output for each split that the reader asks for.
 * Readers that ask for none call the chain's generated code directly. Thread: the slot's; hot where splits are used.
 */
import type { Output, ReaderOutput, SourceOutput } from '../operators/operator.ts'
import type { OutputTag } from '../operators/output-tag.ts'
import type { SplitGenerator } from '../operators/split-watermarks.ts'
import type { TimestampsAndWatermarksOperator } from '../operators/timestamps-and-watermarks-operator.ts'
import { WatermarkOutputMultiplexer } from '../time/watermark-output-multiplexer.ts'
import type { WatermarkOutput } from '../time/watermark-generator.ts'

type Main = SourceOutput<unknown>
type Watermarks = TimestampsAndWatermarksOperator<unknown>

/** `watermarks`: the operator at the head of the chain, where the source has a watermark strategy. */
export function readerOutput(main: Main, watermarks: Watermarks | undefined): ReaderOutput<unknown> {
  return watermarks === undefined ? withoutStrategy(main) : withStrategy(main, watermarks)
}

/** Records pass as they are; watermarks that the reader itself emits are combined over its splits. */
function withoutStrategy(main: Main): ReaderOutput<unknown> {
  const combined = new WatermarkOutputMultiplexer(downstreamOf(main))
  const outputs = new Map<string, SourceOutput<unknown>>()
  return {
    ...main,
    createOutputForSplit(splitId) {
      let output = outputs.get(splitId)
      if (output !== undefined) return output
      const own = combined.register(splitId).immediate
      const emitStatus = (isIdle: boolean): void => (isIdle ? own.markIdle() : own.markActive())
      output = { ...main, emitWatermark: (timestampMs) => own.emitWatermark(timestampMs), emitStatus }
      outputs.set(splitId, output)
      return output
    },
    releaseOutputForSplit(splitId) {
      if (outputs.delete(splitId)) combined.unregister(splitId)
    },
  }
}

function withStrategy(main: Main, watermarks: Watermarks): ReaderOutput<unknown> {
  const source = new SplitSelection(main, watermarks)
  const outputs = new Map<string, SplitOutput>()
  const output: ReaderOutput<unknown> = {
    ...main,
    createOutputForSplit(splitId) {
      // From here on, what the reader emits itself is one more split among others.
      if (outputs.size === 0) Object.assign(output, new SplitOutput(source, undefined).bound())
      let split = outputs.get(splitId)
      if (split === undefined) {
        outputs.set(splitId, (split = new SplitOutput(source, watermarks.registerSplit(splitId))))
      }
      return split
    },
    releaseOutputForSplit(splitId) {
      if (!outputs.delete(splitId)) return
      source.selected = null
      watermarks.releaseSplit(splitId)
    },
  }
  return output
}

/** Whose records the watermark operator takes at the moment. */
class SplitSelection {
  readonly main: Main
  readonly #watermarks: Watermarks
  /** Null: not known. */
  selected: SplitGenerator<unknown> | undefined | null = null

  constructor(main: Main, watermarks: Watermarks) {
    this.main = main
    this.#watermarks = watermarks
  }

  select(split: SplitGenerator<unknown> | undefined): void {
    this.selected = split
    this.#watermarks.use(split)
  }
}

class SplitOutput implements SourceOutput<unknown> {
  readonly #source: SplitSelection
  readonly #main: Main
  readonly #split: SplitGenerator<unknown> | undefined

  constructor(source: SplitSelection, split: SplitGenerator<unknown> | undefined) {
    this.#source = source
    this.#main = source.main
    this.#split = split
  }

  collect(value: unknown): void {
    if (this.#source.selected !== this.#split) this.#source.select(this.#split)
    this.#main.collect(value)
  }

  collectAt(value: unknown, timestampMs: number): void {
    if (this.#source.selected !== this.#split) this.#source.select(this.#split)
    this.#main.collectAt(value, timestampMs)
  }

  collectArray(values: ArrayLike<unknown>, from: number, to: number): number {
    if (this.#source.selected !== this.#split) this.#source.select(this.#split)
    return this.#main.collectArray!(values, from, to)
  }

  collectSide<S>(tag: OutputTag<S>, value: S, timestampMs?: number): void {
    this.#main.collectSide(tag, value, timestampMs)
  }

  /** The strategy makes the watermarks; those of a source are dropped, as Flink does, but for the end's. */
  emitWatermark(timestampMs: number): void {
    this.#main.emitWatermark(timestampMs)
  }

  emitStatus(isIdle: boolean): void {
    this.#main.emitStatus(isIdle)
  }

  isFull(): boolean {
    return this.#main.isFull()
  }

  /** The methods that select, for an object that has none of this one's fields. */
  bound(): Pick<Required<SourceOutput<unknown>>, 'collect' | 'collectAt' | 'collectArray'> {
    return {
      collect: (value) => this.collect(value),
      collectAt: (value, timestampMs) => this.collectAt(value, timestampMs),
      collectArray: (values, from, to) => this.collectArray(values, from, to),
    }
  }
}

function downstreamOf(main: Output<unknown>): WatermarkOutput {
  return {
    emitWatermark: (timestampMs) => main.emitWatermark(timestampMs),
    markIdle: () => main.emitStatus(true),
    markActive: () => main.emitStatus(false),
  }
}
