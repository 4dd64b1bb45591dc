/** Whole jobs in this thread that are saved, stopped, resumed, refused and restarted. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { filesOf } from '../../../src/checkpoint/checkpoint-metadata.ts'
import { readSavepoint } from '../../../src/checkpoint/savepoint.ts'
import { armFailPoint } from '../../../src/common/fail-points.ts'
import { nodeFileSystem } from '../../../src/common/file-system.ts'
import { executeJob } from '../../../src/coordinator/execute.ts'
import type { JobControls } from '../../../src/coordinator/job-control.ts'
import type { JobRequest, JobResult } from '../../../src/coordinator/job-execution.ts'
import { discard, generator, job, type JobDefinition } from '../../../src/index.ts'
import { parametersOf } from '../../../src/common/parameters.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { committedValues, type TransactionSinkOptions, transactionSink } from '../../support/transaction-sink.ts'

interface Counted {
  readonly id: number
  readonly key: number
  readonly count: number
}

interface Options extends TransactionSinkOptions {
  /** Records in all; a restored source goes on to the count it began with. */
  readonly count?: number
  readonly uid?: string
  readonly name?: string
  readonly map?: (record: Counted) => Counted
}

/** Counts records per key; the output is each record with its count. */
function counting(out: string, options: Options = {}): JobDefinition {
  const { count = 8_000, uid = 'counts', name = 'counting', map = (record) => record } = options
  return job(name, (env) => {
    env
      .source(generator({ count, ratePerSecond: 20_000, make: (id): Counted => ({ id, key: id % 5, count: 1 }) }))
      .uid('records')
      .map(map)
      .keyBy('key')
      .reduce((before, record) => ({ ...record, count: before.count + 1 }))
      .uid(uid)
      .sinkTo(transactionSink(out, options))
      .uid('out')
  })
}

function request(definition: JobDefinition, rest: Partial<JobRequest> = {}): JobRequest {
  return {
    definition,
    parameters: parametersOf({}),
    parallelism: 2,
    ...rest,
    configuration: {
      'state.backend.type': 'heap',
      'execution.checkpointing.interval': '20 ms',
      'restart-strategy.exponential-delay.initial-backoff': '1 ms',
      ...rest.configuration,
    },
  }
}

/** Runs a job and asks something of it once it has committed a few records. */
async function runAnd<T>(
  made: JobRequest,
  out: string,
  ask: (controls: JobControls) => Promise<T>,
): Promise<{ readonly result: JobResult; readonly answer: T }> {
  let asked: Promise<T> | undefined
  const result = await executeJob({
    ...made,
    onControl(controls) {
      asked = until(() => committedValues(out).length > 500).then(() => ask(controls))
    },
  })
  return { result, answer: await asked! }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Every id up to the last one once, and counts per key from 1 without a gap. */
function expectExact(out: string, count?: number): void {
  const values = committedValues(out) as Counted[]
  const ids = values.map(({ id }) => id).toSorted((a, b) => a - b)
  if (count !== undefined) expect(ids).toEqual(Array.from({ length: count }, (_, id) => id))
  expect(new Set(ids).size).toBe(ids.length)
  for (let key = 0; key < 5; key++) {
    const counts = values.filter((value) => value.key === key).map((value) => value.count)
    expect(counts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: counts.length }, (_, i) => i + 1))
  }
}

test('stops with a savepoint, and goes on from it in another job directory and parallelism, after it was moved', async () => {
  const directory = temporaryDirectory()
  const out = join(directory, 'out')
  const stopped = await runAnd(request(counting(out), { jobDir: join(directory, 'a') }), out, (controls) =>
    controls.stop(),
  )
  expect(stopped.result.savepoint).toBe(stopped.answer.path)
  expectExact(out)
  const moved = join(directory, 'moved')
  cpSync(stopped.answer.path, moved, { recursive: true })
  rmSync(join(directory, 'a'), { recursive: true })
  const again = request(counting(out), { jobDir: join(directory, 'b'), from: moved, parallelism: 3 })
  await expect(executeJob(again)).resolves.toMatchObject({ status: 'FINISHED' })
  expectExact(out, 8_000)
})

