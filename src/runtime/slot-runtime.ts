/**
 * A slot's runtime: hosts its parts of the regions, runs the loop of their tasks, stops and starts regions as the
 * coordinator asks, and closes everything whatever happened. The same in a worker and in local mode. Cold but for the
 * loop it starts.
 *
 * Invariants
 * 1. A region that fails is stopped here at once and reported; the others go on. It stays stopped, and the slot alive,
 *    until the coordinator starts it again or ends the slot.
 * 2. Starts and stops of a region come one after the other.
 */
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import type { Doors } from '../common/doors.ts'
import { openExchange, type SlotBell } from '../exchange/exchange.ts'
import { MemoryBudget } from '../memory/memory-budget.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { AsyncHolds } from './async-holds.ts'
import { ControlWords } from './control-layout.ts'
import type { RegionStart, SlotCommand, SlotDeployment, SlotReport } from './deployment.ts'
import { SlotLoop, type SlotSchedule } from './slot-loop.ts'
import { SlotRegion } from './slot-region.ts'
import type { Task } from './task.ts'

/** The slot's line to the coordinator. */
export interface SlotPort {
  post(report: SlotReport): void
  /** The next command that has arrived, without waiting. */
  receive(): SlotCommand | undefined
}

export interface SlotRuntimeOptions {
  readonly doors: Doors
  readonly mayBlock: boolean
  /**
   * Builds the same graph once more: a region that starts again has fresh functions, as in a new thread. Absent: the
   * functions are the caller's objects, there is but one of each.
   */
  readonly rebuild?: () => JobGraph
  /** In a simulation: when which task steps. */
  readonly schedule?: SlotSchedule
  /** In a thread of the slot's own: throws where its heap is full. */
  readonly checkHeap?: () => void
}

/** Resolves once every task has ended and is closed. Rejects with what keeps the slot from going on. */
export async function runSlot(
  deployment: SlotDeployment,
  job: JobGraph,
  port: SlotPort,
  options: SlotRuntimeOptions,
): Promise<void> {
  await new SlotRuntime(deployment, job, port, options).run()
}

interface Hosted {
  readonly region: SlotRegion
  status: 'opening' | 'running' | 'stopped'
}

class SlotRuntime {
  readonly #deployment: SlotDeployment
  readonly #job: JobGraph
  readonly #port: SlotPort
  readonly #doors: Doors
  readonly #control: ControlWords
  readonly #holds = new AsyncHolds()
  readonly #stateBudget: MemoryBudget
  readonly #loop: SlotLoop
  /** By region: its last start. */
  readonly #hosted = new Map<number, Hosted>()
  readonly #regionOf = new Map<Task, Hosted>()
  readonly #tasks = new Map<string, Task>()
  readonly #failed: { readonly task: Task; readonly error: unknown }[] = []
  /** Starts and stops under way. */
  #changes: Promise<void> = Promise.resolve()

  readonly #rebuild: (() => JobGraph) | undefined
  readonly #schedule: SlotSchedule | undefined

