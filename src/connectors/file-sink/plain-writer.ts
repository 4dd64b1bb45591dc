/**
 * Writes the part files of one subtask in plain mode: lines are gathered and written synchronously in large chunks (a
 * write into the page cache is faster than handing it to another thread). Hot per record: encode and push.
 */
import { closeSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeDirectorySync } from '../../common/file-system.ts'
import type { OperatorContext } from '../../operators/operator.ts'
import { Progress } from '../../common/progress.ts'
import { LineBuffer } from '../formats/line-buffer.ts'
import type { SinkWriter } from '../sink.ts'
import { type BucketAssigner, checkBucket, noBuckets } from './bucket-assigner.ts'
import { parsePartName, partName, type PartNaming } from './part-name.ts'
import type { RowEncoder } from './row-encoder.ts'
import { sinkError } from './sink-error.ts'

/** Files of other buckets than the one at hand that stay open. */
const openPartsMax = 64

export interface PlainWriterOptions<T> {
  readonly encoder: RowEncoder<T>
  readonly buckets: BucketAssigner<T>
  /** A part file is closed and the next one begun where it has reached this size. */
  readonly rollBytes: number
  readonly naming: PartNaming
}

export class PlainWriter<T> implements SinkWriter<T, never, never> {
  readonly #staging: string
  readonly #context: OperatorContext
  readonly #options: PlainWriterOptions<T>
  readonly #parts = new Map<string, Part>()
  readonly #counts = new Map<string, number>()
  #last: Part | undefined

  constructor(staging: string, options: PlainWriterOptions<T>, context: OperatorContext) {
    this.#staging = staging
    this.#options = options
    this.#context = context
    if (context.task.attempt > 0) this.#removeEarlierAttempt()
  }

  write(value: T, timestampMs: number): void {
    const { buckets, encoder, rollBytes } = this.#options
    let part = this.#last
    if (buckets !== noBuckets || part === undefined) part = this.#partFor(value, timestampMs)
    if (part.isEmpty) part.begin(encoder.head(value))
    part.add(encoder.line(value))
    if (part.bytes >= rollBytes) this.#close(part)
  }

  #partFor(value: T, timestampMs: number): Part {
    const context = this.#context
    const bucket = this.#options.buckets(value, {
      timestampMs,
      processingTimeMs: context.clock.nowMs(),
      watermarkMs: context.currentWatermarkMs(),
    })
    const part = this.#parts.get(bucket) ?? this.#open(checkBucket(bucket))
    this.#last = part
    return part
  }

  #open(bucket: string): Part {
    if (this.#parts.size >= openPartsMax) this.#close(this.#parts.values().next().value as Part)
    const count = this.#counts.get(bucket) ?? 0
    this.#counts.set(bucket, count + 1)
    const id = { subtask: this.#context.task.subtaskIndex, count }
    const name = partName(this.#options.naming, id, 'published')
    const part = new Part(bucket, join(this.#staging, bucket, name))
    this.#parts.set(bucket, part)
    return part
  }

  #close(part: Part): void {
    part.close()
    this.#parts.delete(part.bucket)
    if (this.#last === part) this.#last = undefined
  }

  flush(endOfInput: boolean): Progress {
    if (endOfInput) for (const part of this.#parts.values()) this.#close(part)
    return Progress.Done
  }

  close(): void {
    for (const part of this.#parts.values()) part.abandon()
    this.#parts.clear()
  }

  #removeEarlierAttempt(): void {
    for (const entry of readdirSync(this.#staging, { recursive: true, withFileTypes: true })) {
      const part = parsePartName(this.#options.naming, entry.name)
      if (!entry.isFile() || part?.subtask !== this.#context.task.subtaskIndex) continue
      rmSync(join(entry.parentPath, entry.name), { force: true })
    }
  }
}

/** One file that is being written. */
class Part {
  readonly bucket: string
  readonly #path: string
  readonly #lines = new LineBuffer()
  #fd: number
  #writtenBytes = 0
  isEmpty = true

  constructor(bucket: string, path: string) {
    this.bucket = bucket
    this.#path = path
    try {
      if (bucket !== '') makeDirectorySync(dirname(path))
      this.#fd = openSync(path, 'w')
    } catch (error) {
      throw sinkError(path, error)
    }
  }

  /** About: what is not written yet counts a byte a character. */
  get bytes(): number {
    return this.#writtenBytes + this.#lines.chars
  }

  begin(head: string | undefined): void {
    this.isEmpty = false
    if (head !== undefined) this.add(head)
  }

  add(line: string): void {
    if (this.#lines.add(line)) this.#writeOut()
  }

  #writeOut(): void {
    const bytes = this.#lines.encode()
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at)
    } catch (error) {
      throw sinkError(this.#path, error)
    }
    this.#writtenBytes += bytes.length
  }

  close(): void {
    if (this.#lines.chars > 0) this.#writeOut()
    this.abandon()
  }

  abandon(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }
}
