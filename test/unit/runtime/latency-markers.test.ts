import { expect, it } from 'vitest'
import { discard, generator, type JobClient, StreamExecutionEnvironment } from '../../../src/index.ts'
import { summaryText } from '../../../src/cli/summary.ts'
import { allocateLatency, LatencyHistograms } from '../../../src/metrics/latency-histograms.ts'

type Result = Awaited<ReturnType<JobClient['result']>>

async function run(configuration: Record<string, string>): Promise<Result> {
  const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 2, configuration })
  const source = (rate: number) => env.source(generator({ count: 2_000, ratePerSecond: rate, make: (n) => n }))
  source(20_000)
    .rebalance()
    .map((n) => n)
    .union(
      source(40_000)
        .rebalance()
        .map((n) => n + 1),
    )
    .keyBy((n) => n % 7)
    .reduce((a, b) => a + b)
    .sinkTo(discard())
  return env.execute('latencies')
}

it('markers of every source come through every vertex, and do not multiply on the way', async () => {
  const result = await run({ 'metrics.latency.interval': '5 ms' })
  const last = result.vertices.at(-1)!
  expect(last.latency?.map(({ source }) => source).toSorted()).toEqual([
    'Source: generator(2000)',
    'Source: generator(2000)',
  ])
  for (const { latency } of result.vertices) {
    for (const { count, minMs, p50Ms, p99Ms, maxMs } of latency!) {
      expect(count).toBeGreaterThan(4)
      // Two subtasks, 100 ms, a marker every 5 ms.
      expect(count).toBeLessThan(200)
      expect(minMs).toBeLessThanOrEqual(p50Ms)
      expect(p50Ms).toBeLessThanOrEqual(p99Ms)
      expect(p99Ms).toBeLessThanOrEqual(maxMs)
      expect(maxMs).toBeLessThan(5_000)
    }
  }
  const [first] = result.vertices
  const emitted = first!.latency!.reduce((sum, { count }) => sum + count, 0)
  const passed = last.latency!.find(({ sourceId }) => sourceId === first!.id)!.count
  expect(passed).toBeLessThanOrEqual(emitted)
  expect(summaryText(result)).toMatch(
    /latency from Source: generator\(2000\): p50 .* ms, p99 .* ms, max .* ms \(\d+ markers\)/,
  )
})

it('is off by default', async () => {
  const { vertices } = await run({})
  expect(vertices.every(({ latency }) => latency === undefined)).toBe(true)
})

it('histograms answer quantiles within an eighth, over several subtasks', () => {
  const histograms = new LatencyHistograms(allocateLatency(3, 2), 2)
  for (let ms = 0; ms < 1_000; ms++) histograms.record(ms % 2, 1, ms)
  histograms.record(2, 1, 1e9)
  expect(histograms.summary([0, 1], 0)).toBeUndefined()
  const found = histograms.summary([0, 1], 1)!
  expect([found.count, found.minMs, found.meanMs, found.maxMs]).toEqual([1_000, 0, 499.5, 999])
  for (const [quantile, expected] of [
    [found.p50Ms, 500],
    [found.p95Ms, 950],
    [found.p99Ms, 990],
  ] as const) {
    expect(Math.abs(quantile - expected)).toBeLessThan(expected / 8)
  }
  expect(histograms.summary([2], 1)).toMatchObject({ count: 1, maxMs: 1e9 })
})
