/**
 * Reads file splits and hands their text, piece by piece, to a format that emits the records. One reader serves lines,
 * NDJSON and CSV; what runs per record is the format's own loop.
 *
 * Invariant: splits are read one after another, each through its own output. What the reader holds and has not begun does
 * not hold the watermark back, as if it had not been assigned yet (Flink hands files out on request); what an earlier run
 * has begun does, since the watermark may have waited for it.
 */
import { Progress } from '../../common/progress.ts'
import type { OperatorContext, ReaderOutput, SourceOutput } from '../../operators/operator.ts'
import type { SourceReader } from '../source.ts'
import { SplitQueue } from '../split-queue.ts'
import { GzipInput, PlainInput } from './byte-input.ts'
import { type FileRange, type FileSplit, fileSplitId, isGzip } from './file-split.ts'
import { firstOffset, TextWindow, type TextWindowOptions } from './text-window.ts'

export interface TextFormat<T> {
  /** Called where a new range begins, before its first piece. */
  begin?(range: FileRange, schema: FileSplit['schema']): void
  /** What a snapshot must keep of the file's beginning. */
  header?(): FileRange['header']
  /**
   * Emits records from `window.cursor` on and moves the cursor behind them, until the piece is used up, `recordsMax` are
   * emitted or the output is full. Answers how many records it read. Where it stands before a record that does not end
   * in this piece it answers `incomplete` and is called again with a longer piece, or with `isLast`.
   */
  emit(window: TextWindow, output: SourceOutput<T>, recordsMax: number, isLast: boolean): number
}

/** Answer of `TextFormat.emit`: the record at the cursor does not end in this piece. */
export const incomplete = -1

export class FileRecordsReader<T> implements SourceReader<T, FileSplit> {
  readonly #format: TextFormat<T>
  readonly #options: TextWindowOptions
  readonly #context: OperatorContext
  readonly #splits = new SplitQueue<FileSplit>()
  /** Ranges of the split at hand that are not begun. */
  #ranges: FileRange[] = []
  #range: FileRange | undefined
  #schema: FileSplit['schema']
  /** Output of the split at hand, and its id; the ids of begun splits that wait for their turn. */
  #splitOutput: SourceOutput<T> | undefined
  #splitId: string | undefined
  #waitingIds: string[] = []
  #window: TextWindow | undefined
  #isLast = false
  #doneBytes = 0
  #totalBytes = 0

  constructor(format: TextFormat<T>, options: TextWindowOptions, context: OperatorContext) {
    this.#format = format
    this.#options = options
    this.#context = context
  }

  addSplits(splits: readonly FileSplit[]): void {
    this.#splits.add(splits)
    for (const split of splits) if (split.ranges[0]?.position !== undefined) this.#waitingIds.push(fileSplitId(split))
    for (const split of splits) for (const range of split.ranges) this.#totalBytes += rangeBytes(range)
  }

  noMoreSplits(): void {
    this.#splits.complete()
  }

  needsSplit(): boolean {
    return this.#window === undefined && this.#ranges.length === 0 && this.#splits.needsSplit
  }

  poll(output: ReaderOutput<T>, recordsMax: number): Progress {
    let left = recordsMax
    if (this.#waitingIds.length > 0) for (const id of this.#waitingIds.splice(0)) output.createOutputForSplit(id)
    while (left > 0 && !output.isFull()) {
      const window = this.#window ?? this.#openNext(output)
      if (window === undefined) return this.#splits.progressWhenEmpty
      if (window.cursor >= window.text.length) {
        const progress = window.advance()
        if (progress === Progress.Idle) return Progress.Idle
        this.#isLast = false
        if (progress === Progress.Done) {
          this.#closeWindow()
          continue
        }
      }
      const count = this.#format.emit(window, this.#splitOutput!, left, this.#isLast)
      if (count !== incomplete) left -= count
      else {
        const progress = window.extend()
        if (progress === Progress.Idle) return Progress.Idle
        this.#isLast = progress === Progress.Done
      }
    }
    return Progress.Working
  }

  #openNext(output: ReaderOutput<T>): TextWindow | undefined {
    if (this.#ranges.length === 0) this.#takeSplit(output)
    const range = this.#ranges.shift()
    if (range === undefined) return undefined
    const input = isGzip(range.path)
      ? new GzipInput(range.path, range.position ?? 0, this.#context)
      : new PlainInput(range.path, firstOffset(range), range.end)
    this.#format.begin?.(range, this.#schema)
    this.#range = range
    this.#window = new TextWindow(input, range, this.#options)
    return this.#window
  }

  #takeSplit(output: ReaderOutput<T>): void {
    if (this.#splitId !== undefined) output.releaseOutputForSplit(this.#splitId)
    const split = this.#splits.take()
    this.#ranges = [...(split?.ranges ?? [])]
    this.#schema = split?.schema
    this.#splitId = split && fileSplitId(split)
    this.#splitOutput = this.#splitId === undefined ? undefined : output.createOutputForSplit(this.#splitId)
  }

  #closeWindow(): void {
    this.#window?.close()
    this.#window = undefined
    if (this.#range !== undefined) this.#doneBytes += rangeBytes(this.#range)
    this.#range = undefined
  }

  snapshot(): readonly FileSplit[] {
    const ranges = [...this.#ranges]
    if (this.#range !== undefined && this.#window !== undefined) {
      const position = this.#window.cursorOffset()
      const header = this.#format.header?.()
      ranges.unshift({ ...this.#range, position, line: this.#window.cursorLineIfKept(), header })
    }
    const rest = this.#splits.remaining()
    return ranges.length === 0 ? [...rest] : [{ ranges, schema: this.#schema }, ...rest]
  }

  progress(): { readonly doneBytes: number; readonly totalBytes: number } {
    const from = this.#range?.position ?? this.#range?.start ?? 0
    const underWay = this.#window === undefined ? 0 : Math.max(0, this.#window.cursorOffset() - from)
    return { doneBytes: this.#doneBytes + underWay, totalBytes: this.#totalBytes }
  }

  close(): void {
    this.#window?.close()
    this.#window = undefined
  }
}

/** NaN where the size is not known before reading. */
function rangeBytes(range: FileRange): number {
  return Number.isFinite(range.end) ? range.end - (range.position ?? range.start) : Number.NaN
}
