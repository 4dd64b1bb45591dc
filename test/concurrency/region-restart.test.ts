/** A task that fails, and threads that die, in a job of several regions in worker threads. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { JobResult } from '../../src/coordinator/job-execution.ts'
import { regionJobCount } from '../fixtures/region-job.ts'
import { startCli } from '../support/start-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { committedValues } from '../support/transaction-sink.ts'

const jobFile = fileURLToPath(new URL('../fixtures/region-job.ts', import.meta.url))

const codes = { throw: 'MR_USER_FUNCTION_FAILED', exit: 'MR_WORKER_DIED', exhaust: 'MR_WORKER_OUT_OF_MEMORY' }

for (const [way, code] of Object.entries(codes)) {
  test(`what one region's failure (${way}) costs the others: nothing`, async () => {
    const directory = temporaryDirectory()
    const configuration = [
      ['execution.checkpointing.interval', '20ms'],
      ['restart-strategy.exponential-delay.initial-backoff', '1ms'],
      ['taskmanager.memory.heap-per-slot.size', '96mb'],
    ].flatMap(([key, value]) => ['-D', `${key}=${value}`])
    const places = ['--json', '--parallelism', '2', '--job-dir', join(directory, 'job')]
    const parameters = ['--', '--output', directory, '--way', way]
    const { exitCode, stdout, stderr } = await startCli(['run', jobFile, ...configuration, ...places, ...parameters])
      .ended
    expect(exitCode, stdout + stderr).toBe(0)
    const result = JSON.parse(stdout) as JobResult
    expect(result.restartLog).toEqual([
      { code, message: expect.any(String), regions: [1], tasks: [expect.stringMatching(/generator.*\[1\]$/)] },
    ])
    for (const name of ['single', 'keyed']) {
      const values = committedValues(join(directory, name)) as { id: number; attempt?: number }[]
      const ids = values.map(({ id }) => id).toSorted((a, b) => a - b)
      expect(ids).toEqual(Array.from({ length: regionJobCount }, (_, id) => id))
      if (name === 'keyed') expect(new Set(values.map(({ attempt }) => attempt))).toEqual(new Set([0]))
    }
  }, 30_000)
}
