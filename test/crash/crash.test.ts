/**
 * Kills a job's process at random moments and at every fail point, runs the same command again until it ends by itself,
 * and compares the output: every id once, every sum right. Backends, barriers and parallelisms change from case to case,
 * and the parallelism from run to run.
 */
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type FailPointName, failPoints } from '../../src/common/fail-points.ts'
import { type Prng, prng } from '../../src/common/prng.ts'
import { keyCount, recordOf, type Summed } from '../fixtures/crash-job.ts'
import { startCli } from '../support/start-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { committedValues } from '../support/transaction-sink.ts'

const isFull = process.env['MILLRACE_FULL'] === '1'
const seed = Number(process.env['MILLRACE_SEED'] ?? 1)
const jobFile = fileURLToPath(new URL('../fixtures/crash-job.ts', import.meta.url))
/** Enough that no run which is to be killed ends before. */
const count = isFull ? 15_000 : 3_000
/** In workers; with MILLRACE_TEST_LOCAL=1 in one thread. */
const place = { MILLRACE_TEST_LOCAL: process.env['MILLRACE_TEST_LOCAL'] ?? '0' }

type Backend = 'heap' | 'managed' | 'rocksdb' | 'leveldb'
type Mode = 'aligned' | 'unaligned' | 'timeout'

interface Case {
  readonly backend: Backend
  readonly mode: Mode
  readonly parallelism: () => number
  readonly directory: string
}

const modes: Readonly<Record<Mode, readonly string[]>> = {
  aligned: [],
  unaligned: ['-D', 'execution.checkpointing.unaligned.enabled=true'],
  timeout: [
    '-D',
    'execution.checkpointing.unaligned.enabled=true',
    '-D',
    'execution.checkpointing.aligned-checkpoint-timeout=5ms',
  ],
}

function run(
  one: Case,
  env: Readonly<Record<string, string>> = {},
  pace = one.mode === 'aligned' ? ['--rate', '1500'] : ['--spin-micros', '500'],
): ReturnType<typeof startCli> {
  const configuration = ['-D', `state.backend.type=${one.backend}`, '-D', 'execution.checkpointing.interval=40ms']
  const places = ['--job-dir', join(one.directory, 'job'), '--quiet', '--parallelism', String(one.parallelism())]
  const parameters = ['--', '--output', join(one.directory, 'out'), '--count', String(count), ...pace]
  return startCli(['run', jobFile, ...configuration, ...modes[one.mode], ...places, ...parameters], {
    ...place,
    ...env,
  })
}

/** The last run of a case: nobody kills it, nothing slows it down. */
async function runToEnd(one: Case): Promise<void> {
  const end = await run(one, {}, []).ended
  expect(end, end.stderr).toMatchObject({ exitCode: 0 })
  expectExactlyOnce(committedValues(join(one.directory, 'out')) as Summed[])
}

function expectExactlyOnce(values: readonly Summed[]): void {
  expect(values.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, id) => id))
  // Records of a key may come in any order, but their sums must form one chain.
  for (let key = 0; key < keyCount; key++) {
    let sum = 0
    for (const value of values.filter((one) => one.key === `key-${key}`).toSorted((a, b) => a.sum - b.sum)) {
      sum += recordOf(value.id).sum
      expect(value.sum).toBe(sum)
    }
  }
}

async function killAtRandom(one: Case, kills: number, random: Prng): Promise<number> {
  let killed = 0
  for (; killed < kills; killed++) {
    const running = run(one)
    const timer = setTimeout(() => running.child.kill('SIGKILL'), 250 + random.nextBelow(900))
    const end = await running.ended
    clearTimeout(timer)
    if (end.signal !== 'SIGKILL') {
      expect(end, end.stderr).toMatchObject({ exitCode: 0 })
      break
    }
  }
  return killed
}

function caseOf(backend: Backend, mode: Mode, parallelism: () => number): Case {
  return { backend, mode, parallelism, directory: temporaryDirectory() }
}

const allBackends: readonly Backend[] = ['heap', 'managed', 'rocksdb', 'leveldb']
const chosen = process.env['MILLRACE_BACKENDS']?.split(',') as Backend[] | undefined
const backends = chosen ?? (isFull ? allBackends : (['managed'] as const))
/** Full: 144 at random moments and 72 at fail points for each backend. */
const killsPerCase = isFull ? 12 : 2
const parallelisms = isFull ? ([1, 2, 4, 'changing'] as const) : (['changing'] as const)

describe(`a killed job goes on where its last checkpoint was (seed ${seed})`, () => {
  for (const backend of backends) {
    for (const mode of isFull ? (['aligned', 'unaligned', 'timeout'] as const) : (['aligned'] as const)) {
      for (const parallelism of parallelisms) {
        test(`${backend}, ${mode}, parallelism ${parallelism}: killed at random moments`, async () => {
          const random = prng(seed * 31 + String(parallelism).length)
          const one = caseOf(backend, mode, () => (parallelism === 'changing' ? 2 ** random.nextBelow(3) : parallelism))
          const kills = await killAtRandom(one, killsPerCase, random)
          await runToEnd(one)
          expect(kills).toBe(killsPerCase)
        }, 120_000)
      }
    }
  }
})

/** What a run passes once; a savepoint, which has to be asked for, has a test of its own. */
const passedOnce: readonly FailPointName[] = ['during-open', 'during-restore']
const passedOften = (Object.keys(failPoints) as FailPointName[]).filter(
  (name) => name !== 'during-savepoint' && !passedOnce.includes(name),
)

describe('a job killed at one fail point after the other goes on', () => {
  for (const backend of backends) {
    for (const mode of isFull ? (['aligned', 'unaligned'] as const) : (['aligned'] as const)) {
      for (const skip of isFull ? [0, 1, 2, 3] : [1]) {
        const parallelism = isFull ? parallelisms[skip]! : 2
        test(`${backend}, ${mode}, parallelism ${parallelism}, hit ${skip + 1} of each`, async () => {
          const random = prng(seed + skip)
          const one = caseOf(backend, mode, () => (parallelism === 'changing' ? 2 ** random.nextBelow(3) : parallelism))
          for (const name of [...passedOften, ...passedOnce]) {
            const hits = passedOnce.includes(name) ? 0 : skip
            const end = await run(one, { MILLRACE_FAIL_POINT: `${name}:${hits}` }).ended
            expect({ name, signal: end.signal }, end.stderr).toEqual({ name, signal: 'SIGKILL' })
          }
          await runToEnd(one)
        }, 120_000)
      }
    }
  }
})

describe('a job killed while it writes a savepoint goes on', () => {
  for (const backend of backends) {
    test(
      backend,
      async () => {
        const one = caseOf(backend, 'aligned', () => 2)
        const running = run(one, { MILLRACE_FAIL_POINT: 'during-savepoint' })
        let hasEnded = false
        void running.ended.then(() => (hasEnded = true))
        // Until it runs and has a checkpoint's worth of state there is nothing to be asked.
        while (!hasEnded) await startCli(['savepoint', join(one.directory, 'job')], place).ended
        const end = await running.ended
        expect(end.signal, end.stderr).toBe('SIGKILL')
        const [savepoint] = readdirSync(join(one.directory, 'job', 'savepoints'))
        // What is there of it cannot be taken for one.
        expect(existsSync(join(one.directory, 'job', 'savepoints', savepoint!, '_metadata'))).toBe(false)
        await runToEnd(one)
        expect(readdirSync(join(one.directory, 'job', 'savepoints'))).toEqual([])
      },
      60_000,
    )
  }
})
