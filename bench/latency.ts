/**
 * Question: how late do records reach the sink at 1 M records/s on two slots, through a keyBy and a keyed count? From the
 * moment a record is due at the source to its arrival in the sink; the first seconds (compilation) are left out.
 *
 * Run: npm run bench:latency [-- --json]
 */
import { executeJob } from '../src/coordinator/execute.ts'
import { type Bench, type BenchSize, main } from './harness.ts'
import { bucketCount, quantileMs } from './latency-buckets.ts'
import job from './latency-job.ts'

const sizes: Readonly<Record<BenchSize, { rate: number; seconds: number; warmUp: number }>> = {
  small: { rate: 20_000, seconds: 2, warmUp: 1 },
  full: { rate: 1_000_000, seconds: 12, warmUp: 3 },
}

export const bench: Bench = {
  name: 'latency',
  question: 'from due at the source to arrival in the sink, two slots, through a keyBy',
  runs: 1,
  prepare(size) {
    const { rate, seconds, warmUp } = sizes[size]
    const counts: number[] = Array.from({ length: bucketCount }, () => 0)
    return {
      items: rate * seconds,
      unit: 'records',
      cases: [
        {
          name: `${rate} records/s, two slots`,
          run: async () => {
            const { accumulators } = await executeJob({
              definition: job,
              moduleUrl: new URL('./latency-job.ts', import.meta.url).href,
              parameters: {
                named: { rate: [String(rate)], seconds: [String(seconds)], 'warm-up': [String(warmUp)] },
                positional: [],
              },
              configuration: {},
              parallelism: 2,
            })
            for (let bucket = 0; bucket < bucketCount; bucket++) counts[bucket] = accumulators[`late ${bucket}`] ?? 0
            return accumulators['records'] ?? 0
          },
        },
      ],
      ratios: [],
      limits: () => [
        { name: 'p99', value: quantileMs(counts, 0.99), max: 10, unit: 'ms' },
        { name: 'p99.99', value: quantileMs(counts, 0.9999), max: 50, unit: 'ms' },
      ],
      extra: () => ({ 'p50, ms': quantileMs(counts, 0.5), 'greatest, ms': quantileMs(counts, 1) }),
    }
  },
}

if (import.meta.main) await main(bench)
