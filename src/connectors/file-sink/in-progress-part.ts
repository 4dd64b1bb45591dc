/**
 * One part file while it is written in exactly-once mode. Lines are gathered, and handed to the file system in chunks, one
 * after the other, off the slot's thread. The file is open only while the writer's `OpenFiles` have a place for it.
 *
 * Invariants
 * 1. `bytes` counts what has been handed over, written or not; the file's content is always a prefix of that.
 * 2. `sync` resolves when everything handed over before the call is durable.
 * 3. The file comes into being with the first chunk. A part that is sealed has one: it was begun for a record.
 */
import type { FileHandle, FileSystem } from '../../common/file-system.ts'
import { LineBuffer } from '../formats/line-buffer.ts'
import type { FileOwner, OpenFiles } from './open-files.ts'
import type { PartId } from './part-name.ts'

export interface PartPlace {
  readonly id: PartId
  readonly bucket: string
  /** Absolute. */
  readonly directory: string
  readonly hiddenPath: string
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

export interface PartSurroundings {
  readonly fileSystem: FileSystem
  readonly files: OpenFiles
  readonly listener: PartListener
}

/** What a line that waits takes beside its characters, about. */
const lineOverheadBytes = 32

export class InProgressPart implements FileOwner {
  readonly place: PartPlace
  readonly createdMs: number
  /** When the last lines were handed over at a checkpoint, or the part was begun. */
  lastWriteMs: number
  /** No line has been added and none was restored. */
  isEmpty: boolean
  /** About what the lines take that wait to be handed over. */
  gatheredBytes = 0
  readonly #surroundings: PartSurroundings
  readonly #lines = new LineBuffer()
  /** Lines were added since `markActivity`. */
  #isActive = false
  #bytes: number
  #isCreated: boolean
  /** Something has been handed over that no sync follows. */
  #isUnsynced: boolean
  #tail: Promise<void> = done

  constructor(surroundings: PartSurroundings, place: PartPlace, nowMs: number, restored?: RestoredPart) {
    this.#surroundings = surroundings
    this.place = place
    this.createdMs = restored?.createdMs ?? nowMs
    this.lastWriteMs = nowMs
    this.isEmpty = (restored?.bytes ?? 0) === 0
    this.#bytes = restored?.bytes ?? 0
    this.#isCreated = restored !== undefined
    // It may have been cut to its length, or copied.
    this.#isUnsynced = restored !== undefined
  }

  get bytes(): number {
    return this.#bytes
  }

  /** About: what is gathered counts a byte a character. */
  get sizeSoFar(): number {
    return this.#bytes + this.#lines.chars
  }

  get hiddenPath(): string {
    return this.place.hiddenPath
  }

  add(line: string): void {
    this.isEmpty = false
    this.#isActive = true
    this.gatheredBytes += line.length + lineOverheadBytes
    if (this.#lines.add(line)) this.handOver()
  }

  markActivity(nowMs: number): void {
    if (this.#isActive) this.lastWriteMs = nowMs
    this.#isActive = false
  }

  handOver(): void {
    if (this.#lines.chars === 0) return
    const bytes = new Uint8Array(this.#lines.encode())
    this.gatheredBytes = 0
    this.#bytes += bytes.length
    this.#isUnsynced = true
    this.#then(bytes.length, (handle) => handle.write(bytes))
  }

  /** Makes what was handed over durable. */
  async sync(): Promise<void> {
    if (this.#isUnsynced) this.#then(0, (handle) => handle.sync())
    this.#isUnsynced = false
    await this.#tail
  }

  /** Makes everything durable and closes the file, which is closed after a failure, too. */
  async seal(): Promise<void> {
    this.handOver()
    try {
      await this.sync()
    } finally {
      const { files, listener } = this.#surroundings
      listener.begun(0)
      await files.close(this)
      listener.ended(0)
    }
  }

  /** Closes the file as it is; what is under way may or may not be in it. */
  async abandon(): Promise<void> {
    await this.#tail.catch(() => {})
    await this.#surroundings.files.close(this)
  }

  /** For `OpenFiles`. */
  async openFile(): Promise<FileHandle> {
    const { fileSystem } = this.#surroundings
    const { directory, hiddenPath } = this.place
    if (!this.#isCreated) await fileSystem.makeDirectory(directory)
    const handle = await fileSystem.open(hiddenPath, this.#isCreated ? 'append' : 'exclusive')
    this.#isCreated = true
    return handle
  }

  #then(bytes: number, act: (handle: FileHandle) => Promise<void>): void {
    this.#tail = this.#run(bytes, this.#tail, act)
    // The listener is told of failures: nobody may be waiting for the tail.
    this.#tail.catch(() => {})
  }

  async #run(bytes: number, before: Promise<void>, act: (handle: FileHandle) => Promise<void>): Promise<void> {
    const { files, listener } = this.#surroundings
    listener.begun(bytes)
    try {
      await before
      await files.use(this, act)
    } catch (error) {
      listener.failed(this.hiddenPath, error)
      throw error
    } finally {
      listener.ended(bytes)
    }
  }
}

const done = Promise.resolve()
