import { describe, expect, it } from 'vitest'
import { IntervalJoinOperator, type IntervalJoinSpec } from '../../src/operators/interval-join-operator.ts'
import { outputTag } from '../../src/operators/output-tag.ts'
import { OperatorHarness } from '../../src/testing/operator-harness.ts'
import { type HarnessInput, runTrial, trials } from '../../src/testing/operator-trials.ts'
import { session } from '../../src/windows/assigners/session.ts'
import { tumbling } from '../../src/windows/assigners/tumbling.ts'
import { coGroupOperator, type Sided, windowJoinOperator } from '../../src/windows/co-group-operator.ts'

interface Row {
  readonly key: string
  readonly id: number
}

const at = (id: number, key = 'a'): Row => ({ key, id })

function openInterval(spec: Partial<IntervalJoinSpec<Row, Row, string>>): Promise<OperatorHarness<Row, string, Row>> {
  return OperatorHarness.open<Row, string, Row>({
    operator: () =>
      new IntervalJoinOperator<Row, Row, string>({
        lowerBoundMs: -2,
        upperBoundMs: 1,
        process: (left, right, _, out) => out.collect(`${left.id}+${right.id}`),
        ...spec,
      }),
    keySelector: (row) => row.key,
    keySelector2: (row) => row.key,
  })
}

describe('the interval join', () => {
  it('joins within inclusive bounds whatever side comes first, and stamps pairs with the later time', async () => {
    const harness = await openInterval({})
    for (let t = 0; t < 5; t++) harness.processElement(at(t), t)
    for (let t = 0; t < 5; t++) harness.processElement2(at(t), t)
    const expected: string[] = []
    for (let right = 0; right < 5; right++) {
      for (let left = 0; left < 5; left++)
        if (right - left >= -2 && right - left <= 1) expected.push(`${left}+${right}`)
    }
    expect(harness.values()).toEqual(expected)
    expect(harness.records()[0]).toEqual({ value: '0+0', timestampMs: 0 })
    expect(harness.records().find(({ value }) => value === '2+0')!.timestampMs).toBe(2)
  })

  it('takes bounds out where they are exclusive', async () => {
    const harness = await openInterval({ lowerBoundExclusive: true, upperBoundExclusive: true })
    harness.processElement(at(10), 10)
    for (const t of [7, 8, 9, 10, 11]) harness.processElement2(at(t), t)
    expect(harness.values()).toEqual(['10+9', '10+10'])
  })

  it('does not join other keys, forgets what cannot be joined any more, and sends late records aside', async () => {
    const left = outputTag<Row>('late-left')
    const harness = await openInterval({ leftLateTag: left })
    harness.processElement(at(1, 'b'), 1)
    harness.processElement2(at(1, 'a'), 1)
    expect(harness.values()).toEqual([])
    expect(harness.keyedState!.entryCount()).toBe(2)
    harness.processWatermark(3)
    expect(harness.keyedState!.entryCount()).toBe(0)
    harness.processElement(at(2), 2)
    expect(harness.sideOutput(left).map(({ value }) => value.id)).toEqual([2])
    harness.processElement(at(3), 3)
    expect(harness.sideOutput(left)).toHaveLength(1)
  })

  it('joins by time of arrival in processing time', async () => {
    const harness = await openInterval({ timeDomain: 'processing-time', lowerBoundMs: 0, upperBoundMs: 10 })
    harness.setProcessingTime(100)
    harness.processElement(at(1))
    harness.setProcessingTime(110)
    harness.processElement2(at(2))
    harness.setProcessingTime(111)
    harness.processElement2(at(3))
    expect(harness.values()).toEqual(['1+2'])
    harness.setProcessingTime(200)
    expect(harness.keyedState!.entryCount()).toBe(0)
  })

  it('refuses bounds that cross', async () => {
    await expect(openInterval({ lowerBoundMs: 3 })).rejects.toMatchObject({ code: 'MR_TIME_INVALID' })
  })
})

const joinScript: HarnessInput<Row, Row>[] = [
  { type: 'element', value: at(1), timestampMs: 1 },
  { type: 'element2', value: at(2), timestampMs: 9 },
  { type: 'element', value: at(3), timestampMs: 10 },
  { type: 'element2', value: at(4, 'b'), timestampMs: 3 },
  { type: 'element2', value: at(5), timestampMs: 0 },
  { type: 'watermark', timestampMs: 9 },
  { type: 'element2', value: at(6), timestampMs: 12 },
  { type: 'endInput' },
]

const values = <Out>(byInput: Awaited<ReturnType<typeof runTrial<Row, Out, Row>>>): Out[] =>
  byInput.flatMap((events) => events.map((event) => (event as { value: Out }).value))

describe('joins over windows', () => {
  const keys = { keySelector: (row: Row) => row.key, keySelector2: (row: Row) => row.key }

  it.each(trials)('pairs the records of a key and window: $name', async (trial) => {
    const assigner = tumbling.eventTime<Sided<Row, Row>>(10)
    const operator = () => windowJoinOperator({ assigner }, (left: Row, right: Row) => `${left.id}+${right.id}`)
    expect(values(await runTrial<Row, string, Row>({ operator, ...keys }, joinScript, trial))).toEqual([
      '1+2',
      '1+5',
      '3+6',
    ])
  })

  it.each(trials)('groups both sides, also where one is empty: $name', async (trial) => {
    const assigner = session.eventTime<Sided<Row, Row>>(5)
    const operator = () =>
      coGroupOperator({ assigner }, (left: readonly Row[], right: readonly Row[], out: { collect(v: string): void }) =>
        out.collect(`${left.map(({ id }) => id)}|${right.map(({ id }) => id)}`),
      )
    const found = values(await runTrial<Row, string, Row>({ operator, ...keys }, joinScript, trial))
    expect(found.toSorted()).toEqual(['1|5', '3|2,6', '|4'])
  })
})
