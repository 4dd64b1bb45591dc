/**
 * The world of a simulated job: one virtual clock, one list of things that could happen next, and a seed that picks.
 * Everything that waits in a simulated process (a slot between two steps, a file operation, a timer, a message) parks
 * here; `run` lets one of them go on at a time. Thread: the caller's.
 *
 * Invariants
 * 1. What happens next follows from the seed and from what happened before, never from the machine's time or load.
 * 2. What belongs to a dead scope never goes on.
 * 3. Time only moves forward: a little with every step and every look at it, and to the next timer when nothing else can
 *    happen.
 */
import type { Clock } from '../../common/clock.ts'
import { MillraceError } from '../../common/errors.ts'
import type { Prng } from '../../common/prng.ts'
import type { Timers } from '../../common/timers.ts'

interface Parked {
  readonly scope: Scope
  readonly label: string
  readonly goOn: () => void
}

interface Timer {
  readonly scope: Scope
  readonly dueMs: number
  readonly order: number
  readonly run: () => void
}

interface Sleeper {
  readonly isRung: () => boolean
  readonly goOn: () => void
}

export interface WorldOptions {
  readonly random: Prng
  /** Wall-clock time at the beginning, ms since the epoch. */
  readonly startMs: number
  readonly stepsMax: number
  /** Is told every step, for reading a schedule. */
  readonly log?: ((line: string) => void) | undefined
}

// Kept from before a test replaces them: the simulator turns the real event loop.
const turnEventLoop = setImmediate
const waitInEventLoop = setTimeout
/** How long, in real time, something outside the simulation is waited for where nothing inside can happen. */
const outsideMsMax = 2_000
/** Steps after which other scopes are favoured. */
const favourStepsMax = 120

export class World {
  /** Steps so far. */
  steps: number = 0
  /** The longest time, virtual ms, in which nothing could happen. */
  longestWaitMs: number = 0
  readonly clock: Clock
  readonly random: Prng
  readonly #options: WorldOptions
  readonly #ready: Parked[] = []
  readonly #timers: Timer[] = []
  readonly #sleepers = new Map<Scope, Sleeper>()
  #elapsedMs = 0
  #timerCount = 0
  #trace = 0x811c9dc5
  #trace2 = 0x1b873593
  /** Longest time of a step; differs from run to run. */
  #stepMsMax: number
  #readMsMax: number
  #weights = new Map<string, number>()
  #favourUntil = 0

