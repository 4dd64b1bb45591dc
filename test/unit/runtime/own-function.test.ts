/** Rich function objects where several subtasks run in one thread: each has its own, as in Flink. */
import { describe, expect, it } from 'vitest'
import {
  discard,
  type RuntimeContext,
  sequence,
  StreamExecutionEnvironment,
  tumbling,
  WatermarkStrategy,
} from '../../../src/index.ts'
import { perSubtask } from '../../../src/operators/own-function.ts'

const environment = (): StreamExecutionEnvironment =>
  StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 3 })

class Numbering {
  readonly step: number
  readonly seen = new Map<number, number>()
  subtask = -1
  count = 0

  constructor(step: number) {
    this.step = step
  }

  open(context: RuntimeContext): void {
    this.subtask = context.task.subtaskIndex
  }

  map(value: number): string {
    this.seen.set(value, this.count)
    this.count += this.step
    return `${this.subtask}:${this.count}:${this.seen.size}`
  }
}

async function collected(stream: { executeAndCollect(): Promise<unknown[]> }): Promise<unknown[]> {
  return (await stream.executeAndCollect()).toSorted()
}

describe('subtasks of one thread', () => {
  it('have a function object each, with the constructor’s data and without each other’s', async () => {
    const found = await collected(environment().fromSequence(1, 9).setParallelism(1).rebalance().map(new Numbering(10)))
    expect(found).toEqual([0, 1, 2].flatMap((s) => [1, 2, 3].map((n) => `${s}:${n * 10}:${n}`)))
  })

  it('and so do operators that the program gave the same object', async () => {
    const numbering = new Numbering(1)
    const env = StreamExecutionEnvironment.getExecutionEnvironment()
    const found = await collected(
      env
        .fromSequence(1, 2)
        .map(numbering)
        .map((text) => Number(text.split(':')[1]))
        .map(numbering),
    )
    expect(found).toEqual(['0:1:1', '0:2:2'])
  })

  it('count windows in functions of their own', async () => {
    class Totals {
      total = 0
      open(): void {}
      process(
        _key: number,
        _context: unknown,
        [sum]: Iterable<{ n: number }> & { n: number }[],
        out: { collect(v: number): void },
      ): void {
        this.total += sum!.n
        out.collect(this.total)
      }
    }
    class Sum {
      open(): void {}
      reduce(a: { n: number; key: number }, b: { n: number; key: number }): { n: number; key: number } {
        return { key: a.key, n: a.n + b.n }
      }
    }
    const found = await collected(
      environment()
        .source(
          sequence(1, 12),
          WatermarkStrategy.forMonotonousTimestamps<number>().withTimestampAssigner((n) => n),
        )
        .map((n) => ({ n, key: n % 6 }))
        .keyBy('key')
        .window(tumbling.eventTime(1_000))
        .reduce(new Sum(), new Totals() as never),
    )
    expect(found.length).toBe(6)
  })

  it('are refused an object with an open() that cannot be copied, with advice', async () => {
    const literal = { open: () => {}, map: (value: number) => value }
    const env = environment()
    env.fromSequence(1, 9).rebalance().map(literal).sinkTo(discard())
    await expect(env.execute()).rejects.toMatchObject({
      code: 'MR_PLAN_INVALID',
      message: expect.stringContaining('instance of a class'),
    })
  })
})

describe('copies', () => {
  const second = <F extends object>(one: F): F => {
    const own = perSubtask(one)
    expect(own()).toBe(one)
    return own()
  }

  it('are made by a constructor without parameters, private fields included', () => {
    class Counter {
      #n = 0
      limit = 1
      readonly cache = new Map<number, number>()
      add(): number {
        return ++this.#n
      }
    }
    const original = new Counter()
    original.limit = 5
    const own = perSubtask(original)
    own()
    original.add()
    original.cache.set(1, 1)
    original.limit = 6
    const copy = own()
    expect([copy.add(), copy.limit, copy.cache.size]).toEqual([1, 5, 0])
  })

  it('are not made where they could differ from what the program made', () => {
    class Hidden {
      #n: number
      constructor(n = 1) {
        this.#n = n
      }
      get n(): number {
        return this.#n
      }
    }
    class Bound {
      readonly limit: number
      constructor(limit: number) {
        this.limit = limit
      }
      isOver = (n: number): boolean => n > this.limit
    }
    class Holding {
      readonly handle: object
      constructor(handle: object) {
        this.handle = handle
      }
    }
    for (const one of [new Hidden(7), new Bound(3), new Holding(new Hidden(1)), { map: (n: number) => n }]) {
      expect(second(one)).toBe(one)
    }
  })

  it('follow classes that extend others', () => {
    class Base {
      constructor(readonly: number[]) {
        Object.assign(this, { numbers: readonly })
      }
    }
    class Derived extends Base {
      sum(): number {
        return (this as unknown as { numbers: number[] }).numbers.reduce((a, b) => a + b, 0)
      }
    }
    const original = new Derived([1, 2])
    const copy = second(original)
    expect(copy).not.toBe(original)
    expect([copy.sum(), copy instanceof Derived]).toEqual([3, true])
  })
})
