/** Sources that read several splits in one subtask: watermarks by split, in whole jobs and with a reader's own outputs. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  discard,
  fileLines,
  generator,
  type ReaderOutput,
  sequence,
  type Source,
  type SourceOutput,
  StreamExecutionEnvironment,
  tumbling,
  WatermarkStrategy,
} from '../../../src/index.ts'
import { Progress } from '../../../src/common/progress.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { ListOutput } from '../../support/read-source.ts'
import { connectorContext } from '../../support/connector-context.ts'

interface NumbersSplit {
  readonly id: string
  readonly from: number
  readonly to: number
}

interface InterleavedOptions {
  readonly splits: readonly NumbersSplit[]
  /** False: one output for all splits, as readers without split outputs have. */
  readonly usesSplitOutputs?: boolean
  /** Told of every record before it is emitted. */
  readonly onRecord?: (id: string, value: number) => void
  readonly canPause?: boolean
  readonly perTurn?: number
}

/** Reads all its splits in turns, a few records of each; every number is its own event time. */
function interleaved(options: InterleavedOptions): Source<number, NumbersSplit> {
  const { splits, usesSplitOutputs = true, onRecord, canPause = false, perTurn = 10 } = options
  return {
    name: 'interleaved',
    boundedness: 'bounded',
    maxParallelism: 1,
    assignment: 'all',
    enumerateSplits: () => splits,
    createReader() {
      const reading: { id: string; next: number; to: number }[] = []
      const paused = new Set<string>()
      const outputs = new Map<string, SourceOutput<number>>()
      const outputOf = (output: ReaderOutput<number>, id: string): SourceOutput<number> => {
        if (!usesSplitOutputs) return output
        let own = outputs.get(id)
        if (own === undefined) outputs.set(id, (own = output.createOutputForSplit(id)))
        return own
      }
      return {
        addSplits: (added) => void reading.push(...added.map(({ id, from, to }) => ({ id, next: from, to }))),
        noMoreSplits() {},
        needsSplit: () => false,
        poll(output) {
          for (const { id } of reading) outputOf(output, id)
          for (const split of reading.slice()) {
            if (paused.has(split.id)) continue
            const own = outputOf(output, split.id)
            for (let i = 0; i < perTurn && split.next < split.to && !own.isFull(); i++) {
              onRecord?.(split.id, split.next)
              own.collectAt(split.next, split.next++)
            }
            if (split.next < split.to) continue
            reading.splice(reading.indexOf(split), 1)
            if (usesSplitOutputs) output.releaseOutputForSplit(split.id)
          }
          if (reading.length === 0) return Progress.Done
          return reading.every(({ id }) => paused.has(id)) ? Progress.Idle : Progress.Working
        },
        snapshot: () => reading.map(({ id, next, to }) => ({ id, from: next, to })),
        ...(canPause && {
          pauseOrResumeSplits(toPause: readonly string[], toResume: readonly string[]) {
            for (const id of toPause) paused.add(id)
            for (const id of toResume) paused.delete(id)
          },
        }),
      }
    },
  }
}

/** Counts of records per window of 100, and how many came too late for theirs. */
async function windows(
  source: Source<number>,
  strategy: WatermarkStrategy<number>,
): Promise<{ readonly counts: Record<number, number>; readonly late: number }> {
  const env = StreamExecutionEnvironment.getExecutionEnvironment({
    configuration: { 'pipeline.auto-watermark-interval': '1 ms' },
  })
  const counts: Record<number, number> = {}
  let late = 0
  const counted = env
    .source(source, strategy)
    .map((value) => ({ start: Math.floor(value / 100) * 100, count: 1 }))
    .keyBy(() => 0)
    .window(tumbling.eventTime(100))
    .sideOutputLateData({ id: 'late' } as never)
    .sum('count')
  counted
    .getSideOutput<unknown>({ id: 'late' } as never)
    .map(() => late++)
    .sinkTo(discard())
  counted
    .map(({ start, count }) => {
      counts[start] = (counts[start] ?? 0) + count
    })
    .sinkTo(discard())
  await env.execute('windows')
  return { counts, late }
}

const ascending = WatermarkStrategy.forMonotonousTimestamps<number>()
/** Emits with every record, so that nothing depends on when periodic emissions happen. */
const eager = WatermarkStrategy.forGenerator<number>(() => ({
  onEvent: (_value, timestampMs, output) => output.emitWatermark(timestampMs - 1),
  onPeriodicEmit: () => {},
}))

describe('a subtask that reads splits in turns', () => {
  const splits = [
    { id: 'early', from: 0, to: 1_000 },
    { id: 'late', from: 50_000, to: 51_000 },
  ]

  it('loses nothing of the one that is behind', async () => {
    for (const strategy of [ascending, eager]) {
      const { counts, late } = await windows(interleaved({ splits }), strategy)
      expect(late).toBe(0)
      expect(Object.values(counts)).toEqual(Array.from({ length: 20 }, () => 100))
    }
  })

  it('takes the one behind for late where the reader has but one output for both', async () => {
    const { late } = await windows(interleaved({ splits, usesSplitOutputs: false }), eager)
    expect(late).toBeGreaterThan(800)
  })
})

