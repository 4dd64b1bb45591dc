/** Slots whose JavaScript heap overflows, in worker threads: the slot ends, the process lives. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { JobResult } from '../../src/coordinator/job-execution.ts'
import { keyCount, recordOf, type Summed } from '../fixtures/crash-job.ts'
import { heapJobCount } from '../fixtures/heap-job.ts'
import { type CliEnd, startCli } from '../support/start-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { committedValues } from '../support/transaction-sink.ts'

const jobFile = fileURLToPath(new URL('../fixtures/heap-job.ts', import.meta.url))
const code = 'MR_WORKER_OUT_OF_MEMORY'
const message =
  /^slot [01] has \d+ MiB on its JavaScript heap; its limit is 96 MiB \(taskmanager\.memory\.heap-per-slot/

interface Run {
  readonly way: string
  readonly parallelism: number
  readonly keepingAttempts?: number
  readonly configuration: readonly string[]
}

async function run(directory: string, { way, parallelism, keepingAttempts = 1, configuration }: Run): Promise<CliEnd> {
  const options = [
    'taskmanager.memory.heap-per-slot.size=96mb',
    'state.backend.type=heap',
    'execution.checkpointing.interval=100ms',
    ...configuration,
  ].flatMap((option) => ['-D', option])
  const places = ['--json', '--parallelism', String(parallelism), '--job-dir', join(directory, 'job')]
  const parameters = [
    '--',
    '--output',
    join(directory, 'out'),
    '--way',
    way,
    '--keeping-attempts',
    `${keepingAttempts}`,
  ]
  return startCli(['run', jobFile, ...options, ...places, ...parameters]).ended
}

/** Every record's id, and the last sum of each key. */
function expectRightResult(directory: string): void {
  const values = committedValues(join(directory, 'out')) as Summed[]
  const ids = values.map(({ id }) => id).toSorted((a, b) => a - b)
  expect(ids).toEqual(Array.from({ length: heapJobCount }, (_, id) => id))
  const totals = new Map<string, number>()
  for (let id = 0; id < heapJobCount; id++) {
    const { key, sum } = recordOf(id)
    totals.set(key, (totals.get(key) ?? 0) + sum)
  }
  const found = new Map<string, number>()
  for (const { key, sum } of values) found.set(key, Math.max(found.get(key) ?? 0, sum))
  expect(found.size).toBe(keyCount)
  expect(found).toEqual(totals)
}

for (const [way, parallelism] of [
  ['list', 1],
  ['map', 2],
  ['state', 2],
] as const) {
  test(`a job whose slot keeps too much (${way}, parallelism ${parallelism}) fails with a code that names slot and limit`, async () => {
    const configuration = ['restart-strategy.type=none']
    const { exitCode, stdout, stderr } = await run(temporaryDirectory(), { way, parallelism, configuration })
    expect(exitCode, stdout + stderr).toBe(1)
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string } }
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  }, 60_000)
}

for (const [way, parallelism] of [
  ['map', 1],
  ['list', 2],
  ['endless', 2],
] as const) {
  test(`a slot that overflows in the first attempt (${way}, parallelism ${parallelism}) starts again, and the result is right`, async () => {
    const directory = temporaryDirectory()
    const configuration = ['type=fixed-delay', 'fixed-delay.attempts=3', 'fixed-delay.delay=10ms']
    const { exitCode, stdout, stderr } = await run(directory, {
      way,
      parallelism,
      configuration: configuration.map((option) => `restart-strategy.${option}`),
    })
    expect(exitCode, stdout + stderr).toBe(0)
    const { restartLog } = JSON.parse(stdout) as JobResult
    expect(restartLog!.map((restart) => restart.code)).toContain(code)
    expect(restartLog![0]!.message).toMatch(message)
    expectRightResult(directory)
  }, 60_000)
}

test('a slot that makes much more garbage than its limit goes on', async () => {
  const directory = temporaryDirectory()
  const { exitCode, stdout, stderr } = await run(directory, { way: 'garbage', parallelism: 1, configuration: [] })
  expect(exitCode, stdout + stderr).toBe(0)
  expect((JSON.parse(stdout) as JobResult).restarts ?? 0).toBe(0)
  expectRightResult(directory)
}, 60_000)