test('resumes by itself in the same job directory, and drains where it is asked to', async () => {
  const directory = temporaryDirectory()
  const out = join(directory, 'out')
  const jobDir = join(directory, 'job')
  await runAnd(request(counting(out), { jobDir }), out, (controls) => controls.stop())
  const before = committedValues(out).length
  const drained = await runAnd(request(counting(out), { jobDir }), out, async (controls) => {
    await until(() => committedValues(out).length > before + 500)
    return await controls.stop({ drain: true })
  })
  expect(drained.result.savepoint).toMatch(/savepoints\/savepoint-\d+-2-[0-9a-f]{8}$/)
  expectExact(out)
})

test('a savepoint commits nothing and can be started from while the job goes on', async () => {
  const directory = temporaryDirectory()
  const out = join(directory, 'out')
  const saved = await runAnd(
    request(counting(out, { count: 6_000 }), { jobDir: join(directory, 'job') }),
    out,
    (controls) => controls.savepoint(join(directory, 'elsewhere')),
  )
  expect(saved.answer.path.startsWith(join(directory, 'elsewhere'))).toBe(true)
  expectExact(out, 6_000)
  expect(readdirSync(saved.answer.path).toSorted()).toEqual(['_metadata', 'files'])
})

test('goes on from a savepoint with another state backend', async () => {
  const directory = temporaryDirectory()
  const out = join(directory, 'out')
  let from: string | undefined
  for (const [index, backend] of ['managed', 'leveldb', 'heap'].entries()) {
    const before = committedValues(out).length
    const configuration = { 'state.backend.type': backend }
    const made = request(counting(out, { count: 16_000 }), { jobDir: join(directory, backend), from, configuration })
    const isLast = index === 2
    const { answer } = await runAnd(made, out, async (controls) => {
      if (isLast) return undefined
      await until(() => committedValues(out).length > before + 300)
      return await controls.stop()
    })
    from = answer?.path
  }
  expectExact(out, 16_000)
})

test('a stop whose savepoint has no place to go is refused, and the job goes on without a restart', async () => {
  const directory = temporaryDirectory()
  const out = join(directory, 'out')
  writeFileSync(join(directory, 'file'), '')
  const { result, answer } = await runAnd(request(counting(out)), out, async (controls) =>
    controls.stop({ drain: true, target: join(directory, 'file/below') }).catch((error: unknown) => error),
  )
  expect(answer).toMatchObject({ code: 'MR_CHECKPOINT_FAILED' })
  expect(result.restarts).toBeUndefined()
  expectExact(out, 8_000)
})

test('a savepoint that fails half-way leaves nothing, and the job goes on', async () => {
  const directory = temporaryDirectory()
  const out = join(directory, 'out')
  const jobDir = join(directory, 'job')
  const disarm = armFailPoint('during-savepoint', 'throw')
  try {
    const { answer } = await runAnd(request(counting(out), { jobDir }), out, (controls) =>
      controls.savepoint().catch((error: unknown) => error),
    )
    expect(answer).toMatchObject({ code: 'MR_CHECKPOINT_FAILED' })
  } finally {
    disarm()
  }
  expect(readdirSync(join(jobDir, 'savepoints'))).toEqual([])
  expectExact(out, 8_000)
})

test('restarts after failures from the newest checkpoint, also without a job directory', async () => {
  const directory = temporaryDirectory()
  const out = join(directory, 'out')
  let failures = 3
  const map = (record: Counted): Counted => {
    if (record.id % 1_500 === 1_499 && failures-- > 0) throw new Error('as planned')
    return record
  }
  const result = await executeJob(request(counting(out, { count: 6_000, map })))
  expect(result.restarts).toBe(3)
  expectExact(out, 6_000)
})

