/**
 * Where the bytes of a file come from. A plain file is read synchronously: a slot's thread may wait for a local disk, and
 * large synchronous reads are the fastest. A gzip file is unpacked by zlib's own threads, so its input may have to wait.
 */
import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { MillraceError } from '../../common/errors.ts'
import type { OperatorContext } from '../../operators/operator.ts'
import { sourceError } from './source-error.ts'

export interface ByteInput {
  /** Copies what comes next into `target[at …]`: the count of bytes, 0 at the end, -1 where it must be awaited. */
  read(target: Buffer, at: number): number
  close(): void
}

/** Bytes read beyond the end of a range at a time, to find the end of its last record. */
const overreadBytes = 64 << 10

export class PlainInput implements ByteInput {
  readonly #path: string
  readonly #end: number
  #fd: number
  #position: number

  /**
   * From `position`, mostly to `end`: more is read in small portions. MR_SOURCE_CORRUPT where the file ends before either:
   * it was cut since it was found.
   */
  constructor(path: string, position: number, end: number) {
    this.#path = path
    this.#position = position
    this.#end = end
    try {
      this.#fd = openSync(path, 'r')
    } catch (error) {
      throw sourceError(path, error)
    }
    if (position > 0) this.#checkLength(position)
  }

  read(target: Buffer, at: number): number {
    const wanted = Math.min(target.length - at, Math.max(0, this.#end - this.#position) + overreadBytes)
    let count: number
    try {
      count = readSync(this.#fd, target, at, wanted, this.#position)
    } catch (error) {
      throw sourceError(this.#path, error)
    }
    if (count === 0 && wanted > 0 && this.#position < this.#end) this.#checkLength(this.#end)
    this.#position += count
    return count
  }

  #checkLength(position: number): void {
    const { size } = fstatSync(this.#fd)
    if (size >= position) return
    this.close()
    const message = `${this.#path} has ${size} bytes now, but was found to reach to byte ${position} at least: it was cut or replaced`
    throw new MillraceError('MR_SOURCE_CORRUPT', message, { context: { file: this.#path, offset: position } })
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }
}

/** Unpacked bytes that may wait here before the unpacking is paused. */
const queuedBytesMax = 4 << 20
const chunkBytes = 256 << 10

/** The unpacked bytes of a gzip file from `position` on; several members in one file are read as one. */
export class GzipInput implements ByteInput {
  readonly #path: string
  readonly #context: Pick<OperatorContext, 'post' | 'holdAsync'>
  readonly #file: ReturnType<typeof createReadStream>
  readonly #gunzip = createGunzip({ chunkSize: chunkBytes })
  readonly #chunks: Buffer[] = []
  readonly #hold: { release(): void }
  #queuedBytes = 0
  #headOffset = 0
  #skipBytes: number
  #hasEnded = false
  #isClosed = false
  #failure: MillraceError | undefined

  constructor(path: string, position: number, context: Pick<OperatorContext, 'post' | 'holdAsync'>) {
    this.#path = path
    this.#skipBytes = position
    this.#context = context
    this.#hold = context.holdAsync()
    this.#file = createReadStream(path, { highWaterMark: chunkBytes })
    this.#file.on('error', (error) => this.#fail(sourceError(path, error)))
    this.#gunzip.on('error', (error) => this.#fail(this.#corrupt(error)))
    this.#gunzip.on('data', (chunk: Buffer) => this.#accept(chunk))
    this.#gunzip.on('end', () => {
      this.#hasEnded = true
      this.#wake()
    })
    this.#file.pipe(this.#gunzip)
  }

  read(target: Buffer, at: number): number {
    const chunk = this.#chunks[0]
    if (chunk === undefined) {
      if (this.#failure !== undefined) throw this.#failure
      return this.#hasEnded ? 0 : -1
    }
    const count = chunk.copy(target, at, this.#headOffset)
    this.#headOffset += count
    this.#queuedBytes -= count
    if (this.#headOffset === chunk.length) {
      this.#chunks.shift()
      this.#headOffset = 0
    }
    if (this.#queuedBytes < queuedBytesMax / 2 && this.#gunzip.isPaused()) this.#gunzip.resume()
    return count
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#file.destroy()
    this.#gunzip.destroy()
    this.#hold.release()
  }

  #accept(chunk: Buffer): void {
    const skipped = Math.min(this.#skipBytes, chunk.length)
    this.#skipBytes -= skipped
    const rest = skipped === 0 ? chunk : chunk.subarray(skipped)
    if (rest.length === 0) return
    this.#chunks.push(rest)
    this.#queuedBytes += rest.length
    if (this.#queuedBytes >= queuedBytesMax) this.#gunzip.pause()
    this.#wake()
  }

  #fail(error: MillraceError): void {
    this.#failure ??= error
    this.#wake()
  }

  #corrupt(cause: Error): MillraceError {
    const offset = this.#gunzip.bytesWritten
    const message = `broken gzip in ${this.#path} near byte ${offset}: ${cause.message}`
    return new MillraceError('MR_SOURCE_CORRUPT', message, { cause, context: { file: this.#path, offset } })
  }

  #wake(): void {
    if (!this.#isClosed) this.#context.post(() => {})
  }
}
