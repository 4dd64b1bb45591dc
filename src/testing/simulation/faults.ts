/** What shall go wrong in one life of a simulated process, and when: drawn from the seed before the life begins. */
import { type FailPointName, failPoints } from '../../common/fail-points.ts'
import type { Prng } from '../../common/prng.ts'

/** What a simulation may do to a job. Each number is the most of its kind over the whole run; absent: none. */
export interface SimulatedFaults {
  /** The process dies, at any step or at a fail point; of its files what was synced is sure to be left. */
  readonly crashes?: number
  /** The fail points at which it may die. Default: all. */
  readonly failPoints?: readonly FailPointName[]
  /** A slot's thread dies. */
  readonly slotCrashes?: number
  /** A task's step throws. */
  readonly taskFailures?: number
  /** The disk is full for a while. */
  readonly fullDisks?: number
  /** The longest that a file operation takes, virtual ms. Default: 0, 20 or 500, by the seed. */
  readonly slowDiskMs?: number
  /** A savepoint is asked for. */
  readonly savepoints?: number
  /** The job is stopped with a savepoint, and started again. */
  readonly stops?: number
  /** The job is stopped with a savepoint and `drain`, and started over from a savepoint that was taken before. */
  readonly drains?: number
  /**
   * The job, stopped, crashed or at its end, is started over from one of its savepoints: the newest or an older one, moved
   * elsewhere or not, in the same job directory, a fresh one or another. What had been published since must not count
   * twice: a sink of your own has to take it back, as the file sink does.
   */
  readonly restores?: number
}

export type FaultKind = 'crash' | 'slotCrash' | 'taskFailure' | 'fullDisk' | 'savepoint' | 'stop' | 'drain'

export interface PlannedFault {
  readonly kind: FaultKind
  /** Of this life. */
  readonly atStep: number
  /** A crash: here, in place of at the step. */
  readonly failPoint?: { readonly name: FailPointName; readonly skip: number }
}

const mostOf: Readonly<Record<FaultKind, keyof SimulatedFaults>> = {
  crash: 'crashes',
  slotCrash: 'slotCrashes',
  taskFailure: 'taskFailures',
  fullDisk: 'fullDisks',
  savepoint: 'savepoints',
  stop: 'stops',
  drain: 'drains',
}
const kinds = Object.keys(mostOf) as FaultKind[]
/** A life ends with the first of them. */
const endings: ReadonlySet<FaultKind> = new Set(['crash', 'stop', 'drain'])
/** Steps that a savepoint may take, about. */
const savepointSteps = 60

export class FaultBudget {
  readonly #faults: SimulatedFaults
  readonly #random: Prng
  readonly #left = new Map<FaultKind, number>()
  readonly #points: readonly FailPointName[]

  constructor(faults: SimulatedFaults, random: Prng) {
    this.#faults = faults
    this.#random = random
    this.#points = faults.failPoints ?? (Object.keys(failPoints) as FailPointName[])
    for (const kind of kinds) {
      const most = (faults[mostOf[kind]] as number | undefined) ?? 0
      this.#left.set(kind, most === 0 ? 0 : random.nextBelow(most + 1))
    }
  }

  slowMsMax(): number {
    return this.#faults.slowDiskMs ?? [0, 20, 500][this.#random.nextBelow(3)]!
  }

  /** For the next life, in the order of their steps. What does not come to pass is not planned again. */
  nextLife(): readonly PlannedFault[] {
    const planned: PlannedFault[] = []
    for (const kind of kinds) {
      const left = this.#left.get(kind)!
      const count = endings.has(kind) ? Math.min(1, left) : this.#random.nextBelow(left + 1)
      this.#left.set(kind, left - count)
      for (let i = 0; i < count; i++) planned.push(this.#plan(kind))
    }
    return this.#disturbed(planned).toSorted((a, b) => a.atStep - b.atStep)
  }

  /** Now and then the disk is full while a savepoint is being written. */
  #disturbed(planned: readonly PlannedFault[]): readonly PlannedFault[] {
    const savepoint = planned.find(({ kind }) => kind === 'savepoint')
    if (savepoint === undefined || this.#random.nextBelow(2) === 0) return planned
    const atStep = savepoint.atStep + this.#random.nextBelow(savepointSteps)
    return planned.map((fault) => (fault.kind === 'fullDisk' ? { ...fault, atStep } : fault))
  }

  #plan(kind: FaultKind): PlannedFault {
    const random = this.#random
    // Early and late steps alike: lives differ a lot in length. What takes a while itself begins while there is time.
    const span = kind === 'savepoint' || kind === 'drain' ? 6.5 : 8.5
    const atStep = Math.floor(2 ** (3 + random.nextFloat() * span))
    if (kind !== 'crash' || this.#points.length === 0 || random.nextBelow(2) === 0) return { kind, atStep }
    const name = this.#points[random.nextBelow(this.#points.length)]!
    return { kind, atStep, failPoint: { name, skip: random.nextBelow(4) } }
  }
}
