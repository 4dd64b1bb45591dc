/**
 * What is to be done with the store, one thing after the other: generations to ingest, snapshots to link. Order is what
 * makes a snapshot exact: it stands right behind the last generation that belongs to it.
 *
 * Two drivers may take turns: the event loop (`run` of each job), and the slot itself where it cannot wait for the event
 * loop (`drainNow`). A job is therefore a machine whose steps either may take.
 * A failure ends the queue for good: later jobs are refused with it, and everything stays readable in memory.
 */
import { diskFailure } from './disk-failure.ts'

export interface SpillJob {
  /** Does the next step; a promise where the store does it. False: nothing is left to do. */
  step(): boolean | Promise<void>
  /** Does all that is left on this thread. */
  finishNow(): void
  failed(error: unknown): void
}

const stepsPerTurn = 2

export class SpillQueue {
  readonly #jobs: SpillJob[] = []
  #failure: { readonly error: unknown } | undefined
  #running: Promise<void> | undefined
  readonly #holdEventLoop: (() => { release(): void }) | undefined

  /** `holdEventLoop` is called when work begins, and what it answers is released at the end. */
  constructor(holdEventLoop?: () => { release(): void }) {
    this.#holdEventLoop = holdEventLoop
  }

  get isIdle(): boolean {
    return this.#jobs.length === 0
  }

  add(job: SpillJob): void {
    if (this.#failure !== undefined) return job.failed(this.#failure.error)
    this.#jobs.push(job)
    this.#running ??= this.#run()
  }

  /** Throws what ended the queue. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Resolves once all jobs of now are done. */
  async idle(): Promise<void> {
    await this.#running
    this.check()
  }

  /** Resolves once the oldest job is done. */
  async oldestDone(): Promise<void> {
    const oldest = this.#jobs[0]
    while (oldest !== undefined && this.#jobs[0] === oldest) await turn()
    this.check()
  }

  /** Does everything on this thread. For stores that can. */
  drainNow(): void {
    while (this.#jobs.length > 0) {
      const job = this.#jobs[0]!
      try {
        job.finishNow()
      } catch (error) {
        this.#fail(error)
        this.check()
      }
      if (this.#jobs[0] === job) this.#jobs.shift()
    }
  }

  /** Gives up what is left; resolves once nothing runs any more. */
  async abandon(error: unknown): Promise<void> {
    this.#fail(error)
    await this.#running
  }

  async #run(): Promise<void> {
    const hold = this.#holdEventLoop?.()
    await turn()
    for (let job = this.#jobs[0]; job !== undefined; job = this.#jobs[0]) {
      try {
        await finish(job)
      } catch (error) {
        this.#fail(error)
        break
      }
      if (this.#jobs[0] === job) this.#jobs.shift()
    }
    this.#running = undefined
    hold?.release()
  }

  #fail(error: unknown): void {
    this.#failure ??= { error: diskFailure(error, 'writing state to disk') }
    for (const job of this.#jobs.splice(0)) job.failed(this.#failure.error)
  }
}

async function finish(job: SpillJob): Promise<void> {
  for (let steps = 1; ; steps++) {
    const step = job.step()
    if (step === false) return
    if (step !== true) await step
    else if (steps % stepsPerTurn === 0) await turn()
  }
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
