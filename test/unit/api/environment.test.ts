import { describe, expect, it } from 'vitest'
import type { RichMapFunction, RuntimeContext } from '../../../src/index.ts'
import {
  customSink,
  elements,
  job,
  outputTag,
  retryStrategies,
  seconds,
  StreamExecutionEnvironment,
  tumbling,
  WatermarkStrategy,
} from '../../../src/index.ts'

class Counting implements RichMapFunction<number, number> {
  #accumulators!: RuntimeContext['accumulators']

  open({ accumulators }: RuntimeContext): void {
    this.#accumulators = accumulators
  }

  map(n: number): number {
    this.#accumulators.add('sum', n)
    return n
  }
}

const local = (parallelism = 1): StreamExecutionEnvironment =>
  StreamExecutionEnvironment.getExecutionEnvironment({
    parallelism,
    configuration: { 'state.backend.type': 'heap' },
  })

describe('an environment of one’s own', () => {
  it('collects what a stream gives, closures included', async () => {
    const factor = 3
    expect(
      await local()
        .fromElements(1, 2, 3)
        .map((n) => n * factor)
        .executeAndCollect(),
    ).toEqual([3, 6, 9])
  })

  it('runs several jobs one after the other, each with what was said since the last one', async () => {
    const env = local()
    const numbers = env.fromSequence(1, 4)
    const seen: number[] = []
    numbers.sinkTo(customSink({ write: (n) => void seen.push(n) }))
    await env.execute('first')
    expect(seen).toEqual([1, 2, 3, 4])
    expect(await numbers.filter((n) => n % 2 === 0).executeAndCollect()).toEqual([2, 4])
    expect(seen).toHaveLength(4)
    await expect(async () => env.execute()).rejects.toMatchObject({ code: 'MR_PLAN_INVALID' })
  })

  it('stops the job when the loop is left, and when the limit is reached', async () => {
    for await (const n of local()
      .fromSequence(1, Number.MAX_SAFE_INTEGER - 1)
      .collect())
      if (n === 10) break
    expect(
      await local()
        .fromSequence(1, Number.MAX_SAFE_INTEGER - 1)
        .executeAndCollect(2),
    ).toEqual([1, 2])
  })

  it('feels the pace of the loop: the job runs only a bounded number of records ahead', async () => {
    let made = 0
    let lead = 0
    let taken = 0
    const stream = local()
      .fromSequence(1, 200_000)
      .map((n) => ((made = n), n))
    for await (const n of stream.collect()) {
      taken = n
      lead = Math.max(lead, made - taken)
    }
    expect(taken).toBe(200_000)
    expect(lead).toBeLessThan(50_000)
  })

  it('throws a failure after the records before it', async () => {
    const seen: number[] = []
    const stream = local()
      .fromSequence(1, 100_000)
      .map((n) => {
        if (n === 50_000) throw new TypeError('no more')
        return n
      })
    const reading = async (): Promise<void> => {
      for await (const n of stream.collect()) seen.push(n)
    }
    await expect(reading()).rejects.toMatchObject({
      code: 'MR_USER_FUNCTION_FAILED',
      context: { operator: 'Map', subtask: 0 },
    })
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, index) => index + 1))
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no way')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no way'))],
  ])('names the operator whose open() %s', async (_, open) => {
    const stream = local()
      .fromElements(1)
      .map({ open, map: (n: number) => n })
      .name('opening')
    await expect(stream.executeAndCollect()).rejects.toMatchObject({
      code: 'MR_USER_FUNCTION_FAILED',
      message: 'open of opening[0] threw: no way',
      context: { operator: 'opening', subtask: 0 },
    })
  })

  it('gives a client that knows status, accumulators and result', async () => {
    const env = local()
    env
      .fromSequence(1, 100)
      .map(new Counting())
      .sinkTo(customSink({ write: () => {} }))
    const client = env.executeAsync('counted')
    expect(client.status()).toMatch(/CREATED|RUNNING/)
    const result = await client.result()
    expect(client.status()).toBe('FINISHED')
    expect(result).toMatchObject({ jobName: 'counted', status: 'FINISHED', accumulators: { sum: 5_050 } })
    expect(result.vertices.find((vertex) => vertex.isSource)!.recordsIn).toBe(100)
  })

  it('accumulates sums, extremes and means over all subtasks, and tells them while the job runs', async () => {
    class Measuring {
      accumulators!: RuntimeContext['accumulators']
      open(context: RuntimeContext): void {
        this.accumulators = context.accumulators
      }
      map(n: number): number {
        this.accumulators.add('sum', n)
        this.accumulators.min('least', n)
        this.accumulators.max('greatest', n)
        this.accumulators.average('mean', n)
        return n
      }
    }
    const env = local(3)
    let isEnough = false
    const stream = env.fromAsyncIterable(async function* () {
      for (let n = 1; n <= 10; n++) yield n
      while (!isEnough) await new Promise((resolve) => setTimeout(resolve, 5))
    })
    stream
      .rebalance()
      .map(new Measuring())
      .sinkTo(customSink({ write: () => {} }))
    const client = env.executeAsync('measured', {
      progressIntervalMs: 10,
      onProgress: ({ accumulators }) => (isEnough ||= accumulators['sum'] === 55),
    })
    const { accumulators } = await client.result()
    expect(accumulators).toEqual({ sum: 55, least: 1, greatest: 10, mean: 5.5 })
  })

  it('refuses one accumulator name for two kinds', async () => {
    class Twice {
      accumulators!: RuntimeContext['accumulators']
      open(context: RuntimeContext): void {
        this.accumulators = context.accumulators
      }
      map(n: number): number {
        this.accumulators.add('a', n)
        this.accumulators.min('a', n)
        return n
      }
    }
    await expect(local().fromSequence(1, 2).map(new Twice()).executeAndCollect()).rejects.toMatchObject({
      code: 'MR_PLAN_INVALID',
    })
  })

  it('gives every subtask and operator its own copy of an object, and refuses one with open() that has none', async () => {
    const shared = await local(2).fromSequence(1, 10).map(new Counting()).executeAndCollect()
    expect(shared.length).toBe(10)
    const counting = { open: () => {}, map: (n: number) => n }
    const twice = local().fromSequence(1, 10).map(counting).map(counting).executeAndCollect()
    await expect(twice).rejects.toThrow('same function object')
  })

  it('prints the plan of what was said, which stays to be executed', async () => {
    const env = local()
    const numbers = env.fromSequence(1, 2).map((n) => n)
    expect((JSON.parse(env.getExecutionPlan()) as { nodes: { type: string }[] }).nodes.map(({ type }) => type)).toEqual(
      ['Source: sequence(1, 2)', 'Map'],
    )
    expect(await numbers.executeAndCollect()).toEqual([1, 2])
  })

  it('cancels, and says so', async () => {
    const env = local()
    env.fromSequence(1, Number.MAX_SAFE_INTEGER - 1).sinkTo(customSink({ write: () => {} }))
    const client = env.executeAsync()
    await client.cancel()
    expect(client.status()).toBe('CANCELED')
    await expect(client.result()).rejects.toMatchObject({ code: 'MR_JOB_CANCELED' })
  })

  it('refuses to collect or execute inside job()', () => {
    const definition = job(
      'inside',
      (env) =>
        void env
          .fromElements(1)
          .executeAndCollect()
          .catch(() => {}),
    )
    const settings = { parameters: { named: {}, positional: [] }, configuration: {}, parallelism: 1 }
    expect(() => definition.build(settings)).not.toThrow()
    const executing = job('executing', (env) => void env.executeAsync())
    expect(() => executing.build(settings)).toThrow(expect.objectContaining({ code: 'MR_PLAN_INVALID' }))
  })

  it('refuses to combine streams of two environments', () => {
    const one = local().fromElements(1)
    const other = local().fromElements(2)
    const invalid = expect.objectContaining({ code: 'MR_PLAN_INVALID' })
    expect(() => one.union(other)).toThrow(invalid)
    expect(() => one.connect(other)).toThrow(invalid)
    expect(() => one.keyBy((n) => n).connect(other.keyBy((n) => n))).toThrow(invalid)
    expect(() => one.join(other)).toThrow(invalid)
  })
})

