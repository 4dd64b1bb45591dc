/**
 * The files that one writer has open, a limited number: where one more is wanted, the one that was used least recently is
 * closed, and opened again when its owner writes next. Slot's thread; cold (once per chunk).
 *
 * Invariants
 * 1. At most `openMax` files are open or being opened.
 * 2. An owner uses its file for one thing at a time, and no file is closed while it is used.
 * 3. A place that becomes free is handed to whoever has waited longest; nobody overtakes.
 *
 * A file is closed without being synced. Syncing it when it is open again makes durable what was written before, too: dirty
 * pages belong to the file, and an error of writing them back is told to the next handle.
 */
import type { FileHandle } from '../../common/file-system.ts'

/** Who writes a file; the same object for the same file. */
export interface FileOwner {
  readonly hiddenPath: string
  openFile(): Promise<FileHandle>
}

export class OpenFiles {
  readonly #openMax: number
  /** Told where a file cannot be closed: whoever wanted its place may be writing another one. */
  readonly #failed: (path: string, error: unknown) => void
  /** Open and not in use, the least recently used first. */
  readonly #idle = new Map<FileOwner, FileHandle>()
  readonly #waiting: (() => void)[] = []
  #openCount = 0

  constructor(openMax: number, failed: (path: string, error: unknown) => void) {
    this.#openMax = openMax
    this.#failed = failed
  }

  async use(owner: FileOwner, act: (handle: FileHandle) => Promise<void>): Promise<void> {
    const handle = this.#takeIdle(owner) ?? (await this.#open(owner))
    try {
      await act(handle)
    } finally {
      if (this.#waiting.length === 0) this.#idle.set(owner, handle)
      else await this.#closeHandle(owner, handle)
    }
  }

  /** To be called when nothing of the owner's is under way. Idempotent. */
  async close(owner: FileOwner): Promise<void> {
    const handle = this.#takeIdle(owner)
    if (handle !== undefined) await this.#closeHandle(owner, handle)
  }

  /** Everything that is not in use. */
  async closeAll(): Promise<void> {
    await Promise.all([...this.#idle.keys()].map((owner) => this.close(owner)))
  }

  #takeIdle(owner: FileOwner): FileHandle | undefined {
    const handle = this.#idle.get(owner)
    if (handle !== undefined) this.#idle.delete(owner)
    return handle
  }

  async #open(owner: FileOwner): Promise<FileHandle> {
    await this.#takePlace()
    try {
      return await owner.openFile()
    } catch (error) {
      this.#leavePlace()
      throw error
    }
  }

  async #closeHandle({ hiddenPath }: FileOwner, handle: FileHandle): Promise<void> {
    try {
      await handle.close()
    } catch (error) {
      this.#failed(hiddenPath, error)
    }
    this.#leavePlace()
  }

  async #takePlace(): Promise<void> {
    if (this.#openCount < this.#openMax) {
      this.#openCount++
      return
    }
    const granted = new Promise<void>((resolve) => this.#waiting.push(resolve))
    const oldest = this.#idle.entries().next().value
    if (oldest !== undefined) {
      this.#idle.delete(oldest[0])
      await this.#closeHandle(...oldest)
    }
    await granted
  }

  #leavePlace(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#openCount--
    else next()
  }
}
