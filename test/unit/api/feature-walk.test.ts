/** What a Flink user tries first: every partitioning, window function, join and process function in a small job. */
import { describe, expect, it } from 'vitest'
import {
  elements,
  mapState,
  outputTag,
  type SingleOutputStream,
  sequence,
  session,
  sliding,
  StreamExecutionEnvironment,
  tumbling,
  valueState,
  WatermarkStrategy,
} from '../../../src/index.ts'

const env = (parallelism = 1): StreamExecutionEnvironment =>
  StreamExecutionEnvironment.getExecutionEnvironment({ parallelism })

interface Event {
  readonly key: string
  readonly at: number
  readonly n: number
}
const event = (key: string, at: number, n: number): Event => ({ key, at, n })
const byTime = WatermarkStrategy.forMonotonousTimestamps<Event>().withTimestampAssigner(({ at }) => at)
const events = (on: StreamExecutionEnvironment, ...list: readonly Event[]) => on.source(elements(list), byTime)

/** `record@subtask` of the map behind the exchange. */
class Where {
  #subtask = 0
  open({ task }: { readonly task: { readonly subtaskIndex: number } }): void {
    this.#subtask = task.subtaskIndex
  }
  map(n: number): readonly [number, number] {
    return [n, this.#subtask]
  }
}
const placed = async (stream: { map(where: Where): SingleOutputStream<readonly [number, number]> }) => {
  const bySubtask = new Map<number, number[]>()
  for (const [n, subtask] of await stream.map(new Where()).executeAndCollect()) {
    bySubtask.set(subtask, [...(bySubtask.get(subtask) ?? []), n])
  }
  return bySubtask
}
const all = (places: ReadonlyMap<number, number[]>): number[] => [...places.values()].flat().toSorted((a, b) => a - b)
const twelve = Array.from({ length: 12 }, (_, i) => i + 1)

describe('partitionings', () => {
  const numbers = () => env(3).source(elements(twelve))

  it('rebalance and rescale deal out in turns', async () => {
    for (const places of [await placed(numbers().rebalance()), await placed(numbers().rescale())]) {
      expect([...places.values()].map(({ length }) => length)).toEqual([4, 4, 4])
      expect(all(places)).toEqual(twelve)
    }
  })

  it('shuffle loses and doubles nothing; global sends everything to the first; broadcast to everyone', async () => {
    expect(all(await placed(numbers().shuffle()))).toEqual(twelve)
    expect([...(await placed(numbers().global())).keys()]).toEqual([0])
    const places = await placed(numbers().broadcast())
    expect([...places.keys()].toSorted()).toEqual([0, 1, 2])
    for (const found of places.values()) expect(found.toSorted((a, b) => a - b)).toEqual(twelve)
  })

  it('partitionCustom sends where it is told; keyBy keeps a key together; forward stays', async () => {
    const custom = await placed(
      numbers().partitionCustom(
        (key: number) => key % 3,
        (n: number) => n,
      ),
    )
    for (const [subtask, found] of custom) expect(found.every((n) => n % 3 === subtask)).toBe(true)
    const keyed = await placed(numbers().keyBy((n) => n % 5))
    const homes = new Map<number, Set<number>>()
    for (const [subtask, found] of keyed) {
      for (const n of found) homes.set(n % 5, (homes.get(n % 5) ?? new Set()).add(subtask))
    }
    expect([...homes.values()].every(({ size }) => size === 1)).toBe(true)
    const own = await placed(
      env(3)
        .fromSequence(1, 12)
        .map((n) => n)
        .forward(),
    )
    expect(all(own)).toEqual(twelve)
  })
})

describe('windows', () => {
  const three = () => events(env(), event('a', 1, 5), event('b', 2, 1), event('a', 3, 2), event('a', 12, 7))
  const windowed = () => three().keyBy('key').window(tumbling.eventTime(10))

  it('sum, min, max, minBy, maxBy of a field', async () => {
    const of = async (stream: SingleOutputStream<Event>) =>
      (await stream.executeAndCollect()).map(({ key, n, at }) => `${key}${n}@${at}`).toSorted()
    expect(await of(windowed().sum('n'))).toEqual(['a7@1', 'a7@12', 'b1@2'])
    expect(await of(windowed().min('n'))).toEqual(['a2@1', 'a7@12', 'b1@2'])
    expect(await of(windowed().max('n'))).toEqual(['a5@1', 'a7@12', 'b1@2'])
    expect(await of(windowed().minBy('n'))).toEqual(['a2@3', 'a7@12', 'b1@2'])
    expect(await of(windowed().maxBy('n'))).toEqual(['a5@1', 'a7@12', 'b1@2'])
  })

  it('reduce and aggregate with a process function see the key and the window', async () => {
    const reduced = windowed().reduce(
      (a, b) => ({ ...a, n: a.n + b.n }),
      (key, { window }, [sum], out: { collect(text: string): void }) =>
        out.collect(`${key} ${window.startMs}-${window.endMs} ${sum!.n}`),
    )
    expect((await reduced.executeAndCollect()).toSorted()).toEqual(['a 0-10 7', 'a 10-20 7', 'b 0-10 1'])
    const averages = windowed().aggregate(
      {
        createAccumulator: () => ({ sum: 0, count: 0 }),
        add: ({ n }, { sum, count }) => ({ sum: sum + n, count: count + 1 }),
        getResult: ({ sum, count }) => sum / count,
        merge: (a, b) => ({ sum: a.sum + b.sum, count: a.count + b.count }),
      },
      (key, _context, [mean], out: { collect(text: string): void }) => out.collect(`${key} ${mean}`),
    )
    expect((await averages.executeAndCollect()).toSorted()).toEqual(['a 3.5', 'a 7', 'b 1'])
  })

  it('results carry the window’s end - 1, so that windows can follow windows', async () => {
    const perTen = three().keyBy('key').window(tumbling.eventTime(10)).sum('n')
    const perTwenty = perTen.windowAll(tumbling.eventTime(20)).reduce((a, b) => ({ ...a, n: a.n + b.n }))
    expect((await perTwenty.executeAndCollect()).map(({ n }) => n)).toEqual([15])
  })

  it('count windows, of keys and of everything; sliding ones too', async () => {
    const numbers = () => env().fromSequence(1, 7)
    const sum = (a: number, b: number): number => a + b
    expect(
      await numbers()
        .keyBy((n) => n % 2)
        .countWindow(2)
        .reduce(sum)
        .executeAndCollect(),
    ).toEqual([4, 6, 12])
    expect(await numbers().countWindowAll(3).reduce(sum).executeAndCollect()).toEqual([6, 15])
    expect(await numbers().countWindowAll(3, 2).reduce(sum).executeAndCollect()).toEqual([3, 9, 15])
  })

  it('late records come out at the side of a window', async () => {
    const late = outputTag<Event>('late')
    const eager = WatermarkStrategy.forGenerator<Event>(() => ({
      onEvent: (_value, timestampMs, output) => output.emitWatermark(timestampMs),
      onPeriodicEmit() {},
    })).withTimestampAssigner(({ at }) => at)
    const list = [event('a', 5, 1), event('a', 25, 2), event('a', 6, 3), event('a', 26, 4)]
    const sums = env()
      .source(elements(list), eager)
      .keyBy('key')
      .window(sliding.eventTime(10, 5))
      .sideOutputLateData(late)
      .sum('n')
    const found = sums.getSideOutput(late).map(({ n }) => n)
    expect(await found.executeAndCollect()).toEqual([3])
  })

  it('windows of everything at the end of the stream: sorted, mapped, reduced', async () => {
    const numbers = () => env().source(elements<number>([3, 1, 2]))
    expect(
      await numbers()
        .fullWindowPartition()
        .sortPartition((n) => n)
        .executeAndCollect(),
    ).toEqual([1, 2, 3])
    expect(
      await numbers()
        .fullWindowPartition()
        .reduce((a, b) => a + b)
        .executeAndCollect(),
    ).toEqual([6])
    const perKey = numbers()
      .keyBy((n) => n % 2)
      .fullWindowPartition()
      .reduce((a, b) => a + b)
    expect(await perKey.executeAndCollect()).toEqual([4, 2])
  })

  it('processing-time windows and sessions fire by the clock while the job runs', async () => {
    const slow = env().fromAsyncIterable<number>(async function* () {
      yield 1
      yield 2
      await new Promise((resolve) => setTimeout(resolve, 120))
      yield 3
    })
    const sums = slow
      .keyBy(() => 0)
      .window(session.processingTime(40))
      .reduce((a, b) => a + b)
    // What is open when the input ends is not waited for, as in Flink.
    expect((await sums.executeAndCollect())[0]).toBe(3)
  })
})

describe('two streams', () => {
  const left = (on: StreamExecutionEnvironment) => events(on, event('a', 1, 1), event('b', 4, 2), event('a', 11, 3))
  const right = (on: StreamExecutionEnvironment) => events(on, event('a', 2, 10), event('a', 9, 20), event('c', 3, 30))

  it('window join pairs, coGroup groups also what has no partner', async () => {
    const on = env()
    const joined = left(on)
      .join(right(on))
      .where('key')
      .equalTo('key')
      .window(tumbling.eventTime(10))
      .apply((l, r) => `${l.n}-${r.n}`)
    expect((await joined.executeAndCollect()).toSorted()).toEqual(['1-10', '1-20'])
    const other = env()
    const grouped = left(other)
      .coGroup(right(other))
      .where('key')
      .equalTo('key')
      .window(tumbling.eventTime(10))
      .apply((ls: Iterable<Event>, rs: Iterable<Event>, out: { collect(text: string): void }) =>
        out.collect(`${[...ls].map(({ n }) => n)}|${[...rs].map(({ n }) => n)}`),
      )
    expect((await grouped.executeAndCollect()).toSorted()).toEqual(['1|10,20', '2|', '3|', '|30'])
  })

  it('interval join: inclusive bounds, and exclusive where asked to', async () => {
    const pairs = async (exclusive: boolean): Promise<string[]> => {
      const on = env()
      const between = left(on).keyBy('key').intervalJoin(right(on).keyBy('key')).between(1, 8)
      const bounded = exclusive ? between.lowerBoundExclusive().upperBoundExclusive() : between
      const joined = bounded.process((l, r, _context, out: { collect(text: string): void }) =>
        out.collect(`${l.n}-${r.n}`),
      )
      return (await joined.executeAndCollect()).toSorted()
    }
    expect(await pairs(false)).toEqual(['1-10', '1-20'])
    expect(await pairs(true)).toEqual([])
  })

  it('connect: one operator, state of the key shared by both sides', async () => {
    const on = env(2)
    const seen = left(on)
      .keyBy('key')
      .connect(right(on).keyBy('key'))
      .process(
        new (class {
          #sum!: { value(): number | undefined; update(n: number): void }
          open(context: { getState(descriptor: unknown): never }): void {
            this.#sum = context.getState(valueState<number>('sum'))
          }
          processElement1({ n }: Event): void {
            this.#sum.update((this.#sum.value() ?? 0) + n)
          }
          processElement2({ n }: Event): void {
            this.#sum.update((this.#sum.value() ?? 0) + n)
          }
          onTimer(): void {}
        })() as never,
      )
    expect(await seen.executeAndCollect()).toEqual([])
  })

  it('broadcast rules reach every subtask, without keys too', async () => {
    const rules = mapState<string, number>('rules')
    const on = env(2)
    const limits = on.source(elements([event('max', 0, 2)])).broadcast(rules)
    const slow = on.fromAsyncIterable(async function* () {
      await new Promise((resolve) => setTimeout(resolve, 60))
      yield* [1, 2, 3, 4]
    })
    const over = slow
      .rebalance()
      .map((n) => n)
      .connect(limits)
      .process({
        processElement(n: number, context, out: { collect(n: number): void }) {
          if (n > (context.getBroadcastState(rules).get('max') ?? Number.POSITIVE_INFINITY)) out.collect(n)
        },
        processBroadcastElement({ key, n }: Event, context) {
          context.getBroadcastState(rules).put(key, n)
        },
      })
    expect((await over.executeAndCollect()).toSorted()).toEqual([3, 4])
  })
})

describe('process functions', () => {
  it('timers: once per time and key, deleted where asked to, in order of time, with key and domain', async () => {
    const fired = events(env(), event('a', 1, 1), event('b', 2, 2), event('a', 3, 3))
      .keyBy('key')
      .process({
        processElement({ at }, context) {
          const timers = context.timerService()
          timers.registerEventTimeTimer(10)
          timers.registerEventTimeTimer(10)
          timers.registerEventTimeTimer(at + 4)
          timers.registerEventTimeTimer(8)
          timers.deleteEventTimeTimer(8)
        },
        onTimer(timeMs, context, out: { collect(text: string): void }) {
          out.collect(`${context.getCurrentKey()}${timeMs}${context.timeDomain()}${context.timestamp()}`)
        },
      })
    expect(await fired.executeAndCollect()).toEqual([
      'a5event-time5',
      'b6event-time6',
      'a7event-time7',
      'a10event-time10',
      'b10event-time10',
    ])
  })

  it('side outputs of any type, times, and a watermark that reaches the end', async () => {
    const odd = outputTag<string>('odd')
    const main = env()
      .source(
        sequence(1, 4),
        WatermarkStrategy.forMonotonousTimestamps<number>().withTimestampAssigner((n) => n * 10),
      )
      .process((n, context, out: { collect(n: number): void }) => {
        expect(context.timestamp()).toBe(n * 10)
        expect(context.timerService().currentProcessingTime()).toBeGreaterThan(1.6e12)
        expect(context.timerService().currentWatermark()).toBeLessThan(n * 10)
        if (n % 2 === 0) out.collect(n)
        else context.output(odd, `odd ${n}`)
      })
    expect(await main.getSideOutput(odd).executeAndCollect()).toEqual(['odd 1', 'odd 3'])
  })

  it('collects no more than asked for', async () => {
    expect((await env().fromSequence(1, 1_000_000_000).executeAndCollect(3)).length).toBe(3)
  })
})
