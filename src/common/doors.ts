/**
 * The doors through which the world comes into the engine: time, waiting, files, chance. Whatever runs a job is given
 * them, so that the simulator (`millrace/testing`) can stand behind every one. Users' functions that look at the world
 * themselves (`Date.now()`, `fetch`) go around them.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { type Clock, systemClock } from './clock.ts'
import { type FileSystem, nodeFileSystem } from './file-system.ts'
import { type Prng, prng } from './prng.ts'
import { systemTimers, type Timers } from './timers.ts'

export interface Doors {
  readonly clock: Clock
  readonly timers: Timers
  /** Of checkpoints and exactly-once sinks. */
  readonly fileSystem: FileSystem
  /** For jitter and the like. */
  readonly prng: Prng
  /** Names what must never be named twice: 32 hex digits. */
  randomId(): string
}

export const systemDoors: Doors = {
  clock: systemClock,
  timers: systemTimers,
  fileSystem: nodeFileSystem,
  prng: prng(randomInt(2 ** 32)),
  randomId: () => randomBytes(16).toString('hex'),
}
