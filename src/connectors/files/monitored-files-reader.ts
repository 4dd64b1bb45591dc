/**
 * Reads files that appear while the job runs. Every reader looks for itself, from time to time, and takes the files whose
 * path hashes to its index: no coordination, and what has been seen is part of the split.
 *
 * Invariants
 * 1. A path is read once, as long as it is when it is found: files should be written elsewhere (or under a hidden name)
 *    and moved in. A file that grows or changes later is not read again.
 * 2. Strides move as a whole: a reader may hold several after a change of the parallelism.
 */
import { MillraceError } from '../../common/errors.ts'
import { Progress } from '../../common/progress.ts'
import type { Clock } from '../../common/clock.ts'
import type { OperatorContext, ReaderOutput } from '../../operators/operator.ts'
import { Alarm } from '../alarm.ts'
import type { SourceReader } from '../source.ts'
import type { FileRecordsReader } from './file-records-reader.ts'
import { type FileSplit, planSplits } from './file-split.ts'
import { findFiles, type FoundFile } from './find-files.ts'

/** The files whose path hashes to `index` modulo `count`. */
export interface MonitorSplit {
  readonly index: number
  readonly count: number
  readonly seen: readonly string[]
  /** Found and not yet read whole. */
  readonly unread: readonly FileSplit[]
}

export interface MonitorOptions {
  readonly path: string | readonly string[]
  readonly intervalMs: number
  readonly splitBytes: number
  readonly isDivisible: boolean
}

export function monitorSplits(parallelism: number): MonitorSplit[] {
  return Array.from({ length: parallelism }, (_, index) => ({ index, count: parallelism, seen: [], unread: [] }))
}

export class MonitoredFilesReader<T> implements SourceReader<T, MonitorSplit> {
  readonly #files: FileRecordsReader<T>
  readonly #options: MonitorOptions
  readonly #clock: Clock
  readonly #alarm: Alarm
  readonly #strides: { readonly index: number; readonly count: number; readonly seen: Set<string> }[] = []
  #lookAtMs = Number.NEGATIVE_INFINITY

  constructor(files: FileRecordsReader<T>, options: MonitorOptions, context: OperatorContext) {
    this.#files = files
    this.#options = options
    this.#clock = context.clock
    this.#alarm = new Alarm(context)
  }

  addSplits(splits: readonly MonitorSplit[]): void {
    for (const { index, count, seen, unread } of splits) {
      this.#strides.push({ index, count, seen: new Set(seen) })
      this.#files.addSplits(unread)
    }
  }

  noMoreSplits(): void {}

  needsSplit(): boolean {
    return false
  }

  poll(output: ReaderOutput<T>, recordsMax: number): Progress {
    const progress = this.#files.poll(output, recordsMax)
    if (progress === Progress.Working || !this.#files.needsSplit()) return progress
    // Without a stride (fewer were dealt out than there are readers) there is nothing to look for, ever.
    if (this.#strides.length === 0) return Progress.Done
    const leftMs = this.#lookAtMs - this.#clock.monotonicMs()
    if (leftMs > 0) {
      this.#alarm.set(leftMs)
      return Progress.Idle
    }
    this.#look()
    return Progress.Working
  }

  #look(): void {
    this.#lookAtMs = this.#clock.monotonicMs() + this.#options.intervalMs
    const { splitBytes, isDivisible } = this.#options
    const found = this.#filesThere().filter((file) => this.#takes(file.path))
    if (found.length > 0) this.#files.addSplits(planSplits(found, () => splitBytes, isDivisible))
  }

  /** A path that is not there (yet, or any more) holds no files. */
  #filesThere(): FoundFile[] {
    try {
      return findFiles(this.#options.path)
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'MR_SOURCE_NOT_FOUND') return []
      throw error
    }
  }

  #takes(path: string): boolean {
    const hash = pathHash(path)
    const stride = this.#strides.find(({ index, count }) => hash % count === index)
    if (stride === undefined || stride.seen.has(path)) return false
    stride.seen.add(path)
    return true
  }

  snapshot(): readonly MonitorSplit[] {
    const unread = this.#files.snapshot()
    return this.#strides.map(({ index, count, seen }, i) => ({
      index,
      count,
      seen: [...seen],
      unread: i === 0 ? unread : [],
    }))
  }

  close(): void {
    this.#alarm.clear()
    this.#files.close()
  }
}

/** FNV-1a over UTF-16 units, unsigned. */
function pathHash(path: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
