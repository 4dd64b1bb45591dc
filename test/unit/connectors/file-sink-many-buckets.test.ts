/** Exactly-once file sink with far more buckets than files may be open. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type FileSystem, nodeFileSystem } from '../../../src/common/file-system.ts'
import { noTimestamp } from '../../../src/common/limits.ts'
import { Progress } from '../../../src/common/progress.ts'
import { fileSink, type FileSinkOptions } from '../../../src/connectors/index.ts'
import { fileSink as sinkOfJobs, generator, StreamExecutionEnvironment } from '../../../src/index.ts'
import type { OperatorStateSnapshot } from '../../../src/state/operator-state.ts'
import { type ConnectorContext, connectorContext } from '../../support/connector-context.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const bucketCount = 200
const openFilesMax = 5

interface Counting extends FileSystem {
  open(path: string, mode: 'truncate' | 'exclusive' | 'append'): ReturnType<FileSystem['open']>
  readonly counts: { open: number; openPeak: number; opened: number; renamed: number; writtenBytes: number }
}

/** Files are in no directory where `isForgetful`. */
function countingFileSystem(isForgetful = false): Counting {
  const counts = { open: 0, openPeak: 0, opened: 0, renamed: 0, writtenBytes: 0 }
  return {
    ...nodeFileSystem,
    counts,
    async makeDirectory(path) {
      if (!isForgetful) await nodeFileSystem.makeDirectory(path)
    },
    async rename(from, to) {
      await nodeFileSystem.rename(from, to)
      counts.renamed++
    },
    async open(path, mode) {
      counts.openPeak = Math.max(counts.openPeak, ++counts.open)
      counts.opened++
      const handle = isForgetful ? undefined : await nodeFileSystem.open(path, mode)
      return {
        async write(bytes) {
          counts.writtenBytes += bytes.byteLength
          await handle?.write(bytes)
        },
        sync: async () => await handle?.sync(),
        async close() {
          await handle?.close()
          counts.open--
        },
      }
    },
  }
}

const starting = { parallelism: 1, isRestored: false, checkpointsEnabled: true }

interface Snapshot {
  readonly states: readonly unknown[]
  readonly counts: OperatorStateSnapshot | undefined
}

async function open(directory: string, options: FileSinkOptions<number>, from: readonly Snapshot[], task = {}) {
  const context: ConnectorContext = connectorContext(task)
  context.settings.set('execution.checkpointing.interval', '1 s')
  const sink = fileSink<number>(directory, options)
  await sink.prepare?.({ ...starting, isRestored: from.length > 0 })
  if (from.length > 0) {
    const items = from.flatMap(({ counts }) => counts!.lists['part-counts']!.items)
    context.operatorState.restore({ lists: { 'part-counts': { mode: 'union', items } } })
  }
  const writer = sink.createWriter(context)
  writer.restoreState?.(from.flatMap(({ states }) => states) as never)
  await writer.open?.()
  const flush = async (endOfInput: boolean): Promise<void> => {
    while (writer.flush(endOfInput) === Progress.Blocked) await context.mailPosted().then(() => context.runMails())
  }
  return { writer, committer: sink.createCommitter!(context), context, flush }
}

type Opened = Awaited<ReturnType<typeof open>>

async function checkpoint({ writer, committer, context, flush }: Opened, endOfInput = false, isSavepoint = false) {
  await flush(endOfInput)
  const counts = context.operatorState.snapshot()
  const prepared = writer.prepareCommit!(isSavepoint)
  const states = structuredClone(writer.snapshotState!(1))
  const committables = isSavepoint ? await committer.keep!(await prepared) : await prepared
  const fail = (reason: unknown): never => {
    throw reason as Error
  }
  await committer.commit(
    committables.map((committable) => ({
      committable,
      numberOfRetries: 0,
      retryLater: () => fail('retry'),
      signalAlreadyCommitted: () => fail('already'),
      signalFailedWithKnownReason: fail,
    })),
  )
  return { states, counts, committed: committables.length }
}

async function write({ writer, context }: Opened, from: number, to: number): Promise<void> {
  for (let value = from; value < to; value++) {
    while (writer.isFull!()) await context.mailPosted().then(() => context.runMails())
    writer.write(value, noTimestamp)
  }
}

/** By bucket, the numbers of its parts; the parts in the order of their names. */
function publishedByBucket(directory: string): Map<string, number[]> {
  const found = new Map<string, number[]>()
  for (const bucket of readdirSync(directory).filter((name) => !name.startsWith('.'))) {
    const names = readdirSync(join(directory, bucket)).filter((name) => !name.startsWith('.'))
    const lines = names.flatMap((name) =>
      readFileSync(join(directory, bucket, name), 'utf8')
        .split('\n')
        .slice(0, -1),
    )
    found.set(
      bucket,
      lines.map(Number).toSorted((a, b) => a - b),
    )
  }
  return found
}