  constructor(options: WorldOptions) {
    this.#options = options
    this.random = options.random
    this.#stepMsMax = [0.02, 0.2, 1, 4][this.random.nextBelow(4)]!
    this.#readMsMax = [0.01, 0.1, 2, 20][this.random.nextBelow(4)]!
    this.clock = {
      nowMs: () => options.startMs + Math.floor(this.#elapsedMs),
      monotonicMs: () => (this.#elapsedMs += this.random.nextFloat() * this.#readMsMax),
    }
  }

  /** About how long a step takes on average, virtual ms, with the looks at the clock in it. */
  get stepMs(): number {
    return this.#stepMsMax / 4 + this.#readMsMax * 2
  }

  /** Virtual milliseconds since the beginning. */
  get elapsedMs(): number {
    return this.#elapsedMs
  }

  /** A fingerprint of everything that has happened: 16 hex digits. */
  get trace(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
    return hex(this.#trace) + hex(this.#trace2)
  }

  /** Lets one thing after another happen until `isOver`. `beforeStep` may kill scopes. MR_SIMULATION_FAILED: no end. */
  async run(isOver: () => boolean, beforeStep: () => void): Promise<void> {
    let outsideMs = 0
    for (;;) {
      await new Promise<void>((resolve) => turnEventLoop(resolve))
      if (isOver()) return
      beforeStep()
      if (isOver()) return
      this.#wakeDue()
      if (this.#ready.length > 0) {
        outsideMs = 0
        this.#step()
        continue
      }
      if (this.#skipToTimer()) continue
      // Something outside is awaited: a user's own promise. It may come, but no seed knows when.
      if (outsideMs++ >= outsideMsMax) throw this.#stuck('nothing can happen any more')
      await new Promise<void>((resolve) => waitInEventLoop(resolve, 1))
    }
  }

  /** Adds something to the fingerprint. */
  note(what: string): void {
    for (let i = 0; i < what.length; i++) {
      this.#trace = Math.imul(this.#trace ^ what.charCodeAt(i), 0x01000193)
      this.#trace2 = Math.imul((this.#trace2 << 13) | (this.#trace2 >>> 19), 5) ^ this.#trace
    }
    this.#options.log?.(`${this.steps} +${this.#elapsedMs.toFixed(3)} ms ${what}`)
  }

  park(scope: Scope, label: string, goOn: () => void): void {
    this.#ready.push({ scope, label, goOn })
  }

  sleep(scope: Scope, sleeper: Sleeper): void {
    this.#sleepers.set(scope, sleeper)
  }

  wakes(scope: Scope): void {
    this.#sleepers.delete(scope)
  }

  addTimer(scope: Scope, delayMs: number, run: () => void): () => void {
    const timer: Timer = { scope, dueMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#timerCount++, run }
    this.#timers.push(timer)
    return () => {
      const at = this.#timers.indexOf(timer)
      if (at >= 0) this.#timers.splice(at, 1)
    }
  }

  /** Removes what waits in scopes that are dead. */
  forgetDead(): void {
    removeWhere(this.#ready, ({ scope }) => scope.isDead)
    removeWhere(this.#timers, ({ scope }) => scope.isDead)
    for (const scope of this.#sleepers.keys()) if (scope.isDead) this.#sleepers.delete(scope)
  }

  #step(): void {
    if (++this.steps > this.#options.stepsMax) throw this.#stuck(`no end after ${this.#options.stepsMax} steps`)
    const [parked] = this.#ready.splice(this.#pick(), 1) as [Parked]
    this.note(`${parked.scope.name}: ${parked.label}`)
    this.#elapsedMs += this.random.nextFloat() ** 3 * this.#stepMsMax
    parked.goOn()
  }

  /** For a while some scopes are slow, or stand still as long as others can go on; then others are. */
  #pick(): number {
    const { random } = this
    if (this.steps >= this.#favourUntil) {
      this.#favourUntil = this.steps + 1 + random.nextBelow(favourStepsMax)
      this.#weights = new Map()
    }
    const weights = this.#ready.map(({ scope }) => {
      let weight = this.#weights.get(scope.name)
      if (weight === undefined) this.#weights.set(scope.name, (weight = [0, 1, 4, 16][random.nextBelow(4)]!))
      return weight
    })
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    if (total === 0) return random.nextBelow(this.#ready.length)
    let left = random.nextBelow(total)
    return weights.findIndex((weight) => (left -= weight) < 0)
  }

  #wakeDue(): void {
    const due: Timer[] = []
    removeWhere(this.#timers, (timer) => timer.dueMs <= this.#elapsedMs && due.push(timer) > 0)
    due.sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)
    for (const { scope, run } of due) this.park(scope, 'timer', run)
    for (const [scope, { isRung, goOn }] of this.#sleepers) {
      if (!isRung()) continue
      this.#sleepers.delete(scope)
      this.park(scope, 'bell', goOn)
    }
  }

  #skipToTimer(): boolean {
    if (this.#timers.length === 0) return false
    const nextMs = this.#timers.reduce((least, { dueMs }) => Math.min(least, dueMs), Number.POSITIVE_INFINITY)
    this.longestWaitMs = Math.max(this.longestWaitMs, nextMs - this.#elapsedMs)
    this.#elapsedMs = Math.max(this.#elapsedMs, nextMs)
    return true
  }

  #stuck(why: string): MillraceError {
    return new MillraceError(
      'MR_SIMULATION_FAILED',
      `${why} (step ${this.steps}, ${this.#elapsedMs.toFixed(0)} virtual ms): the job hangs, or waits for something that is not simulated`,
    )
  }
}

/** What lives and dies together: a process, or a slot within it. Its timers are virtual. */
export class Scope implements Timers {
  readonly name: string
  readonly #world: World
  readonly #children: Scope[] = []
  #isDead = false

  constructor(world: World, name: string) {
    this.#world = world
    this.name = name
  }

  get isDead(): boolean {
    return this.#isDead
  }

  child(name: string): Scope {
    const child = new Scope(this.#world, name)
    if (this.#isDead) child.#isDead = true
    this.#children.push(child)
    return child
  }

  /** Nothing of it goes on any more. */
  kill(): void {
    this.#die()
    this.#world.forgetDead()
  }

  /** Resolves when the world lets it go on; never in a dead scope. */
  park(label: string): Promise<void> {
    return new Promise((resolve) => this.soon(label, resolve))
  }

  /** Calls `run` when the world lets it. */
  soon(label: string, run: () => void): void {
    if (!this.#isDead) this.#world.park(this, label, run)
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#isDead ? () => {} : this.#world.addTimer(this, delayMs, run)
  }

  turn(): Promise<void> {
    return this.park('turn')
  }

  sleep(isRung: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#isDead) this.#world.sleep(this, { isRung, goOn: resolve })
    })
  }

  /** Ends a sleep that something else has ended. */
  wakes(): void {
    this.#world.wakes(this)
  }

  #die(): void {
    this.#isDead = true
    for (const child of this.#children) child.#die()
  }
}

function removeWhere<T>(items: T[], isGone: (item: T) => boolean): void {
  let kept = 0
  for (const item of items) if (!isGone(item)) items[kept++] = item
  items.length = kept
}
