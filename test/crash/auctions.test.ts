/**
 * Every query of the auction workload, killed and run again by the same command until it ends: its answer is still the
 * one of an independent program. Backends, modes and parallelisms change from query to query, and the parallelism from
 * run to run. Full size (MILLRACE_FULL=1): all queries with every backend, aligned and unaligned.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { queries } from '../../bench/auctions/queries/index.ts'
import { type Prng, prng } from '../../src/common/prng.ts'
import { type Answer, expectedAnswers } from '../support/auction-answers.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const isFull = process.env['MILLRACE_FULL'] === '1'
const seed = Number(process.env['MILLRACE_SEED'] ?? 1)
const program = fileURLToPath(new URL('../../bench/auctions/main.ts', import.meta.url))
/** Enough that no query ends before it is killed. */
const eventCount = isFull ? 10_000_000 : 1_000_000
const workload = expectedAnswers.find(({ events, disorder }) => events === eventCount && disorder === 0)!
const killsPerCase = isFull ? 5 : 2

interface Case {
  readonly query: string
  readonly backend: string
  readonly mode: string
}

const modes = ['exactly-once', 'unaligned'] as const
const backends = process.env['MILLRACE_BACKENDS']?.split(',') ?? ['managed', 'heap', 'rocksdb', 'leveldb']
const smallCases: readonly Case[] = [
  { query: 'q5', backend: 'managed', mode: 'exactly-once' },
  { query: 'q9', backend: 'heap', mode: 'unaligned' },
  { query: 'kcount', backend: 'leveldb', mode: 'exactly-once' },
]
const fullCases: readonly Case[] = Object.keys(queries).flatMap((query) =>
  backends.flatMap((backend) => modes.map((mode) => ({ query, backend, mode }))),
)

interface End {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** `whenStarted` may kill it. */
async function run(
  { query, backend, mode }: Case,
  jobDir: string,
  parallelism: number,
  whenStarted: (kill: () => void, hasEnded: () => boolean) => Promise<void>,
): Promise<End> {
  const { events, seed: workloadSeed, perMs } = workload
  const numbers = ['--events', events, '--seed', workloadSeed, '--per-ms', perMs, '--parallelism', parallelism].map(
    String,
  )
  const checkpoints = ['--checkpoint-ms', '20', '--mode', mode, '--backend', backend, '--job-dir', jobDir]
  const child = spawn(process.execPath, [program, query, ...numbers, ...checkpoints, '--json'])
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => (stdout += String(chunk)))
  child.stderr.on('data', (chunk) => (stderr += String(chunk)))
  let hasEnded = false
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  void ended.then(() => (hasEnded = true))
  await whenStarted(
    () => void child.kill('SIGKILL'),
    () => hasEnded,
  )
  return { exitCode: await ended, stdout, stderr }
}

/** Id of the newest complete checkpoint; 0: none. */
function newestCheckpoint(jobDir: string): number {
  const directory = join(jobDir, 'checkpoints')
  if (!existsSync(directory)) return 0
  const ids = readdirSync(directory)
    .filter((name) => existsSync(join(directory, name, '_metadata')))
    .map((name) => Number(/\d+$/.exec(name)?.[0] ?? 0))
  return Math.max(0, ...ids)
}

/** Kills after the run has completed a checkpoint of its own, and a random while. */
function killer(
  jobDir: string,
  random: Prng,
  pauseMsMax: number,
): (kill: () => void, hasEnded: () => boolean) => Promise<void> {
  const before = newestCheckpoint(jobDir)
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  return async (kill, hasEnded) => {
    while (newestCheckpoint(jobDir) === before && !hasEnded()) await pause(3)
    await pause(random.nextBelow(pauseMsMax))
    kill()
  }
}

describe(`a killed query goes on where its last checkpoint was (seed ${seed})`, () => {
  test.each(isFull ? fullCases : smallCases)(
    '$query, $backend, $mode',
    async (one) => {
      const random = prng(seed * 31 + one.query.length)
      let kills = 0
      // On a fast machine a run may end before it is killed: once more then, and sooner.
      for (let pauseMsMax = 120; kills === 0 && pauseMsMax > 0; pauseMsMax >>>= 2) {
        const jobDir = join(temporaryDirectory(), `job-${pauseMsMax}`)
        let end: End
        do {
          const parallelism = 1 + random.nextBelow(isFull ? 3 : 2)
          const isLast = kills >= killsPerCase
          end = await run(one, jobDir, parallelism, isLast ? async () => {} : killer(jobDir, random, pauseMsMax))
          if (end.exitCode === null) kills++
        } while (end.exitCode === null)
        expect(end.exitCode, end.stderr).toBe(0)
        const { rows, sum } = JSON.parse(end.stdout) as Answer
        expect({ rows, sum }).toEqual(workload.answers[one.query])
      }
      expect(kills).toBeGreaterThan(0)
    },
    120_000,
  )
})
