/**
 * Restarts of regions within an attempt of a job (Flink's pipelined region failover): which part of which region runs
 * where, and what is done about those that have failed, while the others go on. Thread: the coordinator's; cold.
 *
 * Life of a region: starting → running → failed → (its parts are stopped in their slots, the pause is over) → starting.
 *
 * Invariants
 * 1. A region starts again only once nothing of it runs anywhere: its channels are put back into their first state.
 * 2. All regions that are down start from one checkpoint, the newest; while any is down none is taken.
 * 3. What cannot be mended here (every region has failed, the job is about to end, a slot does not let go of a region)
 *    is for the whole job to restart: `escalate`.
 */
import { MillraceError } from '../common/errors.ts'
import type { Timers } from '../common/timers.ts'
import type { Clock } from '../common/clock.ts'
import type { PipelinedRegion } from '../plan/regions.ts'
import type { RegionPart, RegionStart } from '../runtime/deployment.ts'
import type { AttemptSlots } from './attempt-slots.ts'

export interface RegionFailoverOptions {
  readonly regions: readonly PipelinedRegion[]
  readonly slots: AttemptSlots
  readonly clock: Clock
  readonly timers: Timers
  /** Number of the attempt that all regions start in. */
  readonly attempt: number
  /** Every region runs: at first, and whenever it is so again. */
  onAllRunning(): void
  /** Regions are down; the first of them now. */
  onDown(): void
  /**
   * What the regions start from, and the number of their attempt. Called once nothing of them runs; puts back what they
   * share with the coordinator. Rejects where the job can only fail.
   */
  prepareRestart(regions: readonly PipelinedRegion[]): Promise<readonly RegionStart[]>
  /** The attempt is to end with this error. */
  escalate(error: Error): void
  /** The restarts are over, or given up. */
  onIdle(): void
}

type RegionStatus = 'starting' | 'running' | 'failed'

export class RegionFailover {
  readonly #options: RegionFailoverOptions
  readonly #status: RegionStatus[]
  /** By region: number of the attempt that its parts run in. */
  readonly #attempts: number[]
  /** Slots in which a region's part runs or is opening, by region. */
  readonly #hosted: readonly Set<number>[]
  /** Slots in which a region's part is open, by region. */
  readonly #open: readonly Set<number>[]
  #restartAtMs = 0
  #isActive = false
  #isOver = false
  #wakers: (() => void)[] = []

  constructor(options: RegionFailoverOptions) {
    this.#options = options
    this.#status = options.regions.map(() => 'starting')
    this.#attempts = options.regions.map(() => options.attempt)
    this.#hosted = options.regions.map((region) => new Set(options.slots.hostsOf(region)))
    this.#open = options.regions.map(() => new Set())
  }

  /** Restarts are under way: the attempt is not over even where no slot is live. */
  get isActive(): boolean {
    return this.#isActive
  }

  /** Regions that have a part in a slot. */
  regionsIn(slot: number): readonly number[] {
    return this.#hosted.flatMap((slots, region) => (slots.has(slot) ? [region] : []))
  }

  /** Whether a report is of the region's present start, and the region has not failed since. */
  isCurrent({ region, attempt }: RegionPart): boolean {
    return this.#attempts[region] === attempt && this.#status[region] !== 'failed'
  }

  /** Whether these regions can fail without all having failed. */
  canSpare(regions: readonly number[]): boolean {
    return this.#status.some((status, region) => status !== 'failed' && !regions.includes(region))
  }

  // --- what slots report ---

