/**
 * The exactly-once file sink against power cuts: seeded schedules of writes and checkpoints on a disk that forgets what was
 * not synced, tears writes and dies in any operation; restored at changing parallelism, sometimes from an
 * older checkpoint or from any of the savepoints, to and fro, also when everything had been written.
 * Whatever happens, in the end the visible files hold every record exactly once.
 */
import { expect, it } from 'vitest'
import type { CommittableBatch } from '../../src/checkpoint/checkpoint-metadata.ts'
import { SinkCommitter } from '../../src/checkpoint/sink-committer.ts'
import { noTimestamp } from '../../src/common/limits.ts'
import { type Prng, prng } from '../../src/common/prng.ts'
import type { PendingPart } from '../../src/connectors/file-sink/part-committer.ts'
import { walkDirectory } from '../../src/connectors/file-sink/walk-directory.ts'
import { fileSink } from '../../src/connectors/index.ts'
import { ForgetfulDisk } from '../../src/testing/forgetful-disk.ts'
import { connectorContext } from '../support/connector-context.ts'

const recordsTotal = 120
const countsName = 'part-counts'
const directory = '/data/out'

interface Checkpoint {
  readonly id: number
  /** Counted over all lives and ways. */
  readonly order: number
  /** Records that were written before it. */
  readonly position: number
  /** By subtask. */
  readonly states: readonly (readonly unknown[])[]
  readonly committables: readonly (readonly CommittableBatch[])[]
  /** What every subtask knows of all. */
  readonly counts: readonly Uint8Array[]
}

interface Snapshots {
  taken: number
  readonly completed: Checkpoint[]
  readonly savepoints: Checkpoint[]
}

/** One life of the process: from a checkpoint (or the start) until the power is cut, or to the end. */
async function live(
  random: Prng,
  disk: ForgetfulDisk,
  snapshots: Snapshots,
  from: Checkpoint | undefined,
): Promise<void> {
  const { completed, savepoints } = snapshots
  const parallelism = 1 + random.nextBelow(3)
  const buckets = random.nextBelow(2) === 0 ? 3 : 17
  const sink = fileSink<number>(directory, {
    fileSystem: disk,
    buckets: (value) => (value % buckets === 0 ? '' : `bucket-${value % buckets}`),
    openFilesMax: 1 + random.nextBelow(3),
    rolling: { bytesMax: 1 + random.nextBelow(60), onCheckpoint: random.nextBelow(2) === 0 },
  })
  await sink.prepare?.({ parallelism, isRestored: from !== undefined, checkpointsEnabled: true })
  const subtasks = Array.from({ length: parallelism }, (_, subtaskIndex) => {
    const context = connectorContext({ subtaskIndex, parallelism })
    context.settings.set('execution.checkpointing.interval', '1 s')
    if (from !== undefined) {
      context.operatorState.restore({ lists: { [countsName]: { mode: 'union', items: from.counts } } })
    }
    const committer = new SinkCommitter<PendingPart>(sink.createCommitter!(context), { sinkName: 'out', retries: 0 })
    return { writer: sink.createWriter(context), committer, operatorState: context.operatorState }
  })
  const dealt = <V>(lists: readonly (readonly V[])[], subtask: number): V[] =>
    lists.flatMap((list, i) => (i % parallelism === subtask ? list : []))
  const opened = await Promise.allSettled(
    subtasks.map(async ({ writer, committer }, i) => {
      if (from !== undefined) {
        await committer.restore(structuredClone(dealt(from.committables, i)))
        writer.restoreState?.(structuredClone(dealt(from.states, i)) as never)
      }
      await writer.open?.()
    }),
  )
  for (const result of opened) if (result.status === 'rejected') throw result.reason
  let position = from?.position ?? 0
  let id = (from?.id ?? 0) + 1
  for (;;) {
    const isLast = position === recordsTotal
    const isSavepoint = !isLast && random.nextBelow(5) === 0
    const count = Math.min(recordsTotal - position, random.nextBelow(25))
    for (let i = 0; i < count; i++) {
      subtasks[random.nextBelow(parallelism)]!.writer.write(position++, noTimestamp)
      if (random.nextBelow(4) === 0) await Promise.resolve()
    }
    const taken = await Promise.allSettled(
      subtasks.map(async ({ writer, committer, operatorState }) => {
        writer.flush(isLast)
        const counts = operatorState.snapshot()!.lists[countsName]!.items
        const prepared = writer.prepareCommit!(isSavepoint)
        const states = structuredClone(writer.snapshotState!(id))
        const committables = await prepared
        committer.add(id, committables)
        if (isSavepoint) await committer.keep()
        return { states, counts, committables: structuredClone(committer.snapshot()) }
      }),
    )
    for (const result of taken) if (result.status === 'rejected') throw result.reason
    const parts = taken.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    const checkpoint = {
      id,
      order: snapshots.taken++,
      position,
      states: parts.map(({ states }) => states),
      committables: parts.map(({ committables }) => committables),
      counts: parts.flatMap(({ counts }) => counts),
    }
    if (isSavepoint) savepoints.push(checkpoint)
    else completed.push(checkpoint)
    // Told later, it commits what has come together.
    const isTold = isLast || (!isSavepoint && random.nextBelow(4) > 0)
    if (isTold) for (const { committer } of subtasks) await committer.commitUpTo(id)
    id++
    if (isLast) break
  }
  for (const { writer } of subtasks) await writer.close?.()
  await sink.commitJob?.()
}

