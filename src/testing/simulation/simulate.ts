/**
 * Runs a whole job in the calling thread, as if it ran on a machine of its own: the real coordinator, slots, exchange,
 * state, checkpoints and sinks, under a virtual clock, on a disk that forgets what was not synced, with a seed that says
 * what happens next and what goes wrong. The same seed gives the same run, step by step.
 */
import type { ConfigurationValues } from '../../common/configuration.ts'
import { Configuration } from '../../common/configuration.ts'
import { configOptions } from '../../common/config-options.ts'
import type { ProcessTable } from '../../common/processes.ts'
import { codeOf, MillraceError } from '../../common/errors.ts'
import { type ParameterData, type ParameterValues, parametersOf } from '../../common/parameters.ts'
import { type Prng, prng } from '../../common/prng.ts'
import { sleep } from '../../common/timers.ts'
import { executeBehind, type JobDoors } from '../../coordinator/execute.ts'
import type { JobRequest, JobResult } from '../../coordinator/job-execution.ts'
import type { JobDefinition } from '../../plan/job-definition.ts'
import { translate } from '../../plan/translate.ts'
import { seedMultipliers } from '../../state/managed/multipliers.ts'
import { ForgetfulDisk } from '../forgetful-disk.ts'
import { FaultBudget, type SimulatedFaults } from './faults.ts'
import { Life } from './life.ts'
import { SavepointUser } from './savepoint-user.ts'
import { simulatedFiles } from './simulated-files.ts'
import { SimulatedSlots } from './simulated-slots.ts'
import { Scope, World } from './world.ts'

/** How a job is simulated. */
export interface SimulationOptions {
  /** Everything follows from it. */
  readonly seed: number
  /** Slots; of a list the seed picks one for every start of the process. Default: 1, 2 or 3. */
  readonly parallelism?: number | readonly number[]
  readonly parameters?: ParameterValues
  /** Over what the seed picks: checkpoint interval, alignment, buffers, segments. */
  readonly configuration?: ConfigurationValues
  /** Default: none. */
  readonly faults?: SimulatedFaults
  /** The machine's disk, with what the job finds on it. Default: an empty one. */
  readonly disk?: ForgetfulDisk
  /** Virtual time at the beginning, ms since the epoch. Default: 2024-01-01T00:00:00Z. */
  readonly startMs?: number
  /** A run that takes more is taken to hang. Default 1 million. */
  readonly stepsMax?: number
  /** Is told every step of the schedule. */
  readonly log?: (line: string) => void
  /**
   * Looks at what the job has left each time it comes to its end: after the last one, and where it is started over from a
   * savepoint. What it throws fails the simulation.
   */
  readonly onEnd?: (result: SimulationResult) => void | Promise<void>
}

/** What a simulated run leaves. */
export interface SimulationResult {
  /** Of the process that ended the job. */
  readonly job: JobResult
  /** The job was stopped with `drain` before its input had ended; it never was where the simulation is over. */
  readonly isDrained: boolean
  /** The disk as the last process left it. */
  readonly disk: ForgetfulDisk
  /** How often the process was started, and with which parallelism. */
  readonly parallelisms: readonly number[]
  /** What went wrong, in order. */
  readonly faults: readonly string[]
  readonly steps: number
  /** Virtual time that has passed. */
  readonly elapsedMs: number
  /** The longest virtual time in which nothing could happen: a job that hangs until some time-out shows here. */
  readonly longestWaitMs: number
  /** Fingerprint of the schedule: equal for equal seeds. */
  readonly trace: string
  /** The lines of all visible files below a directory of the disk, file after file. */
  lines(directory: string): Promise<readonly string[]>
}

const startMsDefault = Date.UTC(2024, 0, 1)
const stepsMaxDefault = 1_000_000
/** Starts of the process after which it is taken to never end. */
const livesMax = 1_000

let lastRun: Promise<unknown> = Promise.resolve()
/** The process that runs now. */
let current: Scope | undefined

/**
 * Waits in the virtual time of the simulation under way: for asynchronous functions of a simulated job.
 * Errors: MR_SIMULATION_UNSUPPORTED where nothing is simulated.
 * @example
 * const slowly = async (n: number) => {
 *   await virtualSleep(20)
 *   return n
 * }
 */
export function virtualSleep(ms: number): Promise<void> {
  if (current !== undefined) return sleep(current, ms)
  throw new MillraceError('MR_SIMULATION_UNSUPPORTED', 'virtualSleep is for functions of a job that is being simulated')
}

