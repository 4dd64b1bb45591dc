/**
 * Alignment within a source subtask: where it reads several splits, those that are too far ahead pause one by one, and
 * the others go on (Flink's split-level alignment). For readers that can pause splits. Cold: a few loads per split and poll.
 */
import type { SourceReader } from '../connectors/source.ts'
import type { SplitWatermarks } from '../operators/split-watermarks.ts'

export interface SplitAlignmentParts {
  /** Undefined as long as the reader has asked for no split output. */
  readonly splits: () => SplitWatermarks<unknown> | undefined
  readonly reader: Pick<SourceReader<unknown>, 'pauseOrResumeSplits'>
}

export class SplitAlignment {
  readonly #parts: SplitAlignmentParts
  readonly #paused = new Set<string>()

  constructor(parts: SplitAlignmentParts) {
    this.#parts = parts
  }

  /** Pauses splits beyond `watermarkMsMax` and resumes the others; answers whether any is paused. */
  align(watermarkMsMax: number): boolean {
    const splits = this.#parts.splits()
    const { reader } = this.#parts
    if (splits === undefined || reader.pauseOrResumeSplits === undefined) return false
    const toPause: string[] = []
    const toResume: string[] = []
    // One split alone is the source, which pauses as a whole.
    const isAlone = splits.size <= 1
    for (const id of splits.splitIds()) {
      const isAhead = !isAlone && splits.watermarkMs(id)! > watermarkMsMax
      if (isAhead === this.#paused.has(id)) continue
      ;(isAhead ? toPause : toResume).push(id)
      splits.setPaused(id, isAhead)
    }
    for (const id of this.#paused) if (splits.watermarkMs(id) === undefined) this.#paused.delete(id)
    for (const id of toPause) this.#paused.add(id)
    for (const id of toResume) this.#paused.delete(id)
    if (toPause.length > 0 || toResume.length > 0) reader.pauseOrResumeSplits(toPause, toResume)
    return this.#paused.size > 0
  }
}
