/** The simulator itself: that a seed is a run, and what it says where it cannot go on. */
import { expect, test } from 'vitest'
import { fileSink, generator, job, type JobDefinition, sequence } from '../../../src/index.ts'
import { ForgetfulDisk, forEachSeed, simulate, virtualSleep } from '../../../src/testing/index.ts'

function squares(count = 60): JobDefinition {
  return job('squares', (env) => {
    env
      .source(generator({ count, make: (id) => ({ id, key: id % 4 }), ratePerSecond: 500 }))
      .keyBy('key')
      .reduce((_, b) => b)
      .sinkTo(fileSink('/out', { format: 'ndjson' }))
  })
}

const idsOf = (lines: readonly string[]): number[] =>
  lines.map((line) => (JSON.parse(line) as { id: number }).id).toSorted((a, b) => a - b)

const faults = {
  crashes: 3,
  slotCrashes: 2,
  taskFailures: 2,
  fullDisks: 1,
  savepoints: 3,
  stops: 1,
  drains: 1,
  restores: 2,
}

test('equal seeds give equal runs, step by step; others give others', async () => {
  const traces = new Set<string>()
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const [first, second] = [await simulate(squares(), { seed, faults }), await simulate(squares(), { seed, faults })]
    expect(second.trace, `seed ${seed}`).toBe(first.trace)
    expect(second).toMatchObject({ steps: first.steps, faults: first.faults, parallelisms: first.parallelisms })
    expect(second.disk.files()).toEqual(first.disk.files())
    traces.add(first.trace)
  }
  expect(traces.size).toBe(6)
})

test('a run that crashed holds every record once, and one more start of the ended job adds nothing', async () => {
  let crashes = 0
  for (const seed of [11, 12, 13, 14, 15, 16]) {
    const result = await simulate(squares(), { seed, faults: { crashes: 3 } })
    crashes += result.faults.length
    expect(result.parallelisms.length).toBe(result.faults.length + 1)
    expect(idsOf(await result.lines('/out'))).toEqual(Array.from({ length: 60 }, (_, id) => id))
    const again = await simulate(squares(), { seed, disk: result.disk })
    expect(idsOf(await again.lines('/out'))).toEqual(Array.from({ length: 60 }, (_, id) => id))
    expect(again.disk.files().filter((path) => path.startsWith('/out/') && path.includes('/.'))).toEqual([])
  }
  expect(crashes).toBeGreaterThan(0)
})

test('starts over from savepoints, also after a drain: at each end there is every record once', async () => {
  const counts = { starts: 0, drained: 0, ends: 0 }
  for (let seed = 1; seed <= 40; seed++) {
    let drainedCount: number | undefined
    const result = await simulate(squares(), {
      seed,
      faults: { crashes: 1, savepoints: 3, drains: 1, restores: 3 },
      async onEnd({ isDrained, lines }) {
        const ids = idsOf(await lines('/out'))
        if (isDrained) expect(new Set(ids).size, `seed ${seed}`).toBe(ids.length)
        else expect(ids, `seed ${seed}`).toEqual(Array.from({ length: 60 }, (_, id) => id))
        counts.ends++
        if (!isDrained) return (drainedCount = undefined)
        // Started again as it is, a drained job adds nothing.
        expect(ids.length, `seed ${seed}`).toBe(drainedCount ?? ids.length)
        counts.drained++
        drainedCount = ids.length
      },
    })
    expect(result.isDrained).toBe(false)
    counts.starts += result.faults.filter((fault) => fault.includes('starts over from')).length
  }
  expect(counts.starts).toBeGreaterThan(10)
  expect(counts.drained).toBeGreaterThan(2)
  expect(counts.ends).toBeGreaterThan(40 + counts.drained)
})

test('time is virtual: an hour of records takes no hour', async () => {
  const slow = job('slow', (env) => {
    env
      .source(generator({ count: 36, make: (id) => ({ id }), ratePerSecond: 0.01 }))
      .sinkTo(fileSink('/out', { format: 'ndjson' }))
  })
  const result = await simulate(slow, { seed: 3, configuration: { 'execution.checkpointing.interval': '10 min' } })
  expect(result.elapsedMs).toBeGreaterThan(3_000_000)
  expect(idsOf(await result.lines('/out'))).toHaveLength(36)
})

test('names the seed and the cause where the job fails for good', async () => {
  const failing = job('failing', (env) => {
    env
      .source(sequence(1, 10))
      .map((n) => {
        if (n === 7) throw new Error('seven')
        return n
      })
      .sinkTo(fileSink('/out'))
  })
  const configuration = { 'restart-strategy.type': 'none' }
  await expect(simulate(failing, { seed: 5, configuration })).rejects.toMatchObject({
    code: 'MR_SIMULATION_FAILED',
    message: expect.stringMatching(/^seed 5: job 'failing': .*seven/),
    cause: { code: 'MR_USER_FUNCTION_FAILED' },
  })
})

test('says so where a job never ends', async () => {
  const endless = job('endless', (env) => {
    env.source(generator({ make: (id) => ({ id }), ratePerSecond: 10 })).sinkTo(fileSink('/out', { format: 'ndjson' }))
  })
  await expect(simulate(endless, { seed: 1, stepsMax: 2_000 })).rejects.toMatchObject({
    code: 'MR_SIMULATION_FAILED',
    message: expect.stringContaining('no end after 2000 steps'),
  })
})

test('refuses what it cannot stand behind', async () => {
  for (const backend of ['rocksdb', 'leveldb']) {
    const configuration = { 'state.backend.type': backend }
    await expect(simulate(squares(), { seed: 1, configuration })).rejects.toMatchObject({
      code: 'MR_SIMULATION_UNSUPPORTED',
      message: expect.stringContaining(backend),
    })
  }
  expect(() => virtualSleep(1)).toThrow(expect.objectContaining({ code: 'MR_SIMULATION_UNSUPPORTED' }))
})

test('takes the settings of the job, its parameters and the disk as they are given', async () => {
  const given = job('given', (env) => {
    env
      .enableCheckpointing(50, { mode: 'at-least-once' })
      .source(sequence(1, env.parameters.getInt('count', 0)))
      .map((id) => ({ id }))
      .sinkTo(fileSink('/out', { format: 'ndjson' }))
  })
  const disk = new ForgetfulDisk({ seed: 1 })
  const steps: string[] = []
  const result = await simulate(given, {
    seed: 9,
    parallelism: 2,
    parameters: { count: 25 },
    disk,
    startMs: 0,
    log: (line) => steps.push(line),
  })
  expect(result.parallelisms).toEqual([2])
  expect(idsOf(await result.lines('/out'))).toHaveLength(25)
  expect(steps.length).toBeGreaterThan(result.steps)
})

test('forEachSeed names the seed that failed', async () => {
  const seen: number[] = []
  const run = forEachSeed({ count: 5, first: 3 }, (seed) => {
    seen.push(seed)
    if (seed === 5) throw new Error('five')
  })
  await expect(run).rejects.toMatchObject({ message: expect.stringMatching(/^seed 5 \(MILLRACE_SEED=5.*five/) })
  expect(seen).toEqual([3, 4, 5])
})