interface Click {
  user: string
  atMs: number
  pages: number
}
const clicks: Click[] = [
  { user: 'ann', atMs: 1_000, pages: 1 },
  { user: 'bob', atMs: 2_000, pages: 5 },
  { user: 'ann', atMs: 4_000, pages: 2 },
  { user: 'ann', atMs: 6_000, pages: 4 },
  { user: 'bob', atMs: 7_000, pages: 1 },
]
const byTime = WatermarkStrategy.forMonotonousTimestamps<Click>().withTimestampAssigner((click) => click.atMs)

describe.each([1, 2])('programs at parallelism %i', (parallelism) => {
  const stream = () => local(parallelism).source(elements(clicks), byTime)
  const sorted = (texts: string[]): string[] => texts.toSorted()

  it('flatMap, side outputs and union', async () => {
    const even = outputTag<number>('even')
    const odd = local(parallelism)
      .fromSequence(1, 6)
      .flatMap((n) => [n, n * 10])
      .process<number>((n, context, out) => (n % 2 === 0 ? context.output(even, n) : out.collect(n)))
    const all = await odd.union(odd.getSideOutput(even).map((n) => -n)).executeAndCollect()
    expect(all.toSorted((a, b) => a - b)).toEqual([-60, -50, -40, -30, -20, -10, -6, -4, -2, 1, 3, 5])
  })

  it('rolling aggregations, and final ones in batch mode', async () => {
    const rolling = await stream().keyBy('user').sum('pages').executeAndCollect()
    expect(sorted(rolling.map(({ user, pages }) => `${user} ${pages}`))).toEqual([
      'ann 1',
      'ann 3',
      'ann 7',
      'bob 5',
      'bob 6',
    ])
    const env = local(parallelism).setRuntimeMode('automatic')
    const final = await env.fromCollection(clicks).rebalance().keyBy('user').sum('pages').executeAndCollect()
    expect(sorted(final.map(({ user, pages }) => `${user} ${pages}`))).toEqual(['ann 7', 'bob 6'])
  })

  it('nothing is late in batch mode', async () => {
    const env = local(parallelism).setRuntimeMode('batch')
    const backwards = env.source(elements(clicks.toReversed()), byTime)
    const found = await backwards
      .keyBy('user')
      .window(tumbling.eventTime(seconds(5)))
      .sum('pages')
      .executeAndCollect()
    expect(sorted(found.map(({ user, pages }) => `${user} ${pages}`))).toEqual(['ann 3', 'ann 4', 'bob 1', 'bob 5'])
  })

  it('event-time windows by key, and of everything', async () => {
    const byKey = await stream()
      .keyBy((click) => click.user)
      .window(tumbling.eventTime(seconds(5)))
      .reduce<string>(
        (left, right) => ({ ...left, pages: left.pages + right.pages }),
        (user, { window }, [total], out) => out.collect(`${user} ${window.startMs} ${total!.pages}`),
      )
      .executeAndCollect()
    expect(sorted(byKey)).toEqual(['ann 0 3', 'ann 5000 4', 'bob 0 5', 'bob 5000 1'])
    const all = await stream()
      .windowAll(tumbling.eventTime(seconds(5)))
      .max('pages')
      .executeAndCollect()
    expect(sorted(all.map(({ pages }) => String(pages)))).toEqual(['4', '5'])
    const counted = await stream().keyBy('user').countWindow(2).sum('pages').executeAndCollect()
    expect(sorted(counted.map(({ user, pages }) => `${user} ${pages}`))).toEqual(['ann 3', 'bob 6'])
  })

  it('keyed state and timers', async () => {
    const idle = await stream()
      .keyBy('user')
      .process<string>({
        processElement: (click, context) => context.timerService().registerEventTimeTimer(click.atMs + 1_500),
        onTimer: (timeMs, context, out) => out.collect(`${context.getCurrentKey()} ${timeMs}`),
      })
      .executeAndCollect()
    expect(sorted(idle)).toEqual(['ann 2500', 'ann 5500', 'ann 7500', 'bob 3500', 'bob 8500'])
  })

  it('window join, coGroup and interval join', async () => {
    const env = local(parallelism)
    const left = env.source(elements(clicks), byTime)
    const right = env.source(elements(clicks.slice(2)), byTime)
    const pairs = await left
      .join(right)
      .where('user')
      .equalTo('user')
      .window(tumbling.eventTime(seconds(5)))
      .apply((one, other) => `${one.user} ${one.pages} ${other.pages}`)
      .executeAndCollect()
    expect(sorted(pairs)).toEqual(['ann 1 2', 'ann 2 2', 'ann 4 4', 'bob 1 1'])
    const sizes = await left
      .coGroup(right)
      .where('user')
      .equalTo('user')
      .window(tumbling.eventTime(seconds(5)))
      .apply<string>((ones, others, out) => out.collect(`${ones[0]?.user} ${ones.length} ${others.length}`))
      .executeAndCollect()
    expect(sorted(sizes)).toEqual(['ann 1 1', 'ann 2 1', 'bob 1 0', 'bob 1 1'])
    const near = await left
      .keyBy('user')
      .intervalJoin(right.keyBy('user'))
      .between(0, 3_000)
      .process<string>((one, other, _, out) => out.collect(`${one.user} ${one.atMs} ${other.atMs}`))
      .executeAndCollect()
    expect(sorted(near)).toEqual(['ann 1000 4000', 'ann 4000 4000', 'ann 4000 6000', 'ann 6000 6000', 'bob 7000 7000'])
  })

  it('projections', async () => {
    const projected = await stream().project('user', 'pages').executeAndCollect()
    expect(projected[0]).toEqual({ user: 'ann', pages: 1 })
  })

  it('asynchronous calls, in order and not, with time-outs and retries', async () => {
    const later = (n: number): Promise<number> => new Promise((resolve) => setTimeout(resolve, 12 - n, n))
    const numbers = () => local(parallelism).fromElements(1, 5, 9)
    expect(await numbers().mapAsync(later).executeAndCollect()).toHaveLength(3)
    const unordered = await numbers()
      .unorderedWait(async (n) => [await later(n), -n], { timeoutMs: 10_000, capacity: 2 })
      .executeAndCollect()
    expect(unordered.toSorted((a, b) => a - b)).toEqual([-9, -5, -1, 1, 5, 9])
    const failing = new Set([1, 5])
    const retried = await numbers()
      .orderedWait(
        async (n) => {
          if (failing.delete(n)) throw new Error('not yet')
          return [n]
        },
        { timeoutMs: 10_000, retry: retryStrategies.fixedDelay(2, 1) },
      )
      .executeAndCollect()
    expect(retried.toSorted()).toEqual([1, 5, 9])
    const late = await numbers()
      .orderedWait({ asyncInvoke: () => new Promise<number[]>(() => {}), timeout: (n) => [-n] }, { timeoutMs: 5 })
      .executeAndCollect()
    expect(late.toSorted((a, b) => a - b)).toEqual([-9, -5, -1])
    expect(() => numbers().mapAsync(later, { capacity: 0 })).toThrow(
      expect.objectContaining({ code: 'MR_PLAN_INVALID' }),
    )
  })

  it('connected streams', async () => {
    const env = local(parallelism)
    const words = await env
      .fromElements('a', 'b')
      .connect(env.fromElements(1, 2))
      .map<string>({ map1: (text) => text, map2: (n) => `#${n}` })
      .executeAndCollect()
    expect(sorted(words)).toEqual(['#1', '#2', 'a', 'b'])
  })

  it('partition windows', async () => {
    const total = await local(parallelism)
      .fromSequence(1, 10)
      .fullWindowPartition()
      .reduce((a, b) => a + b)
      .executeAndCollect()
    expect(total.reduce((a, b) => a + b, 0)).toBe(55)
    const ordered = await local(parallelism)
      .fromElements(3, 1, 2)
      .fullWindowPartition()
      .sortPartition((n) => n)
      .executeAndCollect()
    expect(ordered.toSorted()).toEqual([1, 2, 3])
  })
})
