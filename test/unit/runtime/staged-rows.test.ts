/** Batches into a keyed operator whose state is larger than the caches: keys are read ahead, answers and errors stay. */
import { expect, test } from 'vitest'
import { type DataStream, sequence, StreamExecutionEnvironment, types, type ValueState } from '../../../src/index.ts'

/** Twice as many as fit into the tables that are not read ahead. */
const keyCount = 600_000
const rounds = 3

const local = (): StreamExecutionEnvironment => StreamExecutionEnvironment.getExecutionEnvironment().setParallelism(1)

function counted(refused?: number): DataStream<{ key: number; count: number }> {
  let counts: ValueState<number>
  return local()
    .source(sequence(0, keyCount * rounds - 1))
    .keyBy((n) => n % keyCount, types.int32())
    .process<{ key: number; count: number }>({
      open(context) {
        counts = context.getState({ kind: 'value', name: 'count', type: types.float64() })
      },
      processElement(n, context, out) {
        if (n === refused) throw new Error('refused')
        const count = (counts.value() ?? 0) + 1
        counts.update(count)
        if (context.getCurrentKey() !== n % keyCount) throw new Error(`${n} under ${String(context.getCurrentKey())}`)
        if (n % 100 === 0) out.collect({ key: n % keyCount, count })
      },
    })
    .name('count')
    .startNewChain()
}

test('every record is processed under its own key, in order, also where the output is full at times', async () => {
  const found = await counted()
    .map((row) => row)
    .startNewChain()
    .executeAndCollect()
  expect(found.length).toBe((keyCount * rounds) / 100)
  const sums = new Map<number, number>()
  for (const { key, count } of found) sums.set(key, (sums.get(key) ?? 0) + count)
  expect(sums.size).toBe(keyCount / 100)
  expect([...sums.values()].every((sum) => sum === (rounds * (rounds + 1)) / 2)).toBe(true)
})

test('an error names the record that was at hand, not one that was read ahead', async () => {
  const refused = keyCount * 2 + 12_345
  await expect(counted(refused).executeAndCollect()).rejects.toMatchObject({
    code: 'MR_USER_FUNCTION_FAILED',
    context: { operator: 'count', record: String(refused) },
  })
})