/**
 * Runs a job to its end through what the seed has in store for it. One simulation of a thread runs at a time.
 *
 * The program runs with its real operators, state and checkpoints; time, files and failures are simulated. Sources and
 * functions that look at the world by themselves (sockets, `Date.now()`, `fetch`, timers) are not: what they do follows
 * from no seed. Closures are allowed, and shared by all slots.
 *
 * Errors: MR_SIMULATION_FAILED with the seed and, as cause, what the job failed with; MR_SIMULATION_UNSUPPORTED where the
 * job keeps state in `rocksdb` or `leveldb`, whose files are not in the engine's hands.
 * @example
 * const evens = job('evens', (env) => {
 *   env.source(sequence(1, 100)).filter((n) => n % 2 === 0).sinkTo(fileSink('/out'))
 * })
 * const result = await simulate(evens, { seed: 7, faults: { crashes: 3 } })
 * console.log((await result.lines('/out')).length) // 50
 */
export function simulate(job: JobDefinition, options: SimulationOptions): Promise<SimulationResult> {
  const run = lastRun.then(() => new Simulation(job, options).run())
  lastRun = run.catch(() => undefined)
  return run
}

class Simulation {
  readonly #definition: JobDefinition
  readonly #options: SimulationOptions
  readonly #random: Prng
  readonly #world: World
  readonly #budget: FaultBudget
  readonly #user: SavepointUser
  readonly #happened: string[] = []
  readonly #parallelisms: number[] = []
  readonly #parameters: ParameterData
  readonly #configuration: ConfigurationValues
  readonly #slowMsMax: number
  #disk: ForgetfulDisk

