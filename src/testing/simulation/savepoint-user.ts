/**
 * Whoever runs the simulated job: keeps its savepoints, and now and then starts it over from one of them, the newest or an
 * older one, moved elsewhere or not, in the job directory, a fresh one or another.
 *
 * Invariants
 * 1. All savepoints stay: from an older one the job is started over from a newer one later, and the other way round,
 *    whichever of them had led to the others.
 * 2. A start is repeated until the job runs: before that nobody knows whether the job directory holds the savepoint.
 * 3. A drained job is not the end: the rest of its input is owed, from a savepoint that was taken before.
 */
import { checkpointIdOf, checkpointsDirectory, sharedDirectory } from '../../checkpoint/checkpoint-layout.ts'
import { readSavepoint } from '../../checkpoint/savepoint.ts'
import { codeOf } from '../../common/errors.ts'
import { parentOf } from '../../common/durable-file.ts'
import type { Prng } from '../../common/prng.ts'
import type { JobRequest } from '../../coordinator/job-execution.ts'
import type { ForgetfulDisk } from '../forgetful-disk.ts'

interface Kept {
  readonly checkpointId: number
  /** Which life of the process took it: ids are told apart within one only. */
  readonly life: number
  readonly path: string
}

export type Start = Pick<JobRequest, 'jobDir' | 'from' | 'fresh'> & { readonly jobDir: string }

export class SavepointUser {
  /** How the next process is started. */
  start: Start = { jobDir: '/job' }
  /** The job was stopped with drain, and not started over since. */
  isDrained: boolean = false
  readonly #random: Prng
  readonly #happened: (what: string) => void
  /** In the order of their barriers. */
  #kept: Kept[] = []
  #restoresLeft: number
  #lives = 0
  #moves = 0
  #hasStarted = false
  #hasResumedDrained = false

  constructor(random: Prng, restoresMax: number, happened: (what: string) => void) {
    this.#random = random
    this.#happened = happened
    this.#restoresLeft = restoresMax === 0 ? 0 : random.nextBelow(restoresMax + 1)
  }

  get canGoBack(): boolean {
    return this.#kept.length > 0
  }

  /** A savepoint is complete. Of a drained job it is of no use. */
  keep({ checkpointId, path }: Pick<Kept, 'checkpointId' | 'path'>): void {
    if (this.isDrained) return
    const all = [...this.#kept, { checkpointId, path, life: this.#lives }]
    this.#kept = all.toSorted((a, b) => a.life - b.life || a.checkpointId - b.checkpointId)
  }

  /** The sources have ended; whatever comes now, this input gives no more. */
  drained(): void {
    this.isDrained = true
  }

  /** The job is about to run: what it was started from is in its job directory. */
  hasStarted(): void {
    this.#hasStarted = true
    if (this.start.from !== undefined) this.isDrained = false
  }

  /** The process is gone, one way or the other. */
  async lifeOver(disk: ForgetfulDisk): Promise<void> {
    this.#lives++
    if (this.#hasStarted && (await newestKind(disk, this.start.jobDir)) === 'stop-drain') this.isDrained = true
  }

  /** Whether it stays over. Otherwise `start` says how it goes on. */
  async decides(disk: ForgetfulDisk, hasEnded: boolean): Promise<boolean> {
    if (!this.#hasStarted && this.start.from !== undefined) return false
    this.#hasStarted = false
    if (this.isDrained) await this.#afterDrain(disk)
    else if (this.#wishes(hasEnded ? 2 : 3)) await this.#startOver(disk)
    else if (hasEnded) return true
    else this.start = { jobDir: this.start.jobDir }
    return false
  }

  #wishes(oneOf: number): boolean {
    if (this.#restoresLeft === 0 || !this.canGoBack || this.#random.nextBelow(oneOf) > 0) return false
    this.#restoresLeft--
    return true
  }

  /** Started again, it ends, and adds nothing. */
  async #afterDrain(disk: ForgetfulDisk): Promise<void> {
    if (this.#hasResumedDrained || this.#random.nextBelow(2) === 0) {
      this.#hasResumedDrained = false
      return this.#startOver(disk)
    }
    this.#hasResumedDrained = true
    this.start = { jobDir: this.start.jobDir }
  }

  async #startOver(disk: ForgetfulDisk): Promise<void> {
    const random = this.#random
    const count = this.#kept.length
    const index = random.nextBelow(3) === 0 ? count - 1 : random.nextBelow(count)
    let kept = this.#kept[index]!
    const isMoved = random.nextBelow(3) === 0
    if (isMoved) kept = await this.#move(disk, kept)
    this.#kept[index] = kept
    const place = (['same', 'fresh', 'other'] as const)[random.nextBelow(3)]!
    const { jobDir } = this.start
    if (place === 'other') {
      // Nothing of it is needed: a savepoint is whole.
      await disk.remove(checkpointsDirectory(jobDir))
      await disk.remove(sharedDirectory(jobDir))
    }
    this.start = {
      jobDir: place === 'other' ? `/job-${++this.#moves}` : jobDir,
      from: kept.path,
      ...(place === 'fresh' && { fresh: true }),
    }
    const which = `${index + 1} of ${count} savepoints (${kept.checkpointId}${isMoved ? ', moved' : ''})`
    this.#happened(`the job starts over from ${which} in the ${place} job directory`)
  }

  async #move(disk: ForgetfulDisk, kept: Kept): Promise<Kept> {
    const parent = `/moved-${++this.#moves}`
    const path = `${parent}/savepoint`
    await disk.makeDirectory(parent)
    await disk.rename(kept.path, path)
    for (const directory of ['/', parent, parentOf(kept.path)]) await disk.syncDirectory(directory)
    return { ...kept, path }
  }
}

/** What the newest checkpoint of a job directory was taken for. */
async function newestKind(disk: ForgetfulDisk, jobDir: string): Promise<string | undefined> {
  const directory = checkpointsDirectory(jobDir)
  if ((await disk.stat(directory)) === undefined) return undefined
  const ids = (await disk.list(directory)).map(checkpointIdOf).filter((id) => id !== undefined)
  for (const id of ids.toSorted((a, b) => b - a)) {
    try {
      return (await readSavepoint(disk, `${directory}/chk-${id}`)).metadata.kind
    } catch (error) {
      // Not complete.
      if (codeOf(error) !== 'MR_CHECKPOINT_NOT_FOUND') throw error
    }
  }
  return undefined
}
