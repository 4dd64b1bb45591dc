/**
 * Time to live of one state: when a value has expired, when its time counts anew, and the incremental clean-up.
 * Rules are Flink's (StateTtlConfig, AbstractTtlDecorator). Values are kept as `{ v, t }`: t is the processing time of
 * their creation, last write or, with onReadAndWrite, last read. Lists and maps keep one such pair per element.
 */
import type { Clock } from '../../common/clock.ts'
import { MillraceError } from '../../common/errors.ts'
import type { StateCell } from '../state-cell.ts'
import type { StateTtlConfig } from '../state-ttl.ts'

export interface Timed<T> {
  v: T
  t: number
}

const cleanupSizeDefault = 5

export class TimeToLive {
  readonly prunesFullSnapshots: boolean
  readonly updatesOnRead: boolean
  readonly returnsExpired: boolean
  readonly #ttlMs: number
  readonly #clock: Clock
  readonly #cell: StateCell<unknown>
  readonly #cleanupSize: number

  constructor(config: StateTtlConfig, clock: Clock, cell: StateCell<unknown>) {
    if (!(config.ttlMs > 0)) {
      throw new MillraceError('MR_TIME_INVALID', `ttlMs of state "${cell.spec.name}" must be > 0, got ${config.ttlMs}`)
    }
    this.#ttlMs = config.ttlMs
    this.#clock = clock
    this.#cell = cell
    this.updatesOnRead = config.updateType === 'onReadAndWrite'
    this.returnsExpired = config.visibility === 'returnExpiredIfNotCleanedUp'
    this.prunesFullSnapshots = config.cleanupInFullSnapshot ?? true
    this.#cleanupSize = config.incrementalCleanup?.cleanupSize ?? cleanupSizeDefault
  }

  nowMs(): number {
    return this.#clock.nowMs()
  }

  stamped<T>(value: T): Timed<T> {
    return { v: value, t: this.#clock.nowMs() }
  }

  isExpired(timed: Timed<unknown>): boolean {
    return timed.t + this.#ttlMs <= this.#clock.nowMs()
  }

  /** What of a cell's value has not expired; undefined where nothing is left, the same object where all is. */
  keep(value: unknown): unknown {
    const kind = this.#cell.spec.kind
    if (kind === 'list') return this.#keepElements(value as Timed<unknown>[])
    if (kind === 'map') return this.#keepEntries(value as Map<unknown, Timed<unknown>>)
    return this.isExpired(value as Timed<unknown>) ? undefined : value
  }

  /** Checks a few entries and goes on from there the next time. */
  cleanUp(): void {
    if (this.#cleanupSize > 0) this.#cell.sweep(this.#cleanupSize, (value) => this.keep(value))
  }

  #keepElements(list: Timed<unknown>[]): Timed<unknown>[] | undefined {
    if (!list.some((element) => this.isExpired(element))) return list
    const kept = list.filter((element) => !this.isExpired(element))
    return kept.length === 0 ? undefined : kept
  }

  #keepEntries(map: Map<unknown, Timed<unknown>>): Map<unknown, Timed<unknown>> | undefined {
    let kept: Map<unknown, Timed<unknown>> | undefined
    for (const [key, timed] of map) {
      if (!this.isExpired(timed)) continue
      kept ??= new Map(map)
      kept.delete(key)
    }
    return kept === undefined ? map : kept.size === 0 ? undefined : kept
  }
}
