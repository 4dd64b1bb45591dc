/** One life of the simulated process: when it begins, what is asked of it, and what goes wrong in it. */
import type { TriggerResult } from '../../checkpoint/checkpoint-coordinator.ts'
import { armFailPoint } from '../../common/fail-points.ts'
import type { Prng } from '../../common/prng.ts'
import type { JobControls } from '../../coordinator/job-control.ts'
import type { JobResult } from '../../coordinator/job-execution.ts'
import { PowerCut } from '../forgetful-disk.ts'
import type { FaultKind, PlannedFault } from './faults.ts'
import type { SavepointUser } from './savepoint-user.ts'
import type { DiskRoom } from './simulated-files.ts'
import type { SimulatedSlots } from './simulated-slots.ts'
import type { Scope, World } from './world.ts'

/** They need a job that runs. */
const requests: ReadonlySet<FaultKind> = new Set(['savepoint', 'stop', 'drain'])
const postponedStepsMax = 100

export interface LifeParts {
  readonly world: World
  readonly random: Prng
  readonly user: SavepointUser
  happened(what: string): void
}

export class Life {
  readonly scope: Scope
  slots: SimulatedSlots | undefined
  readonly room: DiskRoom = { writesLeft: Number.POSITIVE_INFINITY }
  readonly #parts: LifeParts
  readonly #planned: PlannedFault[]
  readonly #firstStep: number
  #controls: JobControls | undefined
  #roomAgainAt = Number.POSITIVE_INFINITY
  /** The disk was full in this life: failures that say so are to be expected. */
  #wasFull = false

  constructor(scope: Scope, planned: readonly PlannedFault[], parts: LifeParts) {
    this.scope = scope
    this.#parts = parts
    this.#planned = [...planned]
    this.#firstStep = parts.world.steps
  }

  running(controls: JobControls): void {
    this.#controls = controls
    this.#parts.user.hasStarted()
  }

  /** `dead`: crashed. Undefined: it ended with an error that the faults explain. */
  async run(execute: () => Promise<JobResult>): Promise<JobResult | 'dead' | undefined> {
    let outcome: { readonly result: JobResult } | { readonly error: unknown } | undefined
    const disarm = this.#armFailPoints()
    try {
      execute().then(
        (result) => void (outcome = { result }),
        (error: unknown) => void (outcome = { error }),
      )
      await this.#parts.world.run(
        () => this.scope.isDead || outcome !== undefined,
        () => this.#beforeStep(),
      )
    } finally {
      disarm()
    }
    if (this.scope.isDead || outcome === undefined) return 'dead'
    if ('result' in outcome) return outcome.result
    if (!this.#wasFull || !tellsOfFullDisk(outcome.error)) throw outcome.error
    this.#parts.happened('the process ended for want of room')
    return undefined
  }

  #beforeStep(): void {
    const { world } = this.#parts
    const step = world.steps - this.#firstStep
    if (world.steps >= this.#roomAgainAt) {
      this.room.writesLeft = Number.POSITIVE_INFINITY
      this.#roomAgainAt = Number.POSITIVE_INFINITY
    }
    while (this.#planned.length > 0 && this.#planned[0]!.atStep <= step && !this.scope.isDead) {
      const fault = this.#planned.shift()!
      if (requests.has(fault.kind) && this.#controls === undefined) this.#postpone(fault, step)
      else if (fault.failPoint === undefined) this.#happen(fault)
    }
  }

  /** Nobody is there yet who could be asked. */
  #postpone(fault: PlannedFault, step: number): void {
    this.#planned.push({ ...fault, atStep: step + 1 + this.#parts.random.nextBelow(postponedStepsMax) })
    this.#planned.sort((a, b) => a.atStep - b.atStep)
  }

  #happen({ kind }: PlannedFault): void {
    const { random, world, happened } = this.#parts
    switch (kind) {
      case 'crash':
        return this.#crash('the process crashes')
      case 'slotCrash': {
        const slot = this.slots?.killOne(random)
        if (slot !== undefined) happened(`slot ${slot} dies`)
        return
      }
      case 'taskFailure': {
        const slot = this.slots?.failOne(random)
        if (slot !== undefined) happened(`a task of slot ${slot} fails`)
        return
      }
      case 'fullDisk':
        happened('the disk is full')
        this.#wasFull = true
        this.room.writesLeft = random.nextBelow(6)
        this.#roomAgainAt = world.steps + 1 + random.nextBelow(400)
        return
      case 'savepoint':
        return this.#ask('a savepoint', (controls) => this.#savepoint(controls))
      case 'stop':
        return this.#ask('a stop with savepoint', async (controls) =>
          this.#taken(await controls.stop({ target: this.#target() })),
        )
      case 'drain':
        return this.#ask('a stop with drain', async (controls) => {
          // The rest of the input comes only to a job that starts over from before.
          if (!this.#parts.user.canGoBack) await this.#savepoint(controls)
          if (this.#parts.user.canGoBack) await this.#drain(controls)
        })
    }
  }

  async #drain(controls: JobControls): Promise<void> {
    try {
      await controls.stop({ drain: true, target: this.#target() })
    } catch (error) {
      // Otherwise the drain came to nothing; here the job goes on from it, and ends.
      if (!(error as Error).message.includes('before it had committed')) throw error
    }
    if (!this.scope.isDead) this.#parts.user.drained()
  }

  async #savepoint(controls: JobControls): Promise<void> {
    this.#taken(await controls.savepoint(this.#target()))
  }

  #target(): string | undefined {
    return this.#parts.random.nextBelow(2) === 0 ? '/savepoints' : undefined
  }

  #taken(savepoint: TriggerResult): void {
    if (this.scope.isDead) return
    this.#parts.happened(`savepoint ${savepoint.checkpointId} is complete`)
    this.#parts.user.keep(savepoint)
  }

  /** What is asked for may fail: the job may be restarting, or end before. */
  #ask(what: string, request: (controls: JobControls) => Promise<unknown>): void {
    this.#parts.happened(`${what} is asked for`)
    request(this.#controls!).catch(() => undefined)
  }

  #crash(what: string): void {
    this.#parts.happened(what)
    this.scope.kill()
  }

  #armFailPoints(): () => void {
    const disarms = this.#planned.flatMap(({ failPoint }) => {
      if (failPoint === undefined) return []
      const { name, skip } = failPoint
      const die = (): never => {
        this.#crash(`the process crashes ${name}`)
        throw new PowerCut(`simulated crash ${name}`)
      }
      return [armFailPoint(name, die, skip)]
    })
    return () => {
      for (const disarm of disarms) disarm()
    }
  }
}

/** Whether an error, or what caused it, is a disk without room. */
function tellsOfFullDisk(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 10; cause = cause.cause, depth++) {
    if ((cause as { code?: unknown }).code === 'ENOSPC' || cause.message.includes('ENOSPC')) return true
  }
  return false
}
