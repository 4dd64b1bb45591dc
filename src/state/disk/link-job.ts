/** Links the store into a directory: stands in the queue right behind the last generation of its snapshot. */
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
    this.#running.catch(() => {})
    this.#store.waitForBegun!()
    this.#isDone = true
  }

  failed(error: unknown): void {
    this.#reject(error)
  }

  async #run(): Promise<void> {
    const opening = this.#store.open()
    if (opening !== undefined) await opening
    const tables = await this.#store.snapshot(this.#directory)
    this.#isDone = true
    this.#resolve(tables)
  }
}
