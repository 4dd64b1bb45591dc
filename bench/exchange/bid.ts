/**
 * Question: how many bids (seven fields, three strings, about 150 bytes) a second go from one worker to another, object
 * in, object out, with an inferred schema?
 *
 * Run: node bench/exchange/bid.ts [--json]
 */
import { type Bench, type BenchSize, main, medianOf } from '../harness.ts'
import { startPair } from './worker-pair.ts'

const items: Readonly<Record<BenchSize, number>> = { small: 20_000, full: 5_000_000 }
/** 5 M bids a second. */
const bidNsMax = 200

export const bench: Bench = {
  name: 'exchange-bid',
  question: 'bids between two workers, object in, object out',
  runs: 5,
  prepare(size) {
    const pair = startPair(new URL('./bid-workers.ts', import.meta.url), items[size])
    const seconds: number[] = []
    return {
      items: items[size],
      unit: 'bids',
      cases: [
        {
          name: 'exchange',
          async run() {
            const start = performance.now()
            const checksum = await pair.run('bids')
            seconds.push((performance.now() - start) / 1_000)
            return checksum
          },
        },
      ],
      ratios: [],
      limits: () => [
        {
          name: 'a bid',
          value: (medianOf(seconds.slice(1)) / items[size]) * 1e9,
          max: size === 'full' ? bidNsMax : Infinity,
          unit: 'ns',
        },
      ],
      extra: () => {
        const [producer, consumer] = pair.processorSeconds.get('bids')!.map((time) => (time / items[size]) * 1e9)
        return {
          'processor ns a bid': `${producer!.toFixed(0)} in the producer, ${consumer!.toFixed(0)} in the consumer`,
        }
      },
      dispose: () => pair.close(),
    }
  },
}

if (import.meta.main) await main(bench)
