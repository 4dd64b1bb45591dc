/**
 * The slots of one attempt: starts them, a second time where a region needs one that has ended, sends them commands, and
 * ends them. In local mode one runtime in the caller's thread hosts all slots, under the number of the first. Every wait
 * has a bound: the start of a slot, and its end after a cancellation. Thread: the coordinator's.
 */
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import type { Doors } from '../common/doors.ts'
import { fromPlain, MillraceError } from '../common/errors.ts'
import { noteHungCall } from '../common/hung-calls.ts'
import { isWithin } from '../common/timers.ts'
import { ringDoorbell } from '../exchange/exchange.ts'
import type { PipelinedRegion } from '../plan/regions.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { ControlWords } from '../runtime/control-layout.ts'
import type { RegionStart, SlotCommand, SlotReport, SlotSetting } from '../runtime/deployment.ts'
import { runSlot } from '../runtime/slot-runtime.ts'
import type { RunningSlot, Slots } from './slots.ts'

export interface AttemptSlotsOptions {
  /** Of all slots. */
  readonly setting: SlotSetting
  readonly job: JobGraph
  /** Undefined: local mode. */
  readonly pool: Slots | undefined
  readonly doors: Doors
  onReport(report: SlotReport): void
  /** A slot has ended: well, with all its tasks done; with an error where its thread died or never started. */
  onEnded(slot: number, error: Error | undefined): void
}

export class AttemptSlots {
  readonly cancelTimeoutMs: number
  readonly #options: AttemptSlotsOptions
  readonly #startTimeoutMs: number
  readonly #controls: readonly ControlWords[]
  readonly #live = new Map<number, (command: SlotCommand) => void>()
  #resolveStop: () => void = () => {}
  readonly #stopRequested: Promise<void> = new Promise((resolve) => (this.#resolveStop = resolve))

  constructor(options: AttemptSlotsOptions) {
    const { setting, job } = options
    const configuration = Configuration.of(job.configuration)
    this.#options = options
    this.#startTimeoutMs = configuration.get(configOptions.slotStartTimeout)
    this.cancelTimeoutMs = configuration.get(configOptions.cancellationTimeout)
    this.#controls = setting.slots.map((slot) => new ControlWords(setting.control, slot))
  }

  /** The numbers under which slots are started. */
  get all(): readonly number[] {
    return this.#options.pool === undefined ? [0] : this.#options.setting.slots
  }

  get liveCount(): number {
    return this.#live.size
  }

  isLive(slot: number): boolean {
    return this.#live.has(slot)
  }

  hostsOf(region: PipelinedRegion): readonly number[] {
    return this.#options.pool === undefined ? [0] : region.slots
  }

  /** A slot that is not live, with the regions that it starts at once. */
  start(slot: number, regions: readonly RegionStart[]): void {
    const { pool } = this.#options
    const life = pool === undefined ? this.#runLocally(slot, regions) : this.#runInWorker(pool, slot, regions)
    const ended = (error: Error | undefined): void => {
      this.#live.delete(slot)
      this.#options.onEnded(slot, error)
    }
    void life.then(() => ended(undefined), ended)
  }

  send(slot: number, command: SlotCommand): void {
    const host = this.#options.pool === undefined ? 0 : slot
    this.#live.get(host)?.(command)
    this.#controls[host]!.announceCommand()
    ringDoorbell(this.#options.setting.exchange, host)
  }

  /** Ends every slot. */
  stop(): void {
    for (const control of this.#controls) control.requestCancel()
    for (const slot of this.#options.setting.slots) ringDoorbell(this.#options.setting.exchange, slot)
    this.#resolveStop()
  }

  async #runLocally(slot: number, regions: readonly RegionStart[]): Promise<void> {
    const { setting, job, doors, onReport } = this.#options
    const commands: SlotCommand[] = []
    this.#live.set(slot, (command) => void commands.push(command))
    const port = { post: (report: SlotReport) => onReport(report), receive: () => commands.shift() }
    await runSlot({ ...setting, regions }, job, port, { doors, mayBlock: false })
  }

  async #runInWorker(pool: Slots, slot: number, regions: readonly RegionStart[]): Promise<void> {
    const { setting, doors, onReport } = this.#options
    let markAlive = (): void => {}
    const alive = new Promise<void>((resolve) => (markAlive = resolve))
    let failure: Error | undefined
    const running = pool.start({ ...setting, slots: [slot], regions }, (report) => {
      if (report.type === 'hello') markAlive()
      else if (report.type === 'failed') failure = fromPlain(report.error)
      else onReport(report)
    })
    this.#live.set(slot, (command) => running.send(command))
    const ended = running.ended.catch((error: unknown) => void (failure ??= error as Error))
    if (!(await isWithin(doors.timers, Promise.race([alive, ended]), this.#startTimeoutMs))) {
      running.terminate()
      throw new MillraceError('MR_RUNTIME_TIMEOUT', `slot ${slot} did not start within ${this.#startTimeoutMs} ms`)
    }
    await this.#awaitEnd(slot, running, ended)
    if (failure !== undefined) throw failure
  }

  /**
   * Waits for a slot; once the attempt is over for another reason, at most the cancellation time-out. MR_WORKER_HUNG where
   * its thread goes on, whatever it is told: what it does then, and when, nobody knows.
   */
  async #awaitEnd(slot: number, running: RunningSlot, ended: Promise<void>): Promise<void> {
    const { timers } = this.#options.doors
    let isEnded = false
    void ended.then(() => (isEnded = true))
    await Promise.race([ended, this.#stopRequested])
    if (isEnded || (await isWithin(timers, ended, this.cancelTimeoutMs))) return
    running.terminate()
    if (await isWithin(timers, ended, this.cancelTimeoutMs)) return
    noteHungCall(`slot ${slot}`)
    throw new MillraceError(
      'MR_WORKER_HUNG',
      `the thread of slot ${slot} did not end within ${this.cancelTimeoutMs} ms: it is in a call of the system that does not return`,
    )
  }
}
