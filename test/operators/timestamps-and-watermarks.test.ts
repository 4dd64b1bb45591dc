import { describe, expect, it } from 'vitest'
import {
  recordsPerEmissionMax,
  TimestampsAndWatermarksOperator,
} from '../../src/operators/timestamps-and-watermarks-operator.ts'
import { OperatorHarness } from '../../src/testing/operator-harness.ts'
import { WatermarkOutputMultiplexer } from '../../src/time/watermark-output-multiplexer.ts'
import { WatermarkStrategy } from '../../src/time/watermark-strategy.ts'

const open = (
  strategy: WatermarkStrategy<number>,
  configuration: Record<string, string> = {},
): Promise<OperatorHarness<number, number>> =>
  OperatorHarness.open<number, number>({
    operator: () => new TimestampsAndWatermarksOperator(strategy),
    operatorName: 'stamps',
    configuration,
  })

describe('timestamps and watermarks', () => {
  it('stamps records and stays the bound behind the latest, once per interval', async () => {
    const harness = await open(
      WatermarkStrategy.forBoundedOutOfOrderness<number>(5).withTimestampAssigner((value) => value * 10),
    )
    harness.processElement(3)
    harness.processElement(2)
    expect(harness.records()).toEqual([
      { value: 3, timestampMs: 30 },
      { value: 2, timestampMs: 20 },
    ])
    harness.setProcessingTime(199)
    expect(harness.watermarks()).toEqual([])
    harness.setProcessingTime(200)
    expect(harness.watermarks()).toEqual([24])
    harness.processElement(1)
    harness.setProcessingTime(400)
    expect(harness.watermarks()).toEqual([24])
    harness.endInput()
    expect(harness.watermarks()).toEqual([24, Number.POSITIVE_INFINITY])
  })

  it('emits between batches when many records have come, whatever the clock says', async () => {
    const harness = await open(
      WatermarkStrategy.forMonotonousTimestamps<number>().withTimestampAssigner((value) => value),
    )
    for (let i = 0; i < recordsPerEmissionMax; i++) harness.processElement(i)
    expect(harness.watermarks()).toEqual([])
    harness.endOfBatch()
    expect(harness.watermarks()).toEqual([recordsPerEmissionMax - 2])
  })

  it('takes the interval from the configuration', async () => {
    const harness = await open(WatermarkStrategy.forMonotonousTimestamps<number>(), {
      'pipeline.auto-watermark-interval': '1 s',
    })
    harness.processElement(1, 50)
    harness.setProcessingTime(999)
    expect(harness.watermarks()).toEqual([])
    harness.setProcessingTime(1_000)
    expect(harness.watermarks()).toEqual([49])
  })

  it('lets punctuated generators emit with the record, and ignores watermarks that do not rise', async () => {
    const strategy = WatermarkStrategy.forGenerator<number>(() => ({
      onEvent: (value, timestampMs, output) => {
        if (value % 2 === 0) output.emitWatermark(timestampMs)
      },
      onPeriodicEmit: () => {},
    }))
    const harness = await open(strategy)
    harness.processElement(1, 5)
    harness.processElement(2, 9)
    harness.processElement(4, 7)
    expect(
      harness.output.events.map((event) => `${event.type} ${(event as { timestampMs: number }).timestampMs}`),
    ).toEqual(['record 5', 'record 9', 'watermark 9', 'record 7'])
  })

  it('marks the stream idle and active again', async () => {
    const harness = await open(WatermarkStrategy.forMonotonousTimestamps<number>().withIdleness(300))
    harness.processElement(1, 10)
    for (const timeMs of [200, 400, 600, 800]) harness.setProcessingTime(timeMs)
    harness.processElement(2, 20)
    expect(harness.output.events.filter(({ type }) => type === 'status')).toEqual([
      { type: 'status', isIdle: true },
      { type: 'status', isIdle: false },
    ])
  })

  it('stamps with the clock in ingestion time, never going back', async () => {
    const harness = await open(WatermarkStrategy.forIngestionTime<number>())
    harness.setProcessingTime(70)
    harness.processElement(1)
    expect(harness.records()).toEqual([{ value: 1, timestampMs: 70 }])
  })

  it('knows by itself when the stream is idle: what upstream says of it is dropped', async () => {
    const strategy = WatermarkStrategy.forMonotonousTimestamps<number>().withTimestampAssigner((value) => value)
    const harness = await open(strategy)
    harness.processElement(10)
    harness.processStatus(true)
    harness.setProcessingTime(200)
    harness.processStatus(false)
    expect(harness.output.events.filter(({ type }) => type === 'status')).toEqual([])
    expect(harness.watermarks()).toEqual([9])
  })

  it('does not take a pause by alignment for idleness', async () => {
    const operator = new TimestampsAndWatermarksOperator(
      WatermarkStrategy.forMonotonousTimestamps<number>().withIdleness(1_000),
    )
    const harness = await OperatorHarness.open<number, number>({ operator: () => operator })
    harness.processElement(1, 10)
    for (const timeMs of [200, 400, 600]) harness.setProcessingTime(timeMs)
    operator.setPaused(true)
    for (let timeMs = 800; timeMs <= 5_000; timeMs += 200) harness.setProcessingTime(timeMs)
    operator.setPaused(false)
    expect(operator.isIdle).toBe(false)
    for (let timeMs = 5_200; timeMs <= 5_800; timeMs += 200) harness.setProcessingTime(timeMs)
    expect(operator.isIdle).toBe(false)
    harness.setProcessingTime(6_000)
    expect(operator.isIdle).toBe(true)
  })

  it('emits after every batch where others wait for it', async () => {
    const strategy = WatermarkStrategy.forMonotonousTimestamps<number>()
    const harness = await OperatorHarness.open<number, number>({
      operator: () => new TimestampsAndWatermarksOperator(strategy, { emitsPerBatch: true }),
    })
    harness.processElement(1, 10)
    harness.processElement(2, 20)
    harness.endOfBatch()
    harness.endOfBatch()
    expect(harness.watermarks()).toEqual([19])
  })

  it('names operator and record where a timestamp is missing', async () => {
    const strategy = WatermarkStrategy.noWatermarks<number>().withTimestampAssigner(
      () => undefined as unknown as number,
    )
    const harness = await open(strategy)
    expect(() => harness.processElement(42)).toThrow(
      expect.objectContaining({
        code: 'MR_TIME_INVALID',
        message: expect.stringMatching(/stamps.*undefined.*record 42/),
      }),
    )
  })

  it('refuses durations that are none', () => {
    const refused = expect.objectContaining({ code: 'MR_TIME_INVALID' })
    expect(() => WatermarkStrategy.forBoundedOutOfOrderness(-1)).toThrow(refused)
    expect(() => WatermarkStrategy.noWatermarks().withIdleness(0)).toThrow(refused)
    expect(() => WatermarkStrategy.noWatermarks().withWatermarkAlignment('g', Number.NaN)).toThrow(refused)
  })
})

