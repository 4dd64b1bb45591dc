/**
 * Whole jobs under seeded schedules with crashes, failures, full and slow disks and torn writes, at changing parallelism:
 * whatever happens, the output is what a sequential computation gives, every record exactly once.
 */
import { describe, expect, test } from 'vitest'
import { prng } from '../../src/common/prng.ts'
import { forEachSeed, simulate, type SimulationResult } from '../../src/testing/index.ts'
import {
  expectNoneTwice,
  outputDirectory,
  simulatedJob,
  type SimulatedJobKind,
  simulatedJobKinds,
} from '../fixtures/simulated-jobs.ts'

const count = process.env['MILLRACE_FULL'] === '1' ? 1_500 : Number(process.env['MILLRACE_SEEDS'] ?? 30)

async function runSeed(kind: SimulatedJobKind, seed: number): Promise<SimulationResult> {
  const random = prng(seed * 2_654_435_761 + simulatedJobKinds.indexOf(kind))
  const { definition, check, checkPart, output, configuration } = simulatedJob(kind, random.nextUint32())
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
    faults: {
      crashes: 3,
      slotCrashes: 2,
      taskFailures: 2,
      savepoints: 4,
      stops: 1,
      drains: 1,
      restores: 2,
      fullDisks: 1,
    },
    onEnd: async ({ lines, isDrained }) => {
      const found = output?.() ?? (await lines(outputDirectory)).map((line) => JSON.parse(line) as unknown)
      if (!isDrained) check(found, isExact)
      else if (isExact) {
        expectNoneTwice(found)
        checkPart?.(found)
      }
    },
    ...(process.env['MILLRACE_LOG'] === '1' && { log: (line) => console.log(line) }),
  })
  // Restarts pause for up to a minute; what waits longer has missed its wake-up.
  expect(result.longestWaitMs, result.faults.join('; ')).toBeLessThan(90_000)
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