async function run(seed: number, fallsBack: boolean): Promise<void> {
  const random = prng(seed)
  let disk = new ForgetfulDisk({ seed, slowTurnsMax: random.nextBelow(4) })
  await disk.makeDirectory('/data')
  await disk.syncDirectory('/')
  const snapshots: Snapshots = { taken: 0, completed: [], savepoints: [] }
  const { completed, savepoints } = snapshots
  let endsLeft = fallsBack ? 3 : 1
  for (let life = 0; ; life++) {
    disk.powerCutAt = life < 8 ? disk.operations + 1 + random.nextBelow(250) : Number.POSITIVE_INFINITY
    try {
      await live(random, disk, snapshots, whereFrom(random, snapshots, fallsBack, life))
      disk.powerCutAt = Number.POSITIVE_INFINITY
      await expectEveryRecordOnce(disk, fallsBack ? /\.(kept|superseded)$/ : /\.kept$/)
      if (random.nextBelow(2) === 0) disk = disk.crash({ seed: random.nextUint32() })
      await expectEveryRecordOnce(disk, /^/)
      if (--endsLeft === 0 || savepoints.length === 0) return
      completed.length = 0
    } catch (error) {
      if (disk.operations < disk.powerCutAt) throw error
      disk = disk.crash({ seed: random.nextUint32(), slowTurnsMax: random.nextBelow(4) })
    }
  }
}

/** Where a life begins. Everything is forgotten that cannot be restored any more. */
function whereFrom(
  random: Prng,
  { completed, savepoints }: Snapshots,
  fallsBack: boolean,
  life: number,
): Checkpoint | undefined {
  const hasEnded = completed.length === 0 && savepoints.length > 0 && life > 0
  if (fallsBack && savepoints.length > 0 && (hasEnded || random.nextBelow(2) === 0)) {
    // To or fro, on the way that the job had taken or another.
    const savepoint = savepoints[random.nextBelow(savepoints.length)]!
    completed.splice(0, completed.length, savepoint)
    return savepoint
  }
  const back = fallsBack && random.nextBelow(3) === 0 ? 1 : 0
  const from = completed.at(-1 - back) ?? completed.at(-1)
  if (from === undefined || from === completed.at(-1)) return from
  completed.length = completed.indexOf(from) + 1
  // Parts that are open there go on where they are, though they may have been published since.
  const before = savepoints.filter(({ order }) => order <= from.order)
  savepoints.splice(0, savepoints.length, ...before)
  return from
}

async function expectEveryRecordOnce(disk: ForgetfulDisk, mayStay: RegExp): Promise<void> {
  const files = await walkDirectory(disk, directory)
  const hidden = files.filter(({ name }) => name.startsWith('.'))
  expect(hidden.filter(({ name }) => !mayStay.test(name))).toEqual([])
  const contents = await Promise.all(
    files
      .filter((file) => !hidden.includes(file))
      .map(async (file) => Buffer.from(await disk.readFile(`${file.directory}/${file.name}`)).toString()),
  )
  const found = contents.flatMap((content) => content.split('\n').slice(0, -1).map(Number))
  expect(found.toSorted((a, b) => a - b)).toEqual(Array.from({ length: recordsTotal }, (_, i) => i))
}

const isFull = process.env['MILLRACE_FULL'] !== undefined
const seeds = isFull ? 5000 : Number(process.env['MILLRACE_SEEDS'] ?? 100)

async function runAll(fallsBack: boolean): Promise<void> {
  const first = Number(process.env['MILLRACE_SEED'] ?? 1)
  for (let seed = first; seed < first + seeds; seed++) {
    await run(seed, fallsBack).catch((error: unknown) => {
      throw new Error(`seed ${seed} (MILLRACE_SEED=${seed} reproduces it)`, { cause: error })
    })
  }
}

it('holds every record once after power cuts, at changing parallelism', { timeout: 600_000 }, () => runAll(false))

it('holds every record once where older checkpoints and savepoints are restored', { timeout: 600_000 }, () =>
  runAll(true),
)