  opened({ slot, region, attempt }: RegionPart): void {
    if (this.#attempts[region] !== attempt || this.#status[region] !== 'starting') return
    const open = this.#open[region]!
    open.add(slot)
    if (open.size < this.#options.slots.hostsOf(this.#options.regions[region]!).length) return
    this.#status[region] = 'running'
    if (this.#status.every((status) => status === 'running')) this.#options.onAllRunning()
    this.#wake()
  }

  stopped({ slot, region, attempt }: RegionPart): void {
    if (this.#attempts[region] !== attempt) return
    this.#hosted[region]!.delete(slot)
    this.#wake()
  }

  /** Nothing runs in the slot any more. */
  slotEnded(slot: number): void {
    for (const slots of this.#hosted) slots.delete(slot)
    this.#wake()
  }

  /** The attempt is over: restarts under way are given up. */
  end(): void {
    this.#isOver = true
    this.#wake()
  }

  // --- failures ---

  /** Regions have failed, and shall start again after a pause. */
  fail(regions: readonly number[], delayMs: number): void {
    const { clock, onDown } = this.#options
    for (const region of regions) {
      this.#status[region] = 'failed'
      this.#open[region]!.clear()
    }
    this.#restartAtMs = Math.max(this.#restartAtMs, clock.monotonicMs() + delayMs)
    onDown()
    this.#wake()
    if (this.#isActive) return
    this.#isActive = true
    void this.#failOver()
      .catch((error: unknown) => this.#options.escalate(error as Error))
      .finally(() => {
        this.#isActive = false
        this.#options.onIdle()
      })
  }

  async #failOver(): Promise<void> {
    while (!this.#isOver && this.#down().length > 0) {
      await this.#stopDown()
      await this.#until(() => this.#options.clock.monotonicMs() >= this.#restartAtMs, this.#restartAtMs)
      // Others may have failed meanwhile.
      const regions = this.#down()
      if (this.#isOver || regions.some(({ index }) => this.#hosted[index]!.size > 0)) continue
      const starts = await this.#options.prepareRestart(regions)
      if (this.#isOver) return
      this.#start(starts)
      await this.#until(() => regions.every(({ index }) => this.#status[index] !== 'starting'))
    }
  }

  #down(): PipelinedRegion[] {
    return this.#options.regions.filter(({ index }) => this.#status[index] === 'failed')
  }

  /** Resolves once no part of a failed region runs. Throws where a slot does not let go. */
  async #stopDown(): Promise<void> {
    const { slots, clock } = this.#options
    const told = new Set<string>()
    const tell = (): boolean => {
      let isStopped = true
      for (const { index } of this.#down()) {
        for (const slot of this.#hosted[index]!) {
          isStopped = false
          const key = `${slot}:${index}`
          if (told.has(key)) continue
          told.add(key)
          slots.send(slot, { type: 'stopRegion', region: index, attempt: this.#attempts[index]! })
        }
      }
      return isStopped
    }
    if (await this.#until(tell, clock.monotonicMs() + slots.cancelTimeoutMs)) return
    if (this.#isOver) return
    const stuck = this.#down().find(({ index }) => this.#hosted[index]!.size > 0)!
    const where = [...this.#hosted[stuck.index]!].join(', ')
    const message = `region ${stuck.index} did not stop in slot ${where} within ${slots.cancelTimeoutMs} ms`
    throw new MillraceError('MR_RUNTIME_TIMEOUT', message)
  }

  #start(starts: readonly RegionStart[]): void {
    const { slots, regions } = this.#options
    const fresh = new Map<number, RegionStart[]>()
    for (const start of starts) {
      this.#status[start.region] = 'starting'
      this.#attempts[start.region] = start.attempt
      for (const slot of slots.hostsOf(regions[start.region]!)) {
        this.#hosted[start.region]!.add(slot)
        if (slots.isLive(slot)) slots.send(slot, { type: 'startRegion', start })
        else fresh.set(slot, [...(fresh.get(slot) ?? []), start])
      }
    }
    for (const [slot, ofSlot] of fresh) slots.start(slot, ofSlot)
  }

  /** True once it holds; false where the time is over before, or the attempt. */
  async #until(holds: () => boolean, deadlineMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    const { clock, timers } = this.#options
    for (;;) {
      if (this.#isOver) return false
      if (holds()) return true
      const leftMs = deadlineMs - clock.monotonicMs()
      if (leftMs <= 0) return false
      await new Promise<void>((resolve) => {
        const cancel = leftMs === Number.POSITIVE_INFINITY ? () => {} : timers.after(leftMs, resolve)
        this.#wakers.push(() => {
          cancel()
          resolve()
        })
      })
    }
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake()
  }
}
