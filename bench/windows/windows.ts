/**
 * What does a record cost in a window of 10 s over 10,000 keys, results included: tumbling, and sliding by 500 ms (20
 * windows a record)? With an aggregate of numbers, a sum of a field, and a user's reduce function on objects. One slot.
 *
 *   node bench/windows/windows.ts [--json] [--size small] [--runs N]
 */
import { executeJob } from '../../src/coordinator/execute.ts'
import { type Bench, type BenchCase, type BenchPlan, main, medianOf } from '../harness.ts'
import job from './job.ts'

/** 100 s of event time in the full size. */
const eventsOf = { small: 20_000, full: 10_000_000 }
/** A user's reduce function on objects: at least 3 million records a second. */
const reduceNsMax = 333

export const bench: Bench = {
  name: 'windows',
  question: 'what does a record cost in tumbling and sliding windows, results included?',
  runs: 3,
  prepare(size): BenchPlan {
    const events = eventsOf[size]
    const reduceSeconds: number[] = []
    const cases = ['count', 'sum', 'reduce'].flatMap((name) =>
      ['tumbling', 'sliding'].map((window): BenchCase => ({
        name: `${window} ${name}`,
        group: window,
        async run() {
          const { seconds, checksum } = await measure(window, name, events, size === 'small')
          if (window === 'tumbling' && name === 'reduce') reduceSeconds.push(seconds)
          return { seconds, checksum }
        },
      })),
    )
    return {
      cases,
      items: events,
      unit: 'records',
      ratios: ['count', 'sum', 'reduce'].map((name) => ({
        name: `sliding against tumbling, ${name}`,
        of: `sliding ${name}`,
        against: `tumbling ${name}`,
        // Objects cost their garbage collection: reported only.
        ...(name === 'count' && { bar: 2 / 3 }),
      })),
      limits: () => [
        {
          name: 'tumbling reduce, a record',
          value: (medianOf(reduceSeconds) / events) * 1e9,
          max: reduceNsMax,
          unit: 'ns',
        },
      ],
    }
  },
}

/** In a worker of its own; in the tests, in this thread. */
async function measure(
  window: string,
  name: string,
  events: number,
  isLocal: boolean,
): Promise<{ seconds: number; checksum: string }> {
  const result = await executeJob({
    definition: job,
    moduleUrl: isLocal ? undefined : new URL('./job.ts', import.meta.url).href,
    parameters: { named: { window: [window], function: [name], events: [String(events)] }, positional: [] },
    configuration: {},
    parallelism: 1,
  })
  const { rows, sum } = result.accumulators
  return { seconds: result.netRuntimeMs / 1000, checksum: `${rows} rows, sum ${sum}` }
}

if (import.meta.main) await main(bench)
