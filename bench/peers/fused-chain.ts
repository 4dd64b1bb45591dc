/**
 * Question: how near does a fused chain filter → map → reduce come to the loop that one would write by hand, and how do
 * libraries for streams in one thread compare? 10 M numbers from one typed array, one thread.
 *
 * Run: npm run bench:fused-chain [-- --json]
 */
import { filter as mostFilter, map as mostMap, newStream, runEffects, scan, tap } from '@most/core'
import { newDefaultScheduler } from '@most/scheduler'
import { from, lastValueFrom, filter as rxFilter, map as rxMap, reduce as rxReduce } from 'rxjs'
import { type Bench, type BenchSize, main } from '../harness.ts'

const items: Readonly<Record<BenchSize, number>> = { small: 20_000, full: 10_000_000 }

const isEven = (x: number): boolean => (x & 1) === 0
const plusOne = (x: number): number => x + 1
const add = (sum: number, x: number): number => sum + x

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
      ],
      ratios: [
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

function byRxJs(numbers: Float64Array): Promise<number> {
  return lastValueFrom(from(numbers).pipe(rxFilter(isEven), rxMap(plusOne), rxReduce(add, 0)))
}

async function byMost(numbers: Float64Array): Promise<number> {
  const source = newStream<number>((sink, scheduler) => {
    for (let index = 0; index < numbers.length; index++) sink.event(0, numbers[index]!)
    sink.end(scheduler.currentTime())
    return { dispose() {} }
  })
  let last = 0
  const sums = scan(add, 0, mostMap(plusOne, mostFilter(isEven, source)))
  await runEffects(
    tap((sum) => {
      last = sum
    }, sums),
    newDefaultScheduler(),
  )
  return last
}

if (import.meta.main) await main(bench)
