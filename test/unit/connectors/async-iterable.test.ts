import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { describe, expect, it } from 'vitest'
import { Progress } from '../../../src/common/progress.ts'
import { fromAsyncIterable, type IterableLike } from '../../../src/connectors/index.ts'
import { connectorContext } from '../../support/connector-context.ts'
import { ListOutput, readSource } from '../../support/read-source.ts'

async function* numbers(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i
}

const expected = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

describe('fromAsyncIterable', () => {
  it.each<[string, () => IterableLike<number> | Promise<IterableLike<number>>]>([
    ['an async generator', () => numbers(5000)],
    ['a Node Readable', () => Readable.from(numbers(5000))],
    ['a web stream', () => ReadableStream.from(numbers(5000)) as globalThis.ReadableStream<number>],
    ['a plain iterable', () => expected(5000)],
    ['a promise of an iterable', () => Promise.resolve(expected(5000))],
  ])('reads %s to its end', async (_, factory) => {
    const { all, contexts } = await readSource(fromAsyncIterable(factory), { parallelism: 2, room: 100 })
    expect(all).toEqual(expected(5000))
    expect(contexts[0]?.holds).toBe(0)
  })

  it('calls the factory in each subtask where it may', async () => {
    const source = fromAsyncIterable(({ subtaskIndex, parallelism }) => [subtaskIndex * 10 + parallelism], {
      maxParallelism: 8,
    })
    expect((await readSource(source, { parallelism: 3 })).all).toEqual([3, 13, 23])
  })

  it('reads ahead no further than it may, and lets the iterable clean up', async () => {
    let made = 0
    let isCleanedUp = false
    async function* endless(): AsyncGenerator<number> {
      try {
        for (;;) yield made++
      } finally {
        isCleanedUp = true
      }
    }
    const context = connectorContext()
    const reader = fromAsyncIterable(endless, { queuedRecordsMax: 10 }).createReader(context)
    reader.addSplits([{ index: 0 }])
    const output = new ListOutput<number>()
    expect(reader.poll(output, 10)).toBe(Progress.Idle)
    await context.mailPosted()
    await settled()
    expect(made).toBe(10)
    expect(reader.poll(output, 3)).toBe(Progress.Working)
    expect(output.values).toEqual([0, 1, 2])
    await reader.close?.()
    await settled()
    expect(isCleanedUp).toBe(true)
    expect(context.holds).toBe(0)
  })

  it('fails with the error of the iterable, after what came before it', async () => {
    async function* broken(): AsyncGenerator<number> {
      yield 1
      throw new Error('the well is dry')
    }
    const context = connectorContext()
    const reader = fromAsyncIterable(broken).createReader(context)
    reader.addSplits([{ index: 0 }])
    const output = new ListOutput<number>()
    reader.poll(output, 10)
    await settled()
    expect(() => reader.poll(output, 10)).toThrow(
      expect.objectContaining({ code: 'MR_USER_FUNCTION_FAILED', message: 'the well is dry' }),
    )
    expect(output.values).toEqual([1])
    expect(context.holds).toBe(0)
  })

  it('refuses a factory that answers something else', async () => {
    const source = fromAsyncIterable(() => 5 as never)
    await expect(readSource(source)).rejects.toMatchObject({ code: 'MR_USER_FUNCTION_FAILED' })
  })
})

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
