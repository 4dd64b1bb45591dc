/**
 * Whole jobs under seeded schedules with crashes, failures, full and slow disks and torn writes, at changing parallelism:
 * whatever happens, the output is what a sequential computation gives, every record exactly once.
 */
import { describe, expect, test } from 'vitest'
import { prng } from '../../src/common/prng.ts'
import { forEachSeed, simulate, type SimulationResult } from '../../src/testing/index.ts'
import { outputDirectory, simulatedJob, type SimulatedJobKind, simulatedJobKinds } from '../fixtures/simulated-jobs.ts'

const count = process.env['MILLRACE_FULL'] === '1' ? 1_500 : Number(process.env['MILLRACE_SEEDS'] ?? 30)

async function runSeed(kind: SimulatedJobKind, seed: number): Promise<SimulationResult> {
  const random = prng(seed * 2_654_435_761 + simulatedJobKinds.indexOf(kind))
  const { definition, check, output, configuration } = simulatedJob(kind, random.nextUint32())
  const isExact = random.nextBelow(8) > 0
  const result = await simulate(definition, {
    seed: random.nextUint32(),
    configuration: {
      'state.backend.type': random.nextBelow(2) === 0 ? 'managed' : 'heap',
      ...(isExact && configuration),
      ...(!isExact && {
        'execution.checkpointing.mode': 'at-least-once',
        'execution.checkpointing.unaligned.enabled': 'false',
      }),
    },
    faults: { crashes: 3, slotCrashes: 2, taskFailures: 2, savepoints: 2, stops: 1, fullDisks: 1 },
    ...(process.env['MILLRACE_LOG'] === '1' && { log: (line) => console.log(line) }),
  })
  const story = `parallelism ${result.parallelisms.join(', ')}; ${result.faults.join('; ')}`
  // Restarts pause for up to a minute; what waits longer has missed its wake-up.
  expect(result.longestWaitMs, story).toBeLessThan(90_000)
  const lines = await result.lines(outputDirectory)
  try {
    check(output?.() ?? lines.map((line) => JSON.parse(line) as unknown), isExact)
  } catch (error) {
    throw new Error(`${(error as Error).message} (${story})`, { cause: error })
  }
  return result
}

describe.each(simulatedJobKinds)('%s', (kind) => {
  test(`gives its output exactly, in ${count} simulated runs`, async () => {
    const seen = new Set<string>()
    await forEachSeed({ count }, async (seed) => {
      const { faults } = await runSeed(kind, seed)
      for (const fault of faults) seen.add(fault.replace(/^step \d+: |\d+/g, ''))
    })
    if (process.env['MILLRACE_SEED'] === undefined) expect(seen.size).toBeGreaterThan(5)
  }, 3_600_000)
})
