/**
 * Question: how much faster than postMessage are three numbers a row through the exchange? postMessage carries arrays of
 * 1000 objects, at most 16 under way; the exchange carries columns, and objects to objects.
 *
 * Run: node bench/exchange/post-message.ts [--json]
 */
import { type Bench, type BenchSize, main } from '../harness.ts'
import { startPair } from './worker-pair.ts'

const items: Readonly<Record<BenchSize, number>> = { small: 30_000, full: 4_000_000 }

export const bench: Bench = {
  name: 'exchange-post-message',
  question: 'rows of three numbers between two workers, against postMessage of arrays of objects',
  runs: 5,
  prepare(size) {
    const pair = startPair(new URL('./numbers-workers.ts', import.meta.url), items[size])
    return {
      items: items[size],
      unit: 'rows',
      cases: [
        { name: 'postMessage', run: () => pair.run('messages'), group: 'messages' },
        { name: 'exchange, objects', run: () => pair.run('objects') },
        { name: 'exchange, columns', run: () => pair.run('columns') },
      ],
      ratios: [
        { name: 'columns / postMessage', of: 'exchange, columns', against: 'postMessage', bar: 20 },
        { name: 'objects / postMessage', of: 'exchange, objects', against: 'postMessage' },
      ],
      dispose: () => pair.close(),
    }
  },
}

if (import.meta.main) await main(bench)
