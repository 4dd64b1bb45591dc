/**
 * Every query of the auction workload, as a user writes it, in worker slots: the answers of an independent program, at
 * parallelism 1, 2 and 3, with and without disorder. Full size (MILLRACE_FULL=1): the workloads of a million events too.
 */
import { describe, expect, test } from 'vitest'
import job from '../../bench/auctions/job.ts'
import { queries } from '../../bench/auctions/queries/index.ts'
import { parametersOf } from '../../src/common/parameters.ts'
import { executeJob } from '../../src/coordinator/execute.ts'
import { type ExpectedAnswers, expectedAnswers } from '../support/auction-answers.ts'

const eventsMax = process.env['MILLRACE_FULL'] === '1' ? 1_000_000 : 100_000
const moduleUrl = new URL('../../bench/auctions/job.ts', import.meta.url).href

async function answer(query: string, { events, seed, perMs, disorder }: ExpectedAnswers, parallelism: number) {
  const { accumulators } = await executeJob({
    definition: job,
    moduleUrl,
    parameters: parametersOf({ query, events, seed, 'per-ms': perMs, disorder }),
    configuration: {},
    parallelism,
  })
  return { rows: accumulators['rows'], sum: accumulators['sum'] }
}

const workloads = expectedAnswers.filter(({ events }) => events <= eventsMax)

describe.each(workloads)('$events events, seed $seed, $perMs per ms, disorder $disorder', (workload) => {
  // Disorder is where parallelism could go wrong; the others alternate.
  const parallelisms = workload.disorder > 0 ? [1, 2, 3] : [1 + (workloads.indexOf(workload) % 2)]
  const cases = Object.keys(queries).flatMap((query) => parallelisms.map((parallelism) => ({ query, parallelism })))
  test.each(cases)('$query at parallelism $parallelism gives the known answer', async ({ query, parallelism }) => {
    expect(await answer(query, workload, parallelism)).toEqual(workload.answers[query])
  })
})
