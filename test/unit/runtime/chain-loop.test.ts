/** The generated loops of a chain, through whole local jobs: what they emit, and what they say when something throws. */
import { expect, test } from 'vitest'
import { StreamExecutionEnvironment, columns, elements, sequence } from '../../../src/index.ts'

const local = (): StreamExecutionEnvironment => StreamExecutionEnvironment.getExecutionEnvironment().setParallelism(1)

test('a typed array runs through the loop in order, beyond the size of one batch', async () => {
  const numbers = Float64Array.from({ length: 10_000 }, (_, index) => index / 2)
  const found = await local()
    .source(columns(numbers))
    .filter((x) => x % 1 === 0)
    .map((x) => x * 10)
    .executeAndCollect()
  expect(found).toEqual(Array.from({ length: 5_000 }, (_, index) => index * 10))
})

test('a sequence beyond 32 bits stays exact', async () => {
  const from = 2 ** 40
  expect(
    await local()
      .source(sequence(from, from + 3))
      .executeAndCollect(),
  ).toEqual([from, from + 1, from + 2, from + 3])
})

test('flatMap in the middle of a chain passes arrays, iterators and nothing on', async () => {
  const found = await local()
    .source(elements([1, 2, 3, 4]))
    .flatMap((n): Iterable<number> => (n === 1 ? [] : n === 2 ? [n, n] : new Set([n, n * 10])))
    .filter((n) => n !== 40)
    .flatMap(function* (n): Iterable<string> {
      yield `a${n}`
      yield `b${n}`
    })
    .executeAndCollect()
  expect(found).toEqual(['a2', 'b2', 'a2', 'b2', 'a3', 'b3', 'a30', 'b30', 'a4', 'b4'])
})

test('an error names the operator that threw and the value that it was given, not the record at the chain’s head', async () => {
  const job = local()
    .source(elements([1, 2, 3]))
    .map((n) => n * 100)
    .name('times a hundred')
    .map((n) => {
      if (n === 200) throw new Error('no two hundreds')
      return n
    })
    .name('picky')
    .executeAndCollect()
  await expect(job).rejects.toMatchObject({
    code: 'MR_USER_FUNCTION_FAILED',
    context: { operator: 'picky', subtask: 0, record: '200' },
  })
})

test('a generator that throws half way is attributed to its flatMap', async () => {
  const job = local()
    .source(elements(['x']))
    .flatMap(function* (text): Iterable<string> {
      yield text
      throw new Error('half way')
    })
    .name('halves')
    .executeAndCollect()
  await expect(job).rejects.toMatchObject({ context: { operator: 'halves', record: expect.stringContaining('x') } })
})
