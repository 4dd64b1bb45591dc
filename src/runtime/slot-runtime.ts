/**
 * A slot's runtime: builds the tasks of a deployment, opens them, runs their loop, and closes everything whatever
 * happened. The same in a worker and in local mode. Cold but for the loop it starts.
 */
import type { Doors } from '../common/doors.ts'
import { asMillraceError } from '../common/errors.ts'
import { type Exchange, openExchange } from '../exchange/exchange.ts'
import type { JobGraph } from '../plan/job-graph.ts'
import { ControlWords } from './control-layout.ts'
import type { SlotCommand, SlotDeployment, SlotReport } from './deployment.ts'
import { AsyncHolds, SlotLoop, type SlotSchedule } from './slot-loop.ts'
import type { Task } from './task.ts'
import { TaskFactory } from './task-factory.ts'

/** The slot's line to the coordinator. */
export interface SlotPort {
  post(report: SlotReport): void
  /** The next command that has arrived, without waiting. */
  receive(): SlotCommand | undefined
}

export interface SlotRuntimeOptions {
  readonly doors: Doors
  readonly mayBlock: boolean
  /** In a simulation: when which task steps. */
  readonly schedule?: SlotSchedule
}

export async function runSlot(
  deployment: SlotDeployment,
  job: JobGraph,
  port: SlotPort,
  options: SlotRuntimeOptions,
): Promise<void> {
  const holds = new AsyncHolds()
  const exchange = openExchange(deployment.exchange, deployment.slots)
  const factory = new TaskFactory({ deployment, job, port, exchange, holds, doors: options.doors })
  const tasks: Task[] = []
  try {
    await openTasks(factory, tasks)
    port.post({ type: 'running', slot: deployment.slots[0]! })
    await loopOf(deployment, tasks, holds, exchange, port, options).run()
  } catch (error) {
    if (options.schedule?.isDead() !== true) await closeTasks(tasks)
    throw error
  } finally {
    factory.postAccumulators()
    exchange.close()
  }
  const failure = await closeTasks(tasks)
  if (failure !== undefined) throw failure
}

/** Tasks are made one by one, so that those before a failing one are known and get closed. */
async function openTasks(factory: TaskFactory, tasks: Task[]): Promise<void> {
  for (const subtask of factory.subtasks()) {
    const { task, open } = factory.create(subtask)
    tasks.push(task)
    await open()
  }
}

/** Answers the first failure of a close. */
async function closeTasks(tasks: readonly Task[]): Promise<Error | undefined> {
  let failure: Error | undefined
  for (const task of tasks) {
    try {
      await task.close()
    } catch (error) {
      failure ??= asMillraceError(error, 'MR_USER_FUNCTION_FAILED', {
        operator: task.vertex.name,
        subtask: task.subtask,
      })
    }
  }
  return failure
}

function loopOf(
  deployment: SlotDeployment,
  tasks: readonly Task[],
  holds: AsyncHolds,
  exchange: Exchange,
  port: SlotPort,
  { doors, mayBlock, schedule }: SlotRuntimeOptions,
): SlotLoop {
  const slot = deployment.slots[0]!
  const control = new ControlWords(deployment.control, slot)
  const taskOf = new Map(tasks.map((task) => [`${task.vertex.index}:${task.subtask}`, task]))
  const handle = (command: SlotCommand): void => {
    if (command.type === 'release') for (const task of tasks) task.release()
    else taskOf.get(`${command.to.vertexIndex}:${command.to.subtaskIndex}`)?.barriers?.take(command.command)
  }
  return new SlotLoop(tasks, holds, {
    clock: doors.clock,
    timers: doors.timers,
    mayBlock,
    schedule,
    doorbell: exchange.doorbell,
    isCancelRequested: () => control.isCancelRequested(),
    onTaskEnded: ({ vertex, subtask }) =>
      port.post({ type: 'subtaskFinished', subtask: { vertexIndex: vertex.index, subtaskIndex: subtask } }),
    takeCommands: () => {
      if (!control.takeCommandAnnounced()) return
      for (let command = port.receive(); command !== undefined; command = port.receive()) handle(command)
    },
  })
}