  constructor(deployment: SlotDeployment, job: JobGraph, port: SlotPort, options: SlotRuntimeOptions) {
    const { doors, mayBlock, rebuild, schedule, checkHeap } = options
    this.#deployment = deployment
    this.#job = job
    this.#port = port
    this.#doors = doors
    this.#rebuild = rebuild
    this.#schedule = schedule
    this.#control = new ControlWords(deployment.control, deployment.slots[0]!)
    // Managed memory is the process's; each slot has its even share.
    const share = deployment.slots.length / deployment.executionGraph.slotCount
    const managedBytes = Configuration.of(job.configuration).get(configOptions.managedMemory)
    this.#stateBudget = new MemoryBudget('managed memory of the slot', managedBytes * share)
    this.#loop = new SlotLoop(this.#holds, {
      clock: doors.clock,
      timers: doors.timers,
      mayBlock,
      schedule,
      doorbell: this.#bell(),
      isCancelRequested: () => this.#control.isCancelRequested(),
      onTaskEnded: ({ vertex, subtask }) =>
        port.post({ type: 'subtaskFinished', subtask: { vertexIndex: vertex.index, subtaskIndex: subtask } }),
      onTaskFailed: (task, error) => void this.#failed.push({ task, error }),
      onMetrics: (nowMs) => this.#postAccumulators(nowMs),
      checkHeap,
      takeCommands: () => this.#takeCommands(),
      mayEnd: () => [...this.#hosted.values()].every(({ status }) => status === 'running'),
    })
  }

  async run(): Promise<void> {
    try {
      for (const start of this.#deployment.regions) await this.#start(start)
      await this.#loop.run()
    } catch (error) {
      if (this.#schedule?.isDead() !== true) {
        await this.#changes
        await this.#closeAll()
      }
      throw error
    }
    for (const { region } of this.#hosted.values()) {
      this.#port.post({ type: 'accumulators', ...region.place, totals: region.accumulatorTotals() })
    }
    const failure = await this.#closeAll()
    if (failure !== undefined) throw failure
  }

  #bell(): SlotBell {
    return openExchange(this.#deployment.exchange, this.#deployment.slots).doorbell
  }

  /** Where they have changed, from time to time. */
  #postAccumulators(nowMs: number): void {
    for (const { region } of this.#hosted.values()) {
      const totals = region.changedAccumulators(nowMs)
      if (totals !== undefined) this.#port.post({ type: 'accumulators', ...region.place, totals })
    }
  }

  /** Answers the first failure. */
  async #closeAll(): Promise<Error | undefined> {
    let failure: Error | undefined
    for (const { region } of this.#hosted.values()) failure = (await region.close()) ?? failure
    return failure
  }

  #takeCommands(): void {
    for (const { task, error } of this.#failed.splice(0)) this.#fail(this.#regionOf.get(task), error)
    if (!this.#control.takeCommandAnnounced()) return
    for (let command = this.#port.receive(); command !== undefined; command = this.#port.receive()) this.#take(command)
  }

  #take(command: SlotCommand): void {
    switch (command.type) {
      case 'release':
        for (const task of this.#tasks.values()) task.release()
        return
      case 'checkpoint': {
        const task = this.#tasks.get(keyOf(command.to.vertexIndex, command.to.subtaskIndex))
        try {
          task?.barriers?.take(command.command)
        } catch (error) {
          this.#fail(this.#regionOf.get(task!), error)
        }
        return
      }
      case 'stopRegion':
        return this.#change(() => this.#stop(this.#hosted.get(command.region), command.attempt))
      case 'startRegion':
        return this.#change(() => this.#start(command.start))
    }
  }

  /** The event loop turns while a region is being stopped or started. */
  #change(act: () => Promise<void>): void {
    const hold = this.#holds.hold()
    this.#changes = this.#changes.then(act).finally(() => hold.release())
  }

  async #start(start: RegionStart): Promise<void> {
    const isFirst = !this.#hosted.has(start.region)
    const region = new SlotRegion({
      deployment: { ...this.#deployment, ...start },
      job: isFirst ? this.#job : (this.#rebuild?.() ?? this.#job),
      port: this.#port,
      holds: this.#holds,
      stateBudget: this.#stateBudget,
      doors: this.#doors,
    })
    const hosted: Hosted = { region, status: 'opening' }
    this.#hosted.set(start.region, hosted)
    try {
      await region.open()
    } catch (error) {
      this.#fail(hosted, error)
      return
    }
    hosted.status = 'running'
    for (const task of region.tasks) {
      this.#regionOf.set(task, hosted)
      this.#tasks.set(keyOf(task.vertex.index, task.subtask), task)
    }
    this.#loop.add(region.tasks)
    this.#port.post({ type: 'running', ...region.place })
  }

  /** The first failure of a region counts; what follows from it does not. */
  #fail(hosted: Hosted | undefined, error: unknown): void {
    if (hosted === undefined || hosted.region.hasFailed || hosted.status === 'stopped') return
    hosted.region.hasFailed = true
    this.#port.post({
      type: 'regionFailed',
      ...hosted.region.place,
      error: error instanceof Error ? error : new Error(String(error)),
    })
    this.#change(() => this.#stop(hosted, hosted.region.place.attempt))
  }

  async #stop(hosted: Hosted | undefined, attempt: number): Promise<void> {
    if (hosted === undefined || hosted.status === 'stopped' || hosted.region.place.attempt !== attempt) return
    const { region } = hosted
    hosted.status = 'stopped'
    this.#loop.remove(region.tasks)
    for (const task of region.tasks) {
      this.#regionOf.delete(task)
      this.#tasks.delete(keyOf(task.vertex.index, task.subtask))
    }
    await region.stop()
    this.#port.post({ type: 'regionStopped', ...region.place })
  }
}

const keyOf = (vertexIndex: number, subtaskIndex: number): string => `${vertexIndex}:${subtaskIndex}`