describe('watermarks per split', () => {
  it('combine to the minimum over active splits, and name the one that holds back', () => {
    const seen: (number | string)[] = []
    const splits = new WatermarkOutputMultiplexer({
      emitWatermark: (timestampMs) => seen.push(timestampMs),
      markIdle: () => seen.push('idle'),
      markActive: () => seen.push('active'),
    })
    const a = splits.register('a')
    const b = splits.register('b')
    a.immediate.emitWatermark(10)
    expect(seen).toEqual([])
    expect(splits.holdingBack()).toEqual({ splitId: 'b', watermarkMs: Number.NEGATIVE_INFINITY })
    b.deferred.emitWatermark(7)
    expect(seen).toEqual([])
    splits.emit()
    expect(seen).toEqual([7])
    b.deferred.markIdle()
    splits.emit()
    expect(seen).toEqual([7, 10])
    a.immediate.markIdle()
    b.immediate.emitWatermark(8)
    expect(seen).toEqual([7, 10, 'idle', 'active'])
    splits.unregister('b')
    a.immediate.emitWatermark(30)
    expect(seen).toEqual([7, 10, 'idle', 'active', 'idle', 'active', 30])
  })
})

describe('splits of a source', () => {
  const opened = async (strategy: WatermarkStrategy<number>) => {
    let operator!: TimestampsAndWatermarksOperator<number>
    const harness = await OperatorHarness.open<number, number>({
      operator: () => (operator = new TimestampsAndWatermarksOperator(strategy)),
      operatorName: 'stamps',
    })
    const put = (split: string | undefined, timestampMs: number): void => {
      operator.use(split === undefined ? undefined : operator.registerSplit(split))
      harness.processElement(timestampMs, timestampMs)
    }
    const events = (): string[] =>
      harness.output.events.filter(({ type }) => type !== 'record').map((event) => Object.values(event).join(' '))
    return { operator, harness, put, events }
  }
  const ascending = WatermarkStrategy.forMonotonousTimestamps<number>()

  it('hold the watermark back until each has one, and no longer than they are read', async () => {
    const { operator, harness, put } = await opened(ascending)
    put('a', 100)
    operator.registerSplit('b')
    harness.setProcessingTime(200)
    expect(harness.watermarks()).toEqual([])
    put('b', 10)
    harness.setProcessingTime(400)
    expect(harness.watermarks()).toEqual([9])
    expect(operator.splits?.holdingBack()).toEqual({ splitId: 'b', watermarkMs: 9 })
    operator.releaseSplit('b')
    expect(harness.watermarks()).toEqual([9, 99])
  })

  it('tell their last watermark when they are released, and never take one back', async () => {
    const { operator, harness, put } = await opened(ascending)
    put('a', 100)
    operator.releaseSplit('a')
    expect(harness.watermarks()).toEqual([99])
    put('b', 10)
    harness.setProcessingTime(200)
    operator.releaseSplit('b')
    put('c', 200)
    operator.releaseSplit('c')
    expect(harness.watermarks()).toEqual([99, 199])
  })

  it('fall idle one by one; the source with the last of them, and a split that comes wakes it', async () => {
    const { operator, harness, put, events } = await opened(ascending.withIdleness(300))
    put('a', 100)
    put('b', 10)
    harness.setProcessingTime(200)
    put('a', 110)
    for (const nowMs of [400, 600, 800]) harness.setProcessingTime(nowMs)
    expect(events()).toEqual(['watermark 9', 'watermark 109'])
    for (const nowMs of [1_000, 1_200]) harness.setProcessingTime(nowMs)
    expect(events()).toEqual(['watermark 9', 'watermark 109', 'status true'])
    operator.registerSplit('c')
    expect(events().at(-1)).toBe('status false')
  })

  it('are idle where there is none for as long as the time-out', async () => {
    const { operator, harness, put, events } = await opened(ascending.withIdleness(300))
    put('a', 100)
    harness.setProcessingTime(200)
    operator.releaseSplit('a')
    for (const nowMs of [400, 600]) harness.setProcessingTime(nowMs)
    expect(events()).toEqual(['watermark 99'])
    harness.setProcessingTime(800)
    expect(events()).toEqual(['watermark 99', 'status true'])
  })

  it('that alignment has paused do not fall idle', async () => {
    const { operator, harness, put, events } = await opened(ascending.withIdleness(300))
    put('a', 100)
    put('b', 10)
    operator.splits!.setPaused('a', true)
    for (let nowMs = 200; nowMs <= 1_200; nowMs += 200) {
      put('b', 10)
      harness.setProcessingTime(nowMs)
    }
    expect(operator.splits?.holdingBack()?.splitId).toBe('b')
    for (let nowMs = 1_400; nowMs <= 2_000; nowMs += 200) harness.setProcessingTime(nowMs)
    expect(events()).toEqual(['watermark 9', 'watermark 99'])
  })

  it('may stand beside records of the reader’s own', async () => {
    const { harness, put } = await opened(ascending)
    put(undefined, 50)
    harness.setProcessingTime(200)
    put('a', 100)
    harness.setProcessingTime(400)
    put(undefined, 150)
    harness.setProcessingTime(600)
    expect(harness.watermarks()).toEqual([49, 99, 149])
  })

  it('have a generator each, with punctuated ones combined at once', async () => {
    const made: number[] = []
    const { operator, harness, put } = await opened(
      WatermarkStrategy.forGenerator<number>(() => {
        made.push(made.length)
        return { onEvent: (_, timestampMs, output) => output.emitWatermark(timestampMs), onPeriodicEmit: () => {} }
      }),
    )
    operator.registerSplit('b')
    put('a', 5)
    expect(harness.watermarks()).toEqual([])
    put('b', 3)
    put('b', 4)
    put('a', 9)
    expect(harness.watermarks()).toEqual([3, 4])
    expect(made.length).toBeGreaterThanOrEqual(2)
  })
})
