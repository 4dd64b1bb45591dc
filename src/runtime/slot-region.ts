/**
 * The part of a region that a slot hosts, over one start: makes its tasks, opens them, and closes everything whatever
 * happened. Thread: the slot's; cold.
 */
import type { Doors } from '../common/doors.ts'
import { asMillraceError } from '../common/errors.ts'
import { type Exchange, openExchange } from '../exchange/exchange.ts'
import type { PlainAccumulators } from '../operators/accumulator-totals.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import type { StateBudget } from '../state/state-budget.ts'
import { AsyncHolds } from './async-holds.ts'
import type { RegionDeployment, RegionPart } from './deployment.ts'
import { attributeFailure } from './failure.ts'
import type { SlotPort } from './slot-runtime.ts'
import type { Task } from './task.ts'
import { TaskFactory } from './task-factory.ts'

/** Between two reports of accumulators while the job runs. */
const accumulatorsIntervalMs = 250

export interface SlotRegionParts {
  readonly deployment: RegionDeployment
  readonly job: JobGraph
  readonly port: SlotPort
  /** Of the slot. */
  readonly holds: AsyncHolds
  readonly stateBudget: StateBudget
  readonly doors: Doors
}

export class SlotRegion {
  readonly place: RegionPart
  /** In the order of their vertices; while the region opens, those that are open and the one that opens. */
  readonly tasks: Task[] = []
  hasFailed = false
  readonly #exchange: Exchange
  readonly #holds: AsyncHolds
  readonly #job: JobGraph
  readonly #factory: TaskFactory
  #accumulatorsDueMs = 0
  #knownVersion = 0
  #closing: Promise<Error | undefined> | undefined

  constructor(parts: SlotRegionParts) {
    const { slots, region, attempt, exchange } = parts.deployment
    this.place = { slot: slots[0]!, region, attempt }
    this.#exchange = openExchange(exchange, slots)
    this.#holds = new AsyncHolds(parts.holds)
    this.#job = parts.job
    this.#factory = new TaskFactory({ ...parts, exchange: this.#exchange, holds: this.#holds })
  }

  /** Tasks are made one by one, so that those before a failing one are known and get closed. */
  async open(): Promise<void> {
    for (const subtask of this.#factory.subtasks()) {
      try {
        const { task, open } = this.#factory.create(subtask)
        this.tasks.push(task)
        await open()
      } catch (error) {
        const operator = this.#job.vertices[subtask.vertexIndex]!.name
        throw attributeFailure(error, { operator, subtask: subtask.subtaskIndex })
      }
    }
  }

  accumulatorTotals(): PlainAccumulators {
    return this.#factory.accumulators.toPlain()
  }

  /** Undefined where they are as last time, or that was a moment ago. */
  changedAccumulators(nowMs: number): PlainAccumulators | undefined {
    const { accumulators } = this.#factory
    if (nowMs < this.#accumulatorsDueMs || accumulators.version === this.#knownVersion) return undefined
    this.#accumulatorsDueMs = nowMs + accumulatorsIntervalMs
    this.#knownVersion = accumulators.version
    return accumulators.toPlain()
  }

  /** Closes tasks and channels. Answers the first failure. Idempotent. */
  close(): Promise<Error | undefined> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Closes while the slot goes on: snapshots on their way to disk first come to their end, and nothing is held. */
  async stop(): Promise<void> {
    await Promise.all(this.tasks.map((task) => task.barriers?.settled()))
    await this.close()
    this.#holds.giveUp()
  }

  async #close(): Promise<Error | undefined> {
    let failure: Error | undefined
    for (const task of this.tasks) {
      try {
        await task.close()
      } catch (error) {
        const where = { operator: task.vertex.name, subtask: task.subtask }
        failure ??= asMillraceError(error, 'MR_USER_FUNCTION_FAILED', where)
      }
    }
    this.#exchange.close()
    return failure
  }
}