describe('files read one after another in one subtask', () => {
  const lines = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, i) => String(from + i)).join('\n')
  const read = (first: [number, number], second: [number, number], strategy: WatermarkStrategy<number>) => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'a.txt'), lines(...first))
    writeFileSync(join(directory, 'b.txt'), lines(...second))
    const source = fileLines(directory, { splitBytes: 1 << 10 })
    return windows(source as never, strategy.withTimestampAssigner(Number))
  }

  it('drop nothing where the later file holds later times', async () => {
    for (const strategy of [ascending, eager]) {
      const { late } = await read([0, 1_000], [50_000, 51_000], strategy)
      expect(late).toBe(0)
    }
  })

  it('have generators of their own, and a watermark that never falls: an earlier second file is late, as in Flink', async () => {
    const { late } = await read([50_000, 51_000], [0, 1_000], eager)
    expect(late).toBe(1_000)
  })

  it('do not hold each other back: only what is being read counts', async () => {
    const output = new ListOutput<string>()
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'a.txt'), lines(0, 100))
    writeFileSync(join(directory, 'b.txt'), lines(100, 200))
    const source = fileLines(directory, { splitBytes: 200 })
    const reader = source.createReader(connectorContext())
    reader.addSplits((await source.enumerateSplits({ parallelism: 1 })) as never)
    reader.noMoreSplits()
    while (reader.poll(output, 10) === Progress.Working) expect(output.splits.size).toBeLessThan(2)
    expect(output.splits.size).toBe(0)
    expect(output.splitsEver.length).toBeGreaterThan(1)
  })

  it('hold each other back where an earlier run had begun them both', async () => {
    const output = new ListOutput<string>()
    const directory = temporaryDirectory()
    for (const [name, from] of [
      ['a.txt', 0],
      ['b.txt', 1_000],
    ] as const) {
      writeFileSync(join(directory, name), lines(from, from + 1_000))
    }
    const source = fileLines(directory, { splitBytes: 1 << 20 })
    const split = ((await source.enumerateSplits({ parallelism: 1 })) as never[])[0] as { ranges: object[] }
    const reader = source.createReader(connectorContext())
    reader.addSplits(split.ranges.map((range) => ({ ranges: [{ ...range, position: 50 }] })) as never)
    reader.poll(output, 1)
    expect(output.splits.size).toBe(2)
  })
})

describe('readers that hold several splits after the parallelism fell', () => {
  it('give every range of a sequence its output', () => {
    const output = new ListOutput<number>()
    const reader = sequence(0, 99).createReader(connectorContext())
    reader.addSplits([
      { next: 60, end: 70 },
      { next: 0, end: 10 },
    ])
    reader.noMoreSplits()
    reader.poll(output, 5)
    expect([...output.splits]).toEqual(['70', '10'])
    while (reader.poll(output, 5) === Progress.Working);
    reader.poll(output, 5)
    expect(output.values.length).toBe(20)
    expect(output.splits.size).toBeLessThan(2)
  })

  it('give every stride of a generator its output, and pause single strides', () => {
    const output = new ListOutput<number>()
    const reader = generator({ make: (n) => n }).createReader(connectorContext())
    reader.addSplits([
      { next: 0, step: 2, end: 20 },
      { next: 11, step: 2, end: 20 },
    ])
    reader.noMoreSplits()
    while (reader.poll(output, 2) === Progress.Working && output.values.length < 4);
    expect([...output.splits]).toEqual(['0', '1'])
    reader.pauseOrResumeSplits!(['0', '1'], [])
    expect(reader.poll(output, 100)).toBe(Progress.Idle)
    reader.pauseOrResumeSplits!([], ['1'])
    while (reader.poll(output, 100) === Progress.Working);
    expect(output.values.slice(4)).toEqual([11, 13, 15, 17, 19])
    reader.pauseOrResumeSplits!([], ['0'])
    while (reader.poll(output, 100) !== Progress.Done);
    expect(output.values.toSorted((a, b) => a - b)).toEqual([0, 2, 4, 6, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
  })

  it('use the reader’s own output where there is one', () => {
    const output = new ListOutput<number>()
    const reader = sequence(0, 9).createReader(connectorContext())
    reader.addSplits([{ next: 0, end: 10 }])
    reader.noMoreSplits()
    while (reader.poll(output, 5) === Progress.Working);
    expect(output.splitsEver).toEqual([])
  })
})

describe('alignment of splits', () => {
  it('pauses the split that is ahead while the other goes on, within the drift', async () => {
    const at: Record<string, number> = { slow: 0, fast: 0 }
    let leadMax = 0
    const source = interleaved({
      splits: [
        { id: 'fast', from: 0, to: 4_000 },
        { id: 'slow', from: 0, to: 1_000 },
      ],
      canPause: true,
      onRecord(id, value) {
        at[id] = id === 'slow' ? value : Math.max(at[id]!, value)
        if (at.slow! < 999) leadMax = Math.max(leadMax, at.fast! * 10 - at.slow!)
      },
    })
    // The fast one makes ten steps of time where the slow one makes one.
    const strategy = WatermarkStrategy.forMonotonousTimestamps<number>()
    const env = StreamExecutionEnvironment.getExecutionEnvironment()
    const stretched: Source<number, NumbersSplit> = {
      ...source,
      createReader(context) {
        const reader = source.createReader(context)
        return {
          ...reader,
          poll: (output, max) =>
            reader.poll(
              {
                ...output,
                createOutputForSplit(id) {
                  const own = output.createOutputForSplit(id)
                  const scale = id === 'fast' ? 10 : 1
                  return {
                    isFull: () => own.isFull(),
                    collectAt: (value: number, ms: number) => own.collectAt(value, ms * scale),
                  } as SourceOutput<number>
                },
                releaseOutputForSplit: (id) => output.releaseOutputForSplit(id),
              },
              max,
            ),
        }
      },
    }
    let count = 0
    env
      .source(stretched, strategy.withWatermarkAlignment('g', 200, 1))
      .map(() => count++)
      .sinkTo(discard())
    await env.execute('aligned splits')
    expect(count).toBe(5_000)
    // The drift, and what one turn emits: ten records of 10 ms. Unpaused it would be 9,000 ms.
    expect(leadMax).toBeLessThanOrEqual(310)
  })
})