  constructor(definition: JobDefinition, options: SimulationOptions) {
    const { seed, startMs = startMsDefault, stepsMax = stepsMaxDefault, log } = options
    const random = prng(seed)
    this.#definition = definition
    this.#options = options
    this.#parameters = parametersOf(options.parameters ?? {})
    this.#random = prng(random.nextUint32())
    seedMultipliers(random.nextUint32())
    this.#world = new World({ random: prng(random.nextUint32()), startMs, stepsMax, log })
    this.#budget = new FaultBudget(options.faults ?? {}, prng(random.nextUint32()))
    this.#disk = options.disk ?? new ForgetfulDisk({ seed: random.nextUint32() })
    const restoresMax = options.faults?.restores ?? 0
    this.#user = new SavepointUser(prng(random.nextUint32()), restoresMax, (what) => this.#happen(what))
    const settings = { parameters: this.#parameters, configuration: options.configuration ?? {}, parallelism: 1 }
    const own = Configuration.of(translate(definition.build(settings)).configuration)
    refuseUnsupported(own)
    this.#slowMsMax = this.#budget.slowMsMax()
    // Some checkpoints take longer than that, but not every one.
    const timeoutMs = Math.ceil(2_000 + 3_000 * this.#world.stepMs + 40 * this.#slowMsMax)
    this.#configuration = { ...seededConfiguration(own, timeoutMs, this.#random), ...options.configuration }
  }

  async run(): Promise<SimulationResult> {
    try {
      for (;;) {
        const job = await this.#live()
        await this.#user.lifeOver(this.#disk)
        // After a drain the job has ended, though not its input.
        const hasEnded = job !== undefined && (job.savepoint === undefined || this.#user.isDrained)
        const result = hasEnded ? this.#resultOf(job) : undefined
        if (result !== undefined) await this.#options.onEnd?.(result)
        if (await this.#user.decides(this.#disk, hasEnded)) return result!
        if (this.#parallelisms.length >= livesMax) throw new Error(`not over after ${livesMax} starts`)
      }
    } catch (error) {
      if (codeOf(error) === 'MR_SIMULATION_UNSUPPORTED') throw error
      throw this.#failed(error)
    }
  }

  /** One life of the process; undefined where it did not end in order. */
  async #live(): Promise<JobResult | undefined> {
    const parallelism = this.#nextParallelism()
    this.#parallelisms.push(parallelism)
    const process = new Scope(this.#world, 'coordinator')
    const life = new Life(process, this.#budget.nextLife(), {
      world: this.#world,
      random: this.#random,
      user: this.#user,
      happened: (what) => this.#happen(what),
    })
    this.#world.note(`start with parallelism ${parallelism}`)
    const doors = this.#doorsOf(life)
    const request: JobRequest = {
      definition: this.#definition,
      parameters: this.#parameters,
      configuration: this.#configuration,
      parallelism,
      ...this.#user.start,
      onControl: (controls) => life.running(controls),
    }
    current = process
    const outcome = await life
      .run(() => executeBehind(doors, request))
      .finally(() => {
        current = undefined
        process.kill()
      })
    if (outcome === 'dead') {
      this.#disk = this.#disk.crash({ seed: this.#random.nextUint32() })
      return undefined
    }
    this.#disk = this.#disk.remount({ seed: this.#random.nextUint32() })
    return outcome
  }

  #doorsOf(life: Life): JobDoors {
    const world = this.#world
    const pid = 100 + this.#parallelisms.length
    const filesOf = (scope: Scope): ReturnType<typeof simulatedFiles> =>
      simulatedFiles(scope, this.#random, { disk: this.#disk, slowMsMax: this.#slowMsMax, room: life.room })
    const processes: ProcessTable = {
      self: () => ({ pid, startedAt: `simulated/${pid}`, host: 'simulated' }),
      isAlive: (other) => other.pid === pid,
    }
    const doors: JobDoors = {
      clock: world.clock,
      timers: life.scope,
      fileSystem: filesOf(life.scope),
      prng: prng(this.#random.nextUint32()),
      randomId: () => Array.from({ length: 4 }, () => hex(this.#random.nextUint32())).join(''),
      processes,
      openSlots: () => {
        const { scope } = life
        return (life.slots = new SimulatedSlots({
          world,
          process: scope,
          definition: this.#definition,
          doors,
          filesOf,
        }))
      },
    }
    return doors
  }

  #nextParallelism(): number {
    const { parallelism = [1, 2, 3] } = this.#options
    return typeof parallelism === 'number' ? parallelism : parallelism[this.#random.nextBelow(parallelism.length)]!
  }

  #happen(what: string): void {
    this.#world.note(what)
    this.#happened.push(`step ${this.#world.steps}: ${what}`)
  }

  #resultOf(job: JobResult): SimulationResult {
    const disk = this.#disk
    return {
      job,
      isDrained: this.#user.isDrained,
      disk,
      parallelisms: this.#parallelisms,
      faults: this.#happened,
      steps: this.#world.steps,
      elapsedMs: this.#world.elapsedMs,
      longestWaitMs: this.#world.longestWaitMs,
      trace: this.#world.trace,
      lines: (directory) => linesBelow(disk, directory),
    }
  }

  #failed(cause: unknown): MillraceError {
    const story = [`parallelism ${this.#parallelisms.join(', ')}`, ...this.#happened].join('; ')
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new MillraceError(
      'MR_SIMULATION_FAILED',
      `seed ${this.#options.seed}: job '${this.#definition.name}': ${reason} (${story})`,
      { cause },
    )
  }
}

/** Small and unusual settings, so that buffers are full and barriers meet records everywhere; what the job has set stays. */
function seededConfiguration(own: Configuration, shortTimeoutMs: number, random: Prng): ConfigurationValues {
  const pick = <T>(...choices: readonly T[]): T => choices[random.nextBelow(choices.length)]!
  const alignment = pick('aligned', 'aligned', 'unaligned', 'timeout')
  const mayOvertake =
    own.get(configOptions.checkpointMode) === 'exactly-once' && own.get(configOptions.checkpointMaxConcurrent) === 1
  const isUnaligned = alignment !== 'aligned' && mayOvertake
  const concurrent = isUnaligned ? 1 : pick(1, 1, 3)
  const timeout = pick('10 min', '10 min', `${shortTimeoutMs} ms`)
  const seeded: ConfigurationValues = {
    [configOptions.checkpointInterval.key]: `${pick(10, 30, 100, 300, 1_000)} ms`,
    [configOptions.checkpointMinPause.key]: `${pick(0, 0, 50)} ms`,
    [configOptions.checkpointTimeout.key]: timeout,
    [configOptions.checkpointTolerableFailures.key]: timeout === '10 min' ? pick('0', '1000000') : '1000000',
    [configOptions.checkpointMaxConcurrent.key]: String(concurrent),
    [configOptions.checkpointsRetained.key]: String(pick(1, 1, 2)),
    [configOptions.unaligned.key]: String(isUnaligned),
    [configOptions.alignedTimeout.key]: alignment === 'timeout' ? `${pick(1, 10, 100)} ms` : '0 ms',
    [configOptions.bufferTimeout.key]: `${pick(0, 10, 100)} ms`,
    [configOptions.segmentBytes.key]: '4 kb',
    [configOptions.buffersPerChannel.key]: String(pick(1, 1, 2)),
    [configOptions.floatingBuffersPerGate.key]: String(pick(0, 1, 4)),
    [configOptions.managedMemory.key]: '64 mb',
  }
  return Object.fromEntries(Object.entries(seeded).filter(([key]) => own.text(key) === undefined))
}

/** Threads and files of these backends are not the engine's own. */
function refuseUnsupported(own: Configuration): void {
  const backend = own.get(configOptions.stateBackend)
  if (backend === 'rocksdb' || backend === 'leveldb') {
    throw new MillraceError(
      'MR_SIMULATION_UNSUPPORTED',
      `state in ${backend} cannot be simulated: its threads and files are its own; set ${configOptions.stateBackend.key} to managed or heap`,
    )
  }
}

async function linesBelow(disk: ForgetfulDisk, directory: string): Promise<readonly string[]> {
  const lines: string[] = []
  const isVisible = (path: string): boolean =>
    path.startsWith(`${directory}/`) && !path.slice(directory.length).includes('/.')
  for (const path of disk.files().filter(isVisible)) {
    const text = Buffer.from(await disk.readFile(path)).toString('utf8')
    lines.push(...text.split('\n').filter((line) => line !== ''))
  }
  return lines
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0')
}
