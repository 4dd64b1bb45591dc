/**
 * One part file while it is written in exactly-once mode. Lines are gathered, and handed to the file system in chunks, one
 * after the other, off the slot's thread.
 *
 * Invariants
 * 1. `bytes` counts what has been handed over, written or not; the file's content is always a prefix of that.
 * 2. `sync` resolves when everything handed over before the call is durable.
 */
import type { FileHandle, FileSystem } from '../../common/file-system.ts'
import { LineBuffer } from '../formats/line-buffer.ts'
import type { PartId } from './part-name.ts'

export interface PartPlace {
  readonly id: PartId
  readonly bucket: string
  /** Absolute. */
  readonly directory: string
  readonly hiddenPath: string
  readonly path: string
}

/** Told of what is under way, so that the writer can say that it is full. */
export interface PartListener {
  begun(bytes: number): void
  ended(bytes: number): void
  failed(path: string, error: unknown): void
}

/** A file that exists and goes on after so many bytes. */
export interface RestoredPart {
  readonly bytes: number
  /** When its first record came. */
  readonly createdMs: number | undefined
}

export class InProgressPart {
  readonly place: PartPlace
  readonly createdMs: number
  /** When the last lines were handed over at a checkpoint, or the part was begun. */
  lastWriteMs: number
  /** No line has been added and none was restored. */
  isEmpty: boolean
  readonly #listener: PartListener
  readonly #lines = new LineBuffer()
  /** Lines were added since `markActivity`. */
  #isActive = false
  #bytes: number
  readonly #opened: Promise<FileHandle>
  #tail: Promise<FileHandle>
  #isClosed = false

  constructor(
    fileSystem: FileSystem,
    place: PartPlace,
    nowMs: number,
    listener: PartListener,
    restored?: RestoredPart,
  ) {
    this.place = place
    this.createdMs = restored?.createdMs ?? nowMs
    this.lastWriteMs = nowMs
    this.isEmpty = (restored?.bytes ?? 0) === 0
    this.#bytes = restored?.bytes ?? 0
    this.#listener = listener
    // The listener is told of failures: nobody may be waiting for the tail.
    this.#opened = openPart(fileSystem, place, restored !== undefined)
    this.#tail = this.#run(0, this.#opened)
    this.#tail.catch(() => {})
  }

  get bytes(): number {
    return this.#bytes
  }

  /** About: what is gathered counts a byte a character. */
  get sizeSoFar(): number {
    return this.#bytes + this.#lines.chars
  }

  add(line: string): void {
    this.isEmpty = false
    this.#isActive = true
    if (this.#lines.add(line)) this.handOver()
  }

  markActivity(nowMs: number): void {
    if (this.#isActive) this.lastWriteMs = nowMs
    this.#isActive = false
  }

  handOver(): void {
    if (this.#lines.chars === 0) return
    const bytes = new Uint8Array(this.#lines.encode())
    this.#bytes += bytes.length
    this.#then(bytes.length, (handle) => handle.write(bytes))
  }

  /** Makes what was handed over durable. */
  async sync(): Promise<void> {
    this.#then(0, (handle) => handle.sync())
    await this.#tail
  }

  /** Makes everything durable and closes the file, which is closed after a failure, too. */
  async seal(): Promise<void> {
    this.handOver()
    this.#then(0, (handle) => handle.sync())
    this.#tail = this.#run(
      0,
      this.#tail.finally(() => this.#close()),
    )
    await this.#tail
  }

  /** Closes the file as it is; what is under way may or may not be in it. */
  async abandon(): Promise<void> {
    await this.#tail.catch(() => {})
    await this.#close().catch(() => {})
  }

  async #close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await (await this.#opened).close()
  }

  #then(bytes: number, act: (handle: FileHandle) => Promise<void>): void {
    const before = this.#tail
    this.#tail = this.#run(
      bytes,
      before.then(async (handle) => {
        await act(handle)
        return handle
      }),
    )
    this.#tail.catch(() => {})
  }

  async #run(bytes: number, work: Promise<FileHandle>): Promise<FileHandle> {
    this.#listener.begun(bytes)
    try {
      return await work
    } catch (error) {
      this.#listener.failed(this.place.hiddenPath, error)
      throw error
    } finally {
      this.#listener.ended(bytes)
    }
  }
}

async function openPart(fileSystem: FileSystem, place: PartPlace, isRestored: boolean): Promise<FileHandle> {
  if (isRestored) return await fileSystem.open(place.hiddenPath, 'append')
  await fileSystem.makeDirectory(place.directory)
  return await fileSystem.open(place.hiddenPath, 'exclusive')
}
