/** Aligned sources: the cells they share, and whole jobs in which a fast source waits for a slow one. */
import { describe, expect, it } from 'vitest'
import { executeJob } from '../../../src/coordinator/execute.ts'
import { discard, job, StreamExecutionEnvironment, WatermarkStrategy } from '../../../src/index.ts'
import { parametersOf } from '../../../src/common/parameters.ts'
import { allocateAlignment, WatermarkAlignment } from '../../../src/runtime/watermark-alignment.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { stepSource, type StepSourceOptions } from '../../support/step-source.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

describe('sources of a group', () => {
  const clock = new FakeClock()
  const group = (maxDriftMs: number): ReturnType<typeof member>[] => {
    const buffer = allocateAlignment(2)
    return [member(buffer, 0, maxDriftMs), member(buffer, 1, maxDriftMs)]
  }
  // Each has views of its own, as in slots of their own.
  const member = (buffer: SharedArrayBuffer, position: number, maxDriftMs: number) => {
    const source = {
      watermarkMs: Number.NEGATIVE_INFINITY,
      isIdle: false,
      isPaused: false,
      setPaused: (isPaused: boolean) => void (source.isPaused = isPaused),
    }
    const drift = { value: 0, set: (value: number) => void (drift.value = value) }
    const alignment = new WatermarkAlignment({
      params: { group: 'g', maxDriftMs, updateIntervalMs: 100 },
      cells: new Float64Array(buffer),
      position,
      members: [0, 1],
      source,
      clock,
      drift,
    })
    return { source, alignment, drift }
  }

  it('wait for one that has no watermark yet, but not before they have one themselves', () => {
    const [fast, slow] = group(50) as [ReturnType<typeof member>, ReturnType<typeof member>]
    expect([fast.alignment.mustWait(), slow.alignment.mustWait()]).toEqual([false, false])
    fast.source.watermarkMs = 1
    expect(fast.alignment.mustWait()).toBe(true)
    expect(fast.source.isPaused).toBe(true)
    expect(slow.alignment.mustWait()).toBe(false)
  })

  it('go on where the slowest has come within the drift, and look again once per interval until then', () => {
    const [fast, slow] = group(50) as [ReturnType<typeof member>, ReturnType<typeof member>]
    fast.source.watermarkMs = 151
    slow.source.watermarkMs = 100
    slow.alignment.publish()
    expect(fast.alignment.mustWait()).toBe(true)
    expect(fast.drift.value).toBe(51)
    const nowMs = clock.nowMs()
    expect(fast.alignment.recheckAtMs).toBe(nowMs + 100)
    clock.advance(99)
    fast.alignment.mustWait()
    expect(fast.alignment.recheckAtMs).toBe(nowMs + 100)
    clock.advance(1)
    fast.alignment.mustWait()
    expect(fast.alignment.recheckAtMs).toBe(nowMs + 200)
    slow.source.watermarkMs = 101
    slow.alignment.publish()
    expect(fast.alignment.mustWait()).toBe(false)
    expect(fast.alignment.recheckAtMs).toBe(Number.POSITIVE_INFINITY)
    expect(fast.source.isPaused).toBe(false)
  })

  it('do not wait for one that is idle or has ended', () => {
    const [fast, slow] = group(50) as [ReturnType<typeof member>, ReturnType<typeof member>]
    fast.source.watermarkMs = 1_000
    slow.source.watermarkMs = 10
    slow.alignment.publish()
    expect(fast.alignment.mustWait()).toBe(true)
    slow.source.isIdle = true
    slow.alignment.publish()
    expect(fast.alignment.mustWait()).toBe(false)
    slow.source.isIdle = false
    slow.alignment.publish()
    expect(fast.alignment.mustWait()).toBe(true)
    slow.alignment.leave()
    expect(fast.alignment.mustWait()).toBe(false)
  })

  it('need watermarks', () => {
    expect(() => WatermarkStrategy.noWatermarks().withWatermarkAlignment('g', 1)).toThrow(
      expect.objectContaining({ code: 'MR_TIME_INVALID' }),
    )
  })
})

const maxDriftMs = 100
const plain = WatermarkStrategy.forMonotonousTimestamps<number>()
const aligned = plain.withWatermarkAlignment('g', maxDriftMs, 10)

/** Where two sources of a job are, and how far the first was ahead of the second at most. */
class Course {
  fast = 0
  slow = 0
  leadMax = 0

  build(
    env: StreamExecutionEnvironment,
    strategy: WatermarkStrategy<number>,
    fast: StepSourceOptions,
    slow: StepSourceOptions,
  ): void {
    const ahead = env.source(stepSource('fast', fast), strategy).map((value) => {
      this.fast = value
      this.leadMax = Math.max(this.leadMax, value - this.slow)
      return value
    })
    const behind = env.source(stepSource('slow', slow), strategy).map((value) => (this.slow = value))
    ahead.union(behind).sinkTo(discard())
  }

  async run(strategy: WatermarkStrategy<number>, fast: StepSourceOptions, slow: StepSourceOptions): Promise<this> {
    const env = StreamExecutionEnvironment.getExecutionEnvironment({ parallelism: 1 })
    this.build(env, strategy, fast, slow)
    await env.execute('course')
    return this
  }
}

describe('in a job', () => {
  const batch = 50
  const fast = { count: 5_000, perPoll: batch }

  it('a fast source is never more than the drift and a batch ahead of a slow one', async () => {
    const free = await new Course().run(plain, fast, { count: 5_000, perPoll: 5 })
    expect(free.leadMax).toBeGreaterThan(4_000)
    const held = await new Course().run(aligned, fast, { count: 5_000, perPoll: 5 })
    expect(held.leadMax).toBeGreaterThan(maxDriftMs / 2)
    expect(held.leadMax).toBeLessThanOrEqual(maxDriftMs + batch + 1)
    expect([held.fast, held.slow]).toEqual([4_999, 4_999])
  })

  it('a source that has ended holds nobody back', async () => {
    const course = await new Course().run(aligned, fast, { count: 20, perPoll: 5 })
    expect([course.fast, course.slow]).toEqual([4_999, 19])
  })

  it('barriers pass a source that waits', async () => {
    const course = new Course()
    const fastAt: number[] = []
    const slow: StepSourceOptions = {
      count: 5_000,
      perPoll: batch,
      mayRead: () => fastAt.length >= 3,
      onCheckpoint: () => void fastAt.push(course.fast),
    }
    const result = await executeJob({
      definition: job('held', (env) => course.build(env, aligned, fast, slow)),
      parameters: parametersOf({}),
      parallelism: 1,
      jobDir: temporaryDirectory(),
      configuration: { 'state.backend.type': 'heap', 'execution.checkpointing.interval': '10 ms' },
    })
    expect(result.status).toBe('FINISHED')
    // Without a watermark of the slow source, the fast one stops after its first batch.
    expect(fastAt.slice(0, 3).every((at) => at < batch)).toBe(true)
    expect([course.fast, course.slow]).toEqual([4_999, 4_999])
  })
})
