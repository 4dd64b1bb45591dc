import { describe, expect, it } from 'vitest'
import { Progress } from '../../../src/common/progress.ts'
import { generator } from '../../../src/connectors/index.ts'
import { connectorContext } from '../../support/connector-context.ts'
import { ListOutput, readSource } from '../../support/read-source.ts'

const make = (n: number): string => `r${n}`
const expected = (count: number): string[] => Array.from({ length: count }, (_, n) => make(n)).toSorted()

describe('generator', () => {
  it('deals the numbers out in strides', async () => {
    const { outputs } = await readSource(generator({ count: 7, make: (n) => n }), { parallelism: 3 })
    expect(outputs.map((output) => output.values)).toEqual([
      [0, 3, 6],
      [1, 4],
      [2, 5],
    ])
  })

  it.each([
    [1, 5, 1],
    [2, 100, 7],
    [3, 1000, 64],
    [5, 3, 10],
  ])('makes every record once at parallelism %i, through restores', async (parallelism, count, recordsMax) => {
    const options = { parallelism, recordsMax, room: 5, restoresAfterPoll: true }
    expect((await readSource(generator({ count, make }), options)).all.toSorted()).toEqual(expected(count))
  })

  it('goes on in order after strides of several subtasks came together in one', () => {
    const reader = generator({ count: 20, make: (n) => n }).createReader(connectorContext())
    reader.addSplits([
      { next: 10, step: 2, end: 20 },
      { next: 5, step: 2, end: 20 },
    ])
    reader.noMoreSplits()
    const output = new ListOutput<number>()
    while (reader.poll(output, 4) !== Progress.Done) expect(reader.snapshot().length).toBeLessThan(3)
    expect(output.values).toEqual([5, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
  })

  it('never ends without a count, and says where it stands', () => {
    const source = generator({ make })
    expect(source.boundedness).toBe('unbounded')
    const reader = source.createReader(connectorContext())
    reader.addSplits([{ next: 0, step: 1, end: -1 }])
    reader.noMoreSplits()
    const output = new ListOutput<string>()
    for (let i = 0; i < 10; i++) expect(reader.poll(output, 100)).toBe(Progress.Working)
    expect(output.values).toHaveLength(1000)
    expect(reader.snapshot()).toEqual([{ next: 1000, step: 1, end: -1 }])
  })

  it('keeps its share of the rate, by the clock', async () => {
    const context = connectorContext({ parallelism: 2 })
    const reader = generator({ make, ratePerSecond: 200 }).createReader(context)
    reader.addSplits([{ next: 0, step: 2, end: -1 }])
    const output = new ListOutput<string>()
    expect(reader.poll(output, 4096)).toBe(Progress.Idle)
    for (let i = 1; i <= 10; i++) {
      context.nowMs += 50
      reader.poll(output, 4096)
      expect(output.values).toHaveLength(i * 5)
    }
    expect(reader.poll(output, 4096)).toBe(Progress.Idle)
    expect(context.holds).toBe(1)
    await context.mailPosted()
    expect(context.holds).toBe(0)
    reader.close?.()
  })

  it('gives back what a full output did not take', () => {
    const context = connectorContext()
    const reader = generator({ make, ratePerSecond: 1000 }).createReader(context)
    reader.addSplits([{ next: 0, step: 1, end: -1 }])
    const output = new ListOutput<string>(3)
    context.nowMs = 10
    reader.poll(output, 4096)
    output.drain()
    reader.poll(output, 4096)
    expect(output.values).toHaveLength(6)
  })

  it.each([{ count: -1 }, { count: 1.5 }, { ratePerSecond: 0 }, { ratePerSecond: Number.NaN }])('refuses %o', (bad) => {
    expect(() => generator({ make, ...bad })).toThrow(expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE' }))
  })
})
