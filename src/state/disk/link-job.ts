/**
 * Links the store into a directory: stands in the queue right behind the last generation of its snapshot. Where it fails
 * the snapshot fails, and nothing else: no state is lost.
 */
import { diskFailure } from './disk-failure.ts'
import type { DiskStore, StoreTable } from './disk-store.ts'
import type { SpillJob } from './spill-queue.ts'

export class LinkJob implements SpillJob {
  /** Settles with the job; never unhandled. */
  readonly linked: Promise<readonly StoreTable[]>
  readonly #store: DiskStore
  readonly #directory: string
  #running: Promise<void> | undefined
  #isDone = false
  #resolve!: (tables: readonly StoreTable[]) => void
  #reject!: (error: unknown) => void

  constructor(store: DiskStore, directory: string) {
    this.#store = store
    this.#directory = directory
    this.linked = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.linked.catch(() => {})
  }

  step(): boolean | Promise<void> {
    if (this.#isDone) return false
    return (this.#running ??= this.#run())
  }

  finishNow(): void {
    if (this.#isDone) return
    this.#running ??= this.#run()
    this.#store.waitForBegun!()
    this.#isDone = true
  }

  failed(error: unknown): void {
    this.#reject(error)
  }

  async #run(): Promise<void> {
    try {
      const opening = this.#store.open()
      if (opening !== undefined) await opening
      this.#resolve(await this.#store.snapshot(this.#directory))
    } catch (error) {
      this.#reject(diskFailure(error, 'linking the files of state'))
    }
    this.#isDone = true
  }
}
