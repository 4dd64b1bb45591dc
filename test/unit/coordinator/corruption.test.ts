/**
 * A job directory of which one byte of one file is wrong, or one file is cut or missing: whatever it is, the job is
 * refused, and the file is named. Full size (MILLRACE_FULL=1): every byte of every file.
 */
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { filesOf } from '../../../src/checkpoint/checkpoint-metadata.ts'
import { readSavepoint } from '../../../src/checkpoint/savepoint.ts'
import { nodeFileSystem } from '../../../src/common/file-system.ts'
import { parametersOf } from '../../../src/common/parameters.ts'
import { type Prng, prng } from '../../../src/common/prng.ts'
import { executeJob } from '../../../src/coordinator/execute.ts'
import type { JobControls } from '../../../src/coordinator/job-control.ts'
import { generator, job, type JobDefinition } from '../../../src/index.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { committedValues, transactionSink } from '../../support/transaction-sink.ts'

const isFull = process.env['MILLRACE_FULL'] === '1'
const seed = Number(process.env['MILLRACE_SEED'] ?? 1)
const flipsPerFile = isFull ? Number.POSITIVE_INFINITY : 2

/** Few keys, so that files are small; a slow sink, so that an unaligned barrier has something to overtake. */
function summing(out: string, spinMicros: number): JobDefinition {
  return job('summing', (env) => {
    env
      .source(generator({ count: 100_000, make: (id) => ({ id, key: id % 5, sum: 1 }) }))
      .uid('records')
      .keyBy('key')
      .reduce((before, record) => ({ ...record, sum: before.sum + 1 }))
      .uid('sums')
      .rebalance()
      .map((record) => {
        const until = performance.now() + spinMicros / 1_000
        while (performance.now() < until);
        return record
      })
      .uid('slow')
      .sinkTo(transactionSink(out))
      .uid('out')
  })
}

interface Saved {
  readonly jobDir: string
  readonly run: (jobDir: string) => Promise<unknown>
}

/** A job that was cancelled after a few checkpoints. */
async function saved(directory: string, backend: string, isUnaligned: boolean): Promise<Saved> {
  const out = join(directory, 'out')
  const jobDir = join(directory, 'job')
  const made = {
    definition: summing(out, isUnaligned ? 200 : 20),
    parameters: parametersOf({}),
    parallelism: 2,
    configuration: {
      'state.backend.type': backend,
      'execution.checkpointing.interval': '10 ms',
      'execution.checkpointing.unaligned.enabled': isUnaligned,
      'restart-strategy.type': 'none',
    },
  }
  const cancelled = executeJob({
    ...made,
    jobDir,
    onControl: (controls: JobControls) =>
      void (async () => {
        while (committedValues(out).length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
        await controls.checkpoint()
        controls.cancel()
      })(),
  })
  await expect(cancelled).rejects.toMatchObject({ code: 'MR_JOB_CANCELED' })
  return { jobDir, run: (damaged) => executeJob({ ...made, jobDir: damaged }) }
}

/** Files, relative to the job directory, that a resumed job needs. */
async function neededFiles(jobDir: string): Promise<string[]> {
  const ids = readdirSync(join(jobDir, 'checkpoints')).toSorted((a, b) => Number(a.slice(4)) - Number(b.slice(4)))
  const newest = await readSavepoint(nodeFileSystem, join(jobDir, 'checkpoints', ids.at(-1)!))
  const files = filesOf(newest.metadata).map(({ path }) => path)
  return ['job.json', join(relative(jobDir, newest.path), '_metadata'), ...new Set(files)]
}

/** The first two, and of the others at most six. */
function sampled(files: readonly string[], random: Prng): string[] {
  const others = files.slice(2)
  while (others.length > 6) others.splice(random.nextBelow(others.length), 1)
  return [...files.slice(0, 2), ...others]
}

const cases = [
  ['heap', false],
  ['managed', false],
  ['managed', true],
  ['leveldb', false],
] as const

test.each(cases)(
  `%s, unaligned %s: any damage to any file is found (seed ${seed})`,
  async (backend, isUnaligned) => {
    const directory = temporaryDirectory()
    const { jobDir, run } = await saved(directory, backend, isUnaligned)
    const files = await neededFiles(jobDir)
    if (isUnaligned) expect(files.some((path) => path.includes('channel'))).toBe(true)
    const random = prng(seed)
    const refuses = async (file: string, what: string, damage: (path: string) => void): Promise<void> => {
      const damaged = join(directory, 'damaged')
      rmSync(damaged, { recursive: true, force: true })
      cpSync(jobDir, damaged, { recursive: true })
      damage(join(damaged, file))
      const error = await run(damaged).then(
        () => 'it ran',
        (failure: unknown) => failure,
      )
      expect(error, `${file}: ${what}`).toMatchObject({
        code: 'MR_CHECKPOINT_CORRUPT',
        message: expect.stringContaining(file),
      })
    }
    for (const file of isFull ? files : sampled(files, random)) {
      const bytes = readFileSync(join(jobDir, file))
      const flips = Math.min(bytes.length, flipsPerFile)
      for (let flip = 0; flip < flips; flip++) {
        const offset = flips === bytes.length ? flip : random.nextBelow(bytes.length)
        const wrong = Buffer.from(bytes)
        wrong[offset]! ^= 1 << random.nextBelow(8)
        await refuses(file, `byte ${offset} of ${bytes.length} flipped`, (path) => writeFileSync(path, wrong))
      }
      await refuses(file, 'the last byte cut', (path) => truncateSync(path, bytes.length - 1))
      await refuses(file, 'a byte more', (path) => writeFileSync(path, Buffer.concat([bytes, Buffer.from([0])])))
      // A checkpoint without its metadata never was: that is how one is aborted.
      if (!file.endsWith('_metadata')) await refuses(file, 'gone', (path) => rmSync(path))
    }
  },
  600_000,
)
