/**
 * Question: how near does the exchange come to a plain copy of the same bytes between two workers? Three columns of
 * doubles, copied in by the producer and out by the consumer, in chunks of 64 KiB; the plain copy goes through 14 such
 * chunks of one shared buffer with nothing but two positions.
 *
 * Run: node bench/exchange/copy.ts [--json]
 */
import { type Bench, type BenchSize, main } from '../harness.ts'
import { startPair } from './worker-pair.ts'

const items: Readonly<Record<BenchSize, number>> = { small: 50_000, full: 60_000_000 }

export const bench: Bench = {
  name: 'exchange-copy',
  question: 'three numeric columns between two workers, against a plain copy of the same bytes',
  runs: 7,
  prepare(size) {
    const pair = startPair(new URL('./numbers-workers.ts', import.meta.url), items[size])
    return {
      items: items[size],
      unit: 'rows',
      cases: [
        { name: 'plain copy', run: () => pair.run('plain') },
        { name: 'exchange, columns', run: () => pair.run('columns') },
      ],
      ratios: [{ name: 'exchange / plain copy', of: 'exchange, columns', against: 'plain copy', bar: 0.5 }],
      dispose: () => pair.close(),
    }
  },
}

if (import.meta.main) await main(bench)