function expectedByBucket(count: number): Map<string, number[]> {
  const expected = new Map<string, number[]>()
  for (let value = 0; value < count; value++) {
    const bucket = `b${value % bucketCount}`
    expected.set(bucket, [...(expected.get(bucket) ?? []), value])
  }
  return expected
}

const sorted = (buckets: Map<string, number[]>): [string, number[]][] =>
  [...buckets].toSorted(([a], [b]) => (a < b ? -1 : 1))

it('keeps few files open, and holds every record once after a crash', async () => {
  const directory = join(temporaryDirectory(), 'out')
  const fileSystem = countingFileSystem()
  const { counts } = fileSystem
  const options = { buckets: (value: number) => `b${value % bucketCount}`, openFilesMax, fileSystem }
  const first = await open(directory, options, [])
  await write(first, 0, 2 * bucketCount)
  await checkpoint(first)
  await write(first, 2 * bucketCount, 3 * bucketCount)
  const restorable = await checkpoint(first)
  expect((restorable.states[0] as { openParts: unknown[] }).openParts).toHaveLength(bucketCount)
  await write(first, 3 * bucketCount, 4 * bucketCount)
  await first.flush(false)
  await first.writer.close?.()
  expect(counts.open).toBe(0)
  const second = await open(directory, options, [restorable])
  await write(second, 3 * bucketCount, 4 * bucketCount)
  expect((await checkpoint(second, false, true)).committed).toBe(bucketCount)
  await write(second, 4 * bucketCount, 5 * bucketCount)
  expect((await checkpoint(second, true)).committed).toBe(bucketCount)
  await second.writer.close?.()
  expect(sorted(publishedByBucket(directory))).toEqual(sorted(expectedByBucket(5 * bucketCount)))
  expect(counts).toMatchObject({ open: 0, openPeak: openFilesMax })
})

it('opens no file for a checkpoint in which nothing was added to it', async () => {
  const fileSystem = countingFileSystem()
  const options = { buckets: (value: number) => `b${value % bucketCount}`, openFilesMax, fileSystem }
  const sink = await open(join(temporaryDirectory(), 'out'), options, [])
  await write(sink, 0, 100)
  await checkpoint(sink)
  const { opened } = fileSystem.counts
  await write(sink, 0, 1)
  await checkpoint(sink)
  expect(fileSystem.counts.opened - opened).toBe(1)
  await sink.writer.close?.()
})

it('what waits in many buckets is limited', async () => {
  const fileSystem = countingFileSystem(true)
  const line = 'x'.repeat(40_000)
  const options = { buckets: (value: number) => `b${value}`, format: () => line, fileSystem }
  const sink = await open(join(temporaryDirectory(), 'out'), options, [])
  await write(sink, 0, 1500)
  while (fileSystem.counts.open > 0 && fileSystem.counts.writtenBytes === 0)
    await sink.context.mailPosted().then(() => sink.context.runMails())
  const underWayBytesMax = 8 << 20
  expect(1500 * line.length - fileSystem.counts.writtenBytes).toBeLessThan((32 << 20) + underWayBytesMax)
  await sink.writer.close?.()
})

it('refuses a limit that lets nothing be written', () => {
  for (const openFilesMax of [0, -1, 1.5, Number.NaN])
    expect(() => fileSink('out', { openFilesMax })).toThrow(/openFilesMax must be an integer >= 1/)
})

it('a job that fails goes on with the parts of all buckets', { timeout: 60_000 }, async () => {
  const directory = join(temporaryDirectory(), 'out')
  const fileSystem = countingFileSystem()
  const count = 24_000
  const env = StreamExecutionEnvironment.getExecutionEnvironment({
    parallelism: 2,
    configuration: {
      'state.backend.type': 'heap',
      'execution.checkpointing.interval': '30 ms',
      'restart-strategy.exponential-delay.initial-backoff': '1 ms',
    },
  })
  let hasFailed = false
  env
    .source(generator({ count, ratePerSecond: 30_000, make: (id) => id }))
    .map((id) => {
      const isTime = fileSystem.counts.renamed > bucketCount / 2 || id === count - 1
      if (isTime && !hasFailed) {
        hasFailed = true
        throw new Error(`failure at ${id}`)
      }
      return id
    })
    .sinkTo(
      sinkOfJobs<number>(directory, {
        buckets: (id) => `b${id % bucketCount}`,
        rolling: { intervalMs: 250, inactivityMs: 100 },
        openFilesMax,
        fileSystem,
      }),
    )
  const result = await env.execute()
  expect(result.restarts).toBe(1)
  expect(sorted(publishedByBucket(directory))).toEqual(sorted(expectedByBucket(count)))
  expect(fileSystem.counts.openPeak).toBeLessThanOrEqual(2 * openFilesMax + 8)
})
