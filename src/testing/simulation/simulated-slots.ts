/**
 * Slots without threads: each runs the real slot runtime over its own ends of the shared-memory exchange, from its own
 * build of the job's graph, and goes on only when the world lets it. Messages are cloned and come later, in their order,
 * as between threads.
 */
import type { Doors } from '../../common/doors.ts'
import { MillraceError, toPlain } from '../../common/errors.ts'
import type { FileSystem } from '../../common/file-system.ts'
import { Progress } from '../../common/progress.ts'
import { type Prng, prng } from '../../common/prng.ts'
import type { RunningSlot, Slots } from '../../coordinator/slots.ts'
import type { JobDefinition } from '../../plan/job-definition.ts'
import type { JobGraph } from '../../plan/job-graph.ts'
import { checkSamePlan } from '../../plan/plan-description.ts'
import { translate } from '../../plan/translate.ts'
import { cloneableReport, type SlotCommand, type SlotDeployment, type SlotReport } from '../../runtime/deployment.ts'
import { runSlot } from '../../runtime/slot-runtime.ts'
import type { Scope, World } from './world.ts'

export interface SimulatedSlotsParts {
  readonly world: World
  /** The process. */
  readonly process: Scope
  readonly definition: JobDefinition
  readonly doors: Doors
  filesOf(scope: Scope): FileSystem
}

export class SimulatedSlots implements Slots {
  readonly #parts: SimulatedSlotsParts
  readonly #running = new Set<SimulatedSlot>()

  constructor(parts: SimulatedSlotsParts) {
    this.#parts = parts
  }

  start(deployment: SlotDeployment, onReport: (report: SlotReport) => void): RunningSlot {
    const slot = new SimulatedSlot(this.#parts, deployment, onReport)
    this.#running.add(slot)
    const remove = (): void => void this.#running.delete(slot)
    slot.ended.then(remove, remove)
    return slot
  }

  async close(): Promise<void> {
    for (const slot of this.#running) slot.terminate()
  }

  /** Ends the thread of one slot, if any runs. Answers which. */
  killOne(random: Prng): number | undefined {
    const slot = pickOne(this.#running, random)
    slot?.die()
    return slot?.number
  }

  /** Lets the next step of a task fail in one slot, if any runs. Answers which. */
  failOne(random: Prng): number | undefined {
    const slot = pickOne(this.#running, random)
    slot?.failNextStep()
    return slot?.number
  }
}

function pickOne(running: ReadonlySet<SimulatedSlot>, random: Prng): SimulatedSlot | undefined {
  const all = [...running]
  return all.length === 0 ? undefined : all[random.nextBelow(all.length)]
}

class SimulatedSlot implements RunningSlot {
  readonly ended: Promise<void>
  readonly number: number
  readonly #parts: SimulatedSlotsParts
  readonly #scope: Scope
  readonly #onReport: (report: SlotReport) => void
  readonly #commands: SlotCommand[] = []
  #reports: SlotReport[] = []
  #isDelivering = false
  #mustFail = false
  #settle!: { readonly resolve: () => void; readonly reject: (error: Error) => void }
  #hasReturned = false

  constructor(parts: SimulatedSlotsParts, deployment: SlotDeployment, onReport: (report: SlotReport) => void) {
    this.#parts = parts
    this.number = deployment.slots[0]!
    this.#scope = parts.process.child(`slot ${this.number}`)
    this.#onReport = onReport
    this.ended = new Promise((resolve, reject) => (this.#settle = { resolve, reject }))
    this.ended.catch(() => {})
    const received = structuredClone(deployment)
    this.#scope.soon('start', () => void this.#run(received))
  }

  send(command: SlotCommand): void {
    if (this.#scope.isDead) return
    this.#parts.world.note(`  to slot ${this.number}: ${printCommand(command)}`)
    this.#commands.push(structuredClone(command))
  }

  /** As the coordinator ends a thread. */
  terminate(): void {
    this.die()
  }

  /** The thread is gone, without a last word; what it had posted is lost, too. */
  die(): void {
    if (this.#scope.isDead || this.#hasReturned) return
    this.#scope.kill()
    this.#reports = []
    const died = new MillraceError('MR_WORKER_DIED', `slot ${this.number} ended unexpectedly: simulated`)
    this.#parts.process.soon(`slot ${this.number} is gone`, () => this.#settle.reject(died))
  }

  failNextStep(): void {
    this.#mustFail = true
  }

  async #run(deployment: SlotDeployment): Promise<void> {
    const { definition, doors, world } = this.#parts
    const scope = this.#scope
    const slot = this.number
    this.#post({ type: 'hello', slot, threadId: 0 })
    try {
      const build = (): JobGraph => translate(definition.build(deployment.settings))
      const job = build()
      checkSamePlan(deployment.plan, job, `slot ${slot}`)
      const port = { post: (report: SlotReport) => this.#post(report), receive: () => this.#commands.shift() }
      await runSlot(deployment, job, port, {
        doors: {
          ...doors,
          timers: scope,
          fileSystem: this.#parts.filesOf(scope),
          prng: prng(world.random.nextUint32()),
        },
        mayBlock: false,
        rebuild: build,
        schedule: {
          order: (taskCount) => shuffled(taskCount, world.random),
          turn: () => this.#turn(),
          stepped: (task, progress) => world.note(`  ${task.name}: ${task.phase}, ${progressNames[progress]}`),
          sleep: (isRung) => scope.sleep(isRung),
          sleepMsMax: 36_000_000,
          isDead: () => scope.isDead,
        },
      })
      this.#post({ type: 'ended', slot })
    } catch (error) {
      this.#post({ type: 'failed', slot, error: toPlain(error) })
    }
    this.#hasReturned = true
  }

  async #turn(): Promise<void> {
    this.#scope.wakes()
    await this.#scope.park('step')
    if (!this.#mustFail) return
    this.#mustFail = false
    throw new Error('a failure of the simulation')
  }

  #post(report: SlotReport): void {
    if (this.#scope.isDead) return
    this.#reports.push(structuredClone(cloneableReport(report)))
    if (!this.#isDelivering) this.#deliver()
  }

  #deliver(): void {
    this.#isDelivering = true
    this.#parts.process.soon(`report of slot ${this.number}`, () => {
      const report = this.#reports.shift()
      this.#isDelivering = false
      if (report === undefined) return
      this.#parts.world.note(`  ${printReport(report)}`)
      this.#onReport(report)
      if (this.#reports.length > 0) this.#deliver()
      if (report.type === 'ended' || report.type === 'failed') this.#settle.resolve()
    })
  }
}

const progressNames = Object.fromEntries(Object.entries(Progress).map(([name, value]) => [value, name.toLowerCase()]))

function printCommand(command: SlotCommand): string {
  if (command.type !== 'checkpoint') return command.type
  const { type } = command.command
  const id = 'barrier' in command.command ? command.command.barrier.checkpointId : command.command.checkpointId
  return `${type} ${id} for ${command.to.vertexIndex}:${command.to.subtaskIndex}`
}

function printReport(report: SlotReport): string {
  if (report.type === 'failed') return `failed: ${report.error.message}`
  if (report.type !== 'checkpoint') return report.type
  const { type, vertexIndex, subtaskIndex } = report.report
  const id = 'checkpointId' in report.report ? ` ${report.report.checkpointId}` : ''
  return `${type}${id} of ${vertexIndex}:${subtaskIndex}`
}

function shuffled(count: number, random: Prng): readonly number[] {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const other = random.nextBelow(i + 1)
    const moved = order[i]!
    order[i] = order[other]!
    order[other] = moved
  }
  return order
}