test('a transaction that cannot be committed fails the job, is named and kept, and is committed by the next run', async () => {
  const directory = temporaryDirectory()
  const out = join(directory, 'out')
  const jobDir = join(directory, 'job')
  let isBroken = true
  const beforeCommit = (): void => {
    if (isBroken) throw new Error('the bank is closed')
  }
  const made = request(counting(out, { count: 2_000, beforeCommit }), {
    jobDir,
    configuration: { 'sink.committer.retries': 1 },
  })
  await expect(executeJob(made)).rejects.toMatchObject({
    code: 'MR_SINK_COMMIT_FAILED',
    message: expect.stringMatching(
      /could not commit after 1 retries: the bank is closed; kept in the checkpoint: .*name/,
    ),
  })
  expect(committedValues(out)).toEqual([])
  isBroken = false
  await executeJob(made)
  expectExact(out, 2_000)
})

test('runs a finished job again without doing anything twice', async () => {
  const directory = temporaryDirectory()
  const out = join(directory, 'out')
  const made = request(counting(out, { count: 2_000 }), { jobDir: join(directory, 'job') })
  await executeJob(made)
  await executeJob({ ...made, parallelism: 3 })
  expectExact(out, 2_000)
})

test('refuses what does not fit, and says what', async () => {
  const directory = temporaryDirectory()
  const out = join(directory, 'out')
  const jobDir = join(directory, 'job')
  await runAnd(request(counting(out), { jobDir }), out, (controls) => controls.stop())
  const refused = (definition: JobDefinition, rest: Partial<JobRequest> = {}): Promise<unknown> =>
    executeJob(request(definition, { jobDir, ...rest })).catch((error: unknown) => error)
  expect(await refused(counting(out, { name: 'another' }))).toMatchObject({
    code: 'MR_JOB_DIR_UNUSABLE',
    message: expect.stringContaining('belongs to job "counting", not to "another"'),
  })
  expect(await refused(counting(out, { uid: 'renamed' }))).toMatchObject({
    code: 'MR_CHECKPOINT_INCOMPATIBLE',
    message: expect.stringContaining('uid counts'),
  })
  expect(await refused(counting(out), { from: join(directory, 'nowhere') })).toMatchObject({
    code: 'MR_CHECKPOINT_NOT_FOUND',
  })
  expect(await refused(counting(out), { parallelism: 200 })).toMatchObject({ code: 'MR_CHECKPOINT_INCOMPATIBLE' })
  const dropped = request(counting(out, { uid: 'renamed' }), {
    jobDir,
    configuration: { 'execution.state-recovery.ignore-unclaimed-state': true },
  })
  await expect(executeJob(dropped)).resolves.toBeDefined()
})

test('a start from what does not fit, is not there or would be dropped leaves the job directory as it was', async () => {
  const directory = temporaryDirectory()
  const [out, elsewhere] = [join(directory, 'out'), join(directory, 'elsewhere')]
  const jobDir = join(directory, 'job')
  const other = request(counting(elsewhere, { uid: 'others' }), { jobDir: join(directory, 'other') })
  const { answer } = await runAnd(other, elsewhere, (controls) => controls.stop())
  await runAnd(request(counting(out), { jobDir }), out, (controls) => controls.stop())
  const checkpoints = (): string[] => readdirSync(join(jobDir, 'checkpoints'))
  const before = checkpoints()
  for (const fresh of [false, true]) {
    for (const from of [answer.path, join(directory, 'nowhere')]) {
      const code = expect.stringMatching(/MR_CHECKPOINT_(INCOMPATIBLE|NOT_FOUND)/)
      await expect(executeJob(request(counting(out), { jobDir, from, fresh }))).rejects.toMatchObject({ code })
    }
  }
  const own = request(counting(out), { jobDir, from: join(jobDir, 'checkpoints', before[0]!), fresh: true })
  await expect(executeJob(own)).rejects.toMatchObject({ code: 'MR_CONFIG_INVALID_VALUE' })
  expect(checkpoints()).toEqual(before)
  await executeJob(request(counting(out), { jobDir }))
  expectExact(out)
})

test('two runs of one job directory at a time: the second is refused', async () => {
  const directory = temporaryDirectory()
  const out = join(directory, 'out')
  const made = request(counting(out), { jobDir: join(directory, 'job') })
  await runAnd(made, out, async (controls) => {
    await expect(executeJob(made)).rejects.toMatchObject({ code: 'MR_JOB_DIR_LOCKED' })
    await controls.stop()
  })
  expectExact(out)
})

