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
