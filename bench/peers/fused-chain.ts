/**
 * Question: how near does a fused chain filter → map → reduce come to the loop that one would write by hand, and how do
 * libraries for streams in one thread compare? 10 M numbers from one typed array, one thread.
 *
 * Run: npm run bench:fused-chain [-- --json]
 */
import { filter as mostFilter, map as mostMap, newStream, runEffects, scan, tap } from '@most/core'
import { newDefaultScheduler } from '@most/scheduler'
import { from, lastValueFrom, filter as rxFilter, map as rxMap, reduce as rxReduce } from 'rxjs'
import { columns, StreamExecutionEnvironment } from 'millrace'
import { type Bench, type BenchSize, main } from '../harness.ts'

const items: Readonly<Record<BenchSize, number>> = { small: 20_000, full: 10_000_000 }

export const bench: Bench = {
  name: 'fused-chain',
  question: 'filter → map → reduce over numbers of one typed array, in one thread',
  runs: 5,
  prepare(size) {
    const numbers = Float64Array.from({ length: items[size] }, (_, index) => index)
    return {
      items: numbers.length,
      unit: 'numbers',
      cases: [
        { name: 'hand-written loop', run: () => byHand(numbers) },
        { name: 'RxJS', run: () => byRxJs(numbers) },
        { name: '@most/core', run: () => byMost(numbers) },
        { name: 'Millrace, one slot', run: () => byMillrace(numbers) },
      ],
      ratios: [
        { name: 'Millrace / loop', of: 'Millrace, one slot', against: 'hand-written loop', bar: 0.5 },
        { name: 'Millrace / RxJS', of: 'Millrace, one slot', against: 'RxJS', bar: 1 },
        { name: 'Millrace / @most/core', of: 'Millrace, one slot', against: '@most/core', bar: 1 },
        { name: 'RxJS / loop', of: 'RxJS', against: 'hand-written loop' },
        { name: '@most/core / loop', of: '@most/core', against: 'hand-written loop' },
      ],
    }
  },
}

function byHand(numbers: Float64Array): number {
  let sum = 0
  for (let index = 0; index < numbers.length; index++) {
    const x = numbers[index]!
    if ((x & 1) === 0) sum += x + 1
  }
  return sum
}

// Every contender has functions of its own: shared ones would carry the type feedback of the others.

function byRxJs(numbers: Float64Array): Promise<number> {
  return lastValueFrom(
    from(numbers).pipe(
      rxFilter((x) => (x & 1) === 0),
      rxMap((x) => x + 1),
      rxReduce((sum, x) => sum + x, 0),
    ),
  )
}

async function byMost(numbers: Float64Array): Promise<number> {
  const source = newStream<number>((sink, scheduler) => {
    for (let index = 0; index < numbers.length; index++) sink.event(0, numbers[index]!)
    sink.end(scheduler.currentTime())
    return { dispose() {} }
  })
  let last = 0
  const even = mostFilter((x: number) => (x & 1) === 0, source)
  const next = mostMap((x: number) => x + 1, even)
  const sums = scan((sum: number, x: number) => sum + x, 0, next)
  await runEffects(
    tap((sum) => {
      last = sum
    }, sums),
    newDefaultScheduler(),
  )
  return last
}

async function byMillrace(numbers: Float64Array): Promise<number> {
  const env = StreamExecutionEnvironment.getExecutionEnvironment().setParallelism(1)
  const [sum] = await env
    .source(columns(numbers))
    .filter((x) => (x & 1) === 0)
    .map((x) => x + 1)
    .fullWindowPartition()
    .reduce((sum, x) => sum + x)
    .executeAndCollect()
  return sum!
}

if (import.meta.main) await main(bench)