for (const what of ['_metadata', 'state file'] as const) {
  test(`refuses a checkpoint with a flipped byte in a ${what}, offers the one before, and falls back where allowed`, async () => {
    const directory = temporaryDirectory()
    const out = join(directory, 'out')
    const jobDir = join(directory, 'job')
    const configuration = { 'execution.checkpointing.num-retained': 3 }
    await runAnd(request(counting(out), { jobDir, configuration }), out, (controls) => controls.stop())
    const checkpoints = readdirSync(join(jobDir, 'checkpoints')).toSorted(
      (a, b) => Number(b.slice(4)) - Number(a.slice(4)),
    )
    const [newest, previous] = await Promise.all(
      checkpoints.slice(0, 2).map((name) => readSavepoint(nodeFileSystem, join(jobDir, 'checkpoints', name))),
    )
    const old = new Set(filesOf(previous!.metadata).map(({ path }) => path))
    const file =
      what === '_metadata'
        ? join(newest!.path, what)
        : join(jobDir, filesOf(newest!.metadata).find(({ path }) => !old.has(path))!.path)
    const bytes = readFileSync(file)
    bytes[bytes.length >> 1]! ^= 4
    writeFileSync(file, bytes)
    const again = request(counting(out), { jobDir, configuration })
    await expect(executeJob(again)).rejects.toMatchObject({
      code: 'MR_CHECKPOINT_CORRUPT',
      message: expect.stringContaining(file),
    })
    const allowed = { ...configuration, 'execution.state-recovery.fall-back-to-intact': true }
    await expect(executeJob(request(counting(out), { jobDir, configuration: allowed }))).resolves.toBeDefined()
  })
}

const retentionKey = 'execution.checkpointing.externalized-checkpoint-retention'

test.each([
  ['retain-on-cancellation', 'canceled', true],
  ['delete-on-cancellation', 'canceled', false],
  ['delete-on-cancellation', 'failed', true],
  ['NO_EXTERNALIZED_CHECKPOINTS', 'failed', false],
  [undefined, 'canceled', true],
])('%s: a job that is %s leaves checkpoints: %s', async (retention, end, leaves) => {
  const directory = temporaryDirectory()
  const out = join(directory, 'out')
  const jobDir = join(directory, 'job')
  let fails = false
  const map = (record: Counted): Counted => {
    if (fails) throw new Error('no more')
    return record
  }
  const configuration = {
    'restart-strategy.type': 'none',
    'execution.checkpointing.dir': `file://${jobDir}`,
    ...(retention !== undefined && { [retentionKey]: retention }),
  }
  const running = runAnd(request(counting(out, { map }), { configuration }), out, async (controls) => {
    const { path } = await controls.savepoint(`file://${directory}/kept`)
    if (end === 'canceled') controls.cancel()
    else fails = true
    return path
  })
  await expect(running).rejects.toMatchObject({
    code: end === 'canceled' ? 'MR_JOB_CANCELED' : 'MR_USER_FUNCTION_FAILED',
  })
  expect(readdirSync(join(jobDir, 'checkpoints')).length > 0).toBe(leaves)
  expect(readdirSync(join(jobDir, 'shared')).length > 0 && !leaves).toBe(false)
  expect(readdirSync(join(directory, 'kept')).length).toBe(1)
})

test('a source that delivers at most once is warned of where checkpoints are on', async () => {
  const warnings: string[] = []
  const definition = job('once', (env) => {
    env.fromAsyncIterable(() => [1, 2, 3], { boundedness: 'bounded' }).sinkTo(discard())
  })
  const made = request(definition, { onWarning: (text) => void warnings.push(text), parallelism: 1 })
  const result = await executeJob(made)
  expect(warnings).toEqual([expect.stringMatching(/^Source: fromAsyncIterable delivers at most once: .* lost/)])
  expect(result).toMatchObject({ warnings, vertices: [{ delivery: 'at-most-once' }] })
})
