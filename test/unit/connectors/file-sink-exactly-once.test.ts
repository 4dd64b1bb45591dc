import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type FileSystem, nodeFileSystem } from '../../../src/common/file-system.ts'
import { startOf } from '../../../src/common/processes.ts'
import { noTimestamp } from '../../../src/common/limits.ts'
import { fileSink, type FileSinkOptions } from '../../../src/connectors/index.ts'
import type { OperatorStateSnapshot } from '../../../src/state/operator-state.ts'
import type { Committer, CommitRequest, SinkWriter } from '../../../src/connectors/sink.ts'
import { ForgetfulDisk } from '../../../src/testing/index.ts'
import { type ConnectorContext, connectorContext } from '../../support/connector-context.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const starting = { parallelism: 1, isRestored: false, checkpointsEnabled: true }

function checkpointed(task: Parameters<typeof connectorContext>[0] = {}): ConnectorContext {
  const context = connectorContext(task)
  context.settings.set('execution.checkpointing.interval', '1 s')
  return context
}

async function start<T>(directory: string, options: FileSinkOptions<T> = {}, context = checkpointed()) {
  const sink = fileSink<T>(directory, options)
  await sink.prepare?.(starting)
  const writer = sink.createWriter(context)
  await writer.open?.()
  return { sink, writer, committer: sink.createCommitter?.(context), context }
}

/** What a checkpoint takes of a writer; not yet committed. With `keeper`: a savepoint. */
async function checkpoint<T, C, S>(writer: SinkWriter<T, C, S>, endOfInput = false, keeper?: Committer<C>) {
  writer.flush(endOfInput)
  const prepared = writer.prepareCommit?.(keeper !== undefined)
  const states = structuredClone(writer.snapshotState?.(1) ?? [])
  const committables = [...((await prepared) ?? [])]
  return { states, committables: structuredClone([...((await keeper?.keep!(committables)) ?? committables)]) }
}

async function commit<C>(committer: { commit(r: readonly CommitRequest<C>[]): Promise<void> } | undefined, list: C[]) {
  const verdicts: string[] = []
  await committer?.commit(
    list.map((committable) => ({
      committable,
      numberOfRetries: 0,
      retryLater: () => void verdicts.push('retry'),
      signalAlreadyCommitted: () => void verdicts.push('already'),
      signalFailedWithKnownReason: (reason) => void verdicts.push(String(reason)),
    })),
  )
  return verdicts
}

const write = <T>(writer: { write(value: T, timestampMs: number): void }, ...values: T[]): void => {
  for (const value of values) writer.write(value, noTimestamp)
}

const visible = (directory: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .map((entry) => [
        join(entry.parentPath, entry.name).slice(directory.length + 1),
        readFileSync(join(entry.parentPath, entry.name), 'utf8'),
      ]),
  )
const hidden = (directory: string): string[] =>
  readdirSync(directory).filter((name) => name.startsWith('.') && name !== '.part.owner')

describe('fileSink with checkpoints', () => {
  /** A disk with a published part, and the states before and after it. */
  async function publishedOn(seed: number) {
    const disk = new ForgetfulDisk({ seed })
    const options: FileSinkOptions<string> = { rolling: { onCheckpoint: true }, fileSystem: disk }
    const { writer, committer, context } = await start('/out', options)
    const older = context.operatorState.snapshot()!
    write(writer, 'a')
    await commit(committer, (await checkpoint(writer)).committables)
    return { disk, options, older, newer: context.operatorState.snapshot()! }
  }

  it('a part hidden by an attempt that failed stays hidden after a power cut, once a later attempt has a checkpoint', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { disk, options, older } = await publishedOn(seed)
      expect(disk.files()).toContain('/out/part-0-0')
      // Back to the older checkpoint; the first attempt fails before its first checkpoint.
      for (const isLast of [false, true]) {
        const context = checkpointed()
        context.operatorState.restore(older)
        const writer = fileSink<string>('/out', options).createWriter(context)
        await writer.open?.()
        if (isLast) await checkpoint(writer)
        else await writer.close?.()
      }
      expect(disk.crash().files(), `seed ${seed}`).not.toContain('/out/part-0-0')
    }
  })

  it('a part shown again by an attempt that failed outlives a power cut, once the job has ended', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { disk, options, older, newer } = await publishedOn(seed)
      for (const [attempt, snapshot] of [older, newer, newer].entries()) {
        const context = checkpointed()
        context.operatorState.restore(snapshot)
        const sink = fileSink<string>('/out', options)
        await sink.prepare?.({ ...starting, isRestored: true })
        const writer = sink.createWriter(context)
        await writer.open?.()
        if (attempt !== 1) await checkpoint(writer)
        await writer.close?.()
        if (attempt === 2) await sink.commitJob?.()
      }
      expect(disk.crash().files(), `seed ${seed}`).toContain('/out/part-0-0')
    }
  })

  it('shows a part when it is finished and its checkpoint is complete, not before', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const { writer, committer, sink } = await start<string>(directory, { rolling: { onCheckpoint: true } })
    write(writer, 'a', 'é')
    expect(visible(directory)).toEqual({})
    const { committables } = await checkpoint(writer)
    expect(visible(directory)).toEqual({})
    await commit(committer, committables)
    expect(visible(directory)).toEqual({ 'part-0-0': 'a\né\n' })
    write(writer, 'b')
    await commit(committer, (await checkpoint(writer, true)).committables)
    await sink.commitJob?.()
    expect(visible(directory)).toEqual({ 'part-0-0': 'a\né\n', 'part-0-1': 'b\n' })
    expect(hidden(directory)).toEqual([])
    await writer.close?.()
  })

  it('keeps a part open over checkpoints until the policy finishes it', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const { writer, context } = await start<string>(directory, {
      rolling: { intervalMs: 1000, inactivityMs: 400, bytesMax: 6 },
    })
    const finished = async () => (await checkpoint(writer)).committables.map(({ name }) => name)
    write(writer, 'a')
    expect(await finished()).toEqual([])
    context.nowMs = 399
    expect(await finished()).toEqual([])
    context.nowMs = 400
    expect(await finished()).toEqual(['part-0-0'])
    for (let i = 0; i < 4; i++) {
      write(writer, '')
      context.nowMs += 300
      expect(await finished()).toEqual(i < 3 ? [] : ['part-0-1'])
    }
    write(writer, 'large', 'x')
    expect(await finished()).toEqual(['part-0-2'])
    await writer.close?.()
  })

  it('goes on with an open part after a crash, cut back to the checkpoint', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const first = await start<string>(directory)
    write(first.writer, 'a', 'b')
    const { states } = await checkpoint(first.writer)
    write(first.writer, 'lost')
    await checkpoint(first.writer)
    await first.writer.close?.()
    const { writer, committer } = restore(directory, states)
    await writer.open?.()
    write(writer, 'c')
    await commit(committer, (await checkpoint(writer, true)).committables)
    expect(visible(directory)).toEqual({ 'part-0-0': 'a\nb\nc\n' })
    await writer.close?.()
  })

  const restore = (
    directory: string,
    states: readonly unknown[],
    options: FileSinkOptions<string> = {},
    counts?: OperatorStateSnapshot,
    task = {},
  ) => {
    const context = checkpointed(task)
    if (counts !== undefined) context.operatorState.restore(counts)
    const sink = fileSink<string>(directory, options)
    const writer = sink.createWriter(context)
    writer.restoreState?.(states as never)
    return { writer, committer: sink.createCommitter?.(context), context, sink }
  }

  it('a part that goes on after a crash is as old as it was', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const options = { rolling: { intervalMs: 1000 } }
    const first = await start<string>(directory, options)
    write(first.writer, 'a')
    first.context.nowMs = 600
    const { states } = await checkpoint(first.writer)
    await first.writer.close?.()
    const { writer, context } = restore(directory, states, options)
    context.nowMs = 700
    await writer.open?.()
    expect((await checkpoint(writer)).committables).toEqual([])
    context.nowMs = 1000
    expect((await checkpoint(writer)).committables).toHaveLength(1)
    await writer.close?.()
  })

  it('removes parts begun after the checkpoint, and takes back what a later one had published', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const options = { rolling: { onCheckpoint: true } }
    const first = await start<string>(directory, { rolling: { bytesMax: 4 } })
    write(first.writer, 'a')
    const { states } = await checkpoint(first.writer)
    const counts = first.context.operatorState.snapshot()
    write(first.writer, 'bcdef', 'published', 'hidden')
    const later = await checkpoint(first.writer)
    await commit(first.committer, later.committables.slice(0, 2))
    await first.writer.close?.()
    expect(Object.keys(visible(directory))).toEqual(['part-0-0', 'part-0-1'])
    const { writer, committer, sink } = restore(directory, states, options, counts)
    await sink.prepare?.({ ...starting, isRestored: true })
    await writer.open?.()
    expect(visible(directory)).toEqual({})
    write(writer, 'z')
    await commit(committer, (await checkpoint(writer, true)).committables)
    await sink.commitJob?.()
    expect(visible(directory)).toEqual({ 'part-0-0': 'a\nz\n' })
    expect(hidden(directory)).toEqual(['.part-0-1.superseded'])
    await writer.close?.()
  })

  it('goes on with parts of subtasks that are no more, one open part a bucket', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const states: unknown[] = []
    for (const subtaskIndex of [0, 1, 2]) {
      const context = checkpointed({ subtaskIndex, parallelism: 3 })
      const { writer } =
        subtaskIndex === 0 ? await start<string>(directory, {}, context) : await join2(directory, context)
      write(writer, `of ${subtaskIndex}`)
      states.push(...(await checkpoint(writer)).states)
      await writer.close?.()
    }
    const { writer, committer } = restore(directory, states)
    await writer.open?.()
    write(writer, 'one')
    await commit(committer, (await checkpoint(writer, true)).committables)
    expect(visible(directory)).toEqual({ 'part-0-0': 'of 0\n', 'part-1-0': 'of 1\n', 'part-2-0': 'of 2\none\n' })
    await writer.close?.()
  })

  async function join2(directory: string, context: ConnectorContext) {
    const writer = fileSink<string>(directory).createWriter(context)
    await writer.open?.()
    return { writer }
  }

  it('hides what subtasks that the checkpoint does not know have published since', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const first = await start<string>(directory)
    write(first.writer, 'a')
    const { states } = await checkpoint(first.writer)
    const counts = first.context.operatorState.snapshot()
    await first.writer.close?.()
    for (const subtaskIndex of [0, 1]) {
      const of = restore(directory, subtaskIndex === 0 ? states : [], {}, counts, { subtaskIndex, parallelism: 2 })
      await of.writer.open?.()
      write(of.writer, `since, by ${subtaskIndex}`)
      await commit(of.committer, (await checkpoint(of.writer, true)).committables)
      await of.writer.close?.()
    }
    expect(Object.keys(visible(directory))).toEqual(['part-0-0', 'part-1-1'])
    const { writer, committer } = restore(directory, states, {}, counts)
    await writer.open?.()
    await commit(committer, (await checkpoint(writer, true)).committables)
    expect(visible(directory)).toEqual({ 'part-0-0': 'a\n' })
    await writer.close?.()
  })

  it('a savepoint can be restored after the job has gone on from an older checkpoint', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const first = await start<string>(directory, { rolling: { bytesMax: 9 } })
    write(first.writer, 'a')
    const old = { ...(await checkpoint(first.writer)), counts: first.context.operatorState.snapshot() }
    write(first.writer, 'b', 'sealed by its size', 'open')
    const savepoint = await checkpoint(first.writer, false, first.committer)
    const counts = first.context.operatorState.snapshot()
    expect(savepoint.states).toEqual([{ openParts: [] }])
    await first.writer.close?.()
    const second = restore(directory, old.states, {}, old.counts)
    await second.writer.open?.()
    write(second.writer, 'another b')
    await commit(second.committer, (await checkpoint(second.writer, true)).committables)
    await second.writer.close?.()
    await second.sink.prepare?.({ ...starting, isRestored: true })
    await second.sink.commitJob?.()
    expect(visible(directory)).toEqual({ 'part-0-2': 'a\nanother b\n' })
    const third = restore(directory, savepoint.states, {}, counts)
    expect(await commit(third.committer, savepoint.committables)).toEqual([])
    await third.writer.open?.()
    await third.writer.close?.()
    expect(visible(directory)).toEqual({ 'part-0-0': 'a\nb\nsealed by its size\n', 'part-0-1': 'open\n' })
  })

  /** A way of 'p' and what follows it: its savepoints, and how to start from one of them. */
  async function toAndFro(directory: string) {
    const options: FileSinkOptions<string> = { rolling: { onCheckpoint: true } }
    const snapshots: (Awaited<ReturnType<typeof checkpoint>> & { counts: OperatorStateSnapshot })[] = []
    type Part = Parameters<typeof checkpoint<string, unknown, unknown>>[0]
    const savepoint = async (writer: Part, committer: Committer<unknown>, context: ConnectorContext) => {
      const taken = await checkpoint(writer, false, committer)
      snapshots.push({ ...taken, counts: context.operatorState.snapshot()! })
      return taken.committables
    }
    /** Writes `lines`, each with a checkpoint, and those behind `held` with a savepoint, which nobody commits. */
    const go = async (from: (typeof snapshots)[number] | undefined, lines: string[], held: string[] = []) => {
      const of = restore(directory, from?.states ?? [], options, from?.counts)
      await of.sink.prepare?.({ ...starting, isRestored: from !== undefined })
      expect(await commit(of.committer, (from?.committables ?? []) as never)).not.toContainEqual(
        expect.stringContaining('part'),
      )
      await of.writer.open?.()
      for (const line of lines) {
        write(of.writer, line)
        await commit(of.committer, (await checkpoint(of.writer)).committables)
      }
      if (held.length > 0) {
        write(of.writer, ...held)
        await savepoint(of.writer as never, of.committer as never, of.context)
      }
      await of.writer.close?.()
      await of.sink.commitJob?.()
    }
    const lines = () => Object.values(visible(directory)).join('').trim().split('\n').toSorted().join(' ')
    return { snapshots, go, lines }
  }

  it('a newer savepoint shows again what a start from an older one had hidden, and the other way round', async () => {
    const { snapshots, go, lines } = await toAndFro(join(temporaryDirectory(), 'out'))
    await go(undefined, ['a'], ['b'])
    await go(snapshots[0], ['c', 'd'], ['e'])
    await go(snapshots[1], ['f'])
    expect(lines()).toBe('a b c d e f')
    await go(snapshots[0], ['g'], ['h'])
    expect(lines()).toBe('a b g')
    for (let i = 0; i < 2; i++) {
      await go(snapshots[1], [])
      expect(lines()).toBe('a b c d e')
      await go(snapshots[2], [`i${i}`])
      expect(lines()).toBe(`a b g h i${i}`)
    }
    await go(snapshots[0], [])
    expect(lines()).toBe('a b')
  })

  it('savepoints of two starts without state know nothing of each other', async () => {
    const { snapshots, go, lines } = await toAndFro(join(temporaryDirectory(), 'out'))
    await go(undefined, [], ['a'])
    await go(undefined, [], ['b', 'c'])
    for (let i = 0; i < 2; i++) {
      await go(snapshots[0], [])
      expect(lines()).toBe('a')
      await go(snapshots[1], [])
      expect(lines()).toBe('b c')
    }
  })

  it('what is hidden stays so for snapshots of earlier versions, and for those that follow', async () => {
    const { snapshots, go, lines } = await toAndFro(join(temporaryDirectory(), 'out'))
    await go(undefined, ['a'], ['b'])
    await go(snapshots[0], ['c'], ['d'])
    await go(snapshots[1], [])
    await go(snapshots[0], ['e'], ['f'])
    const context = checkpointed()
    context.operatorState.restore(snapshots[2]!.counts)
    const list = context.operatorState.unionListState<{ subtask: number; nextCount: number }>('part-counts')
    list.update(Array.from(list.get(), ({ subtask, nextCount }) => ({ subtask, nextCount })))
    await go({ ...snapshots[2]!, counts: context.operatorState.snapshot()! }, ['g'], ['h'])
    expect(lines()).toBe('a b e f g')
    await go(snapshots[3], [])
    expect(lines()).toBe('a b e f g h')
    await go(snapshots[1], [])
    expect(lines()).toBe('a b c d')
    await go(snapshots[3], [])
    expect(lines()).toBe('a b e f g h')
  })

  it('a savepoint keeps parts of checkpoints that are not committed yet', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const { writer, committer, context } = await start<string>(directory, { rolling: { onCheckpoint: true } })
    const before = { ...(await checkpoint(writer)), counts: context.operatorState.snapshot()! }
    write(writer, 'a')
    const { committables } = await checkpoint(writer)
    const kept = await committer!.keep!(committables)
    expect(hidden(directory)).toEqual(['.part-0-0.kept'])
    await writer.close?.()
    const older = restore(directory, before.states, {}, before.counts)
    await older.writer.open?.()
    await older.writer.close?.()
    expect(await commit(older.committer, [...committables])).toEqual([])
    expect(visible(directory)).toEqual({ 'part-0-0': 'a\n' })
    expect(await commit(older.committer, [...kept])).toEqual(['already'])
  })

  it('commits again what was committed before', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const { writer, committer } = await start<string>(directory)
    write(writer, 'a')
    const { committables } = await checkpoint(writer, true)
    expect(await commit(committer, committables)).toEqual([])
    expect(await commit(committer, committables)).toEqual(['already'])
    const [one] = committables
    const lost = { ...one!, directory: `${directory}/gone`, name: 'part-9-9', hiddenName: '.part-9-9.inprogress' }
    expect(await commit(committer, [lost])).toEqual([expect.stringContaining('part-9-9')])
    const tolerant = fileSink<string>(directory, { partsMayBeTaken: true }).createCommitter?.(checkpointed())
    expect(await commit(tolerant, [lost])).toEqual(['already'])
    await writer.close?.()
  })

  it('closes its files where the disk is full', async () => {
    const directory = join(temporaryDirectory(), 'out')
    let open = 0
    let isFull = false
    const full: FileSystem = {
      ...nodeFileSystem,
      async open(path, mode) {
        const handle = await nodeFileSystem.open(path, mode)
        open++
        return {
          write: (bytes) => (isFull ? Promise.reject(new Error('ENOSPC')) : handle.write(bytes)),
          sync: () => handle.sync(),
          close: async () => {
            open--
            await handle.close()
          },
        }
      },
    }
    const buckets = (line: string): string => line[0]!
    const { writer } = await start<string>(directory, { fileSystem: full, buckets, rolling: { bytesMax: 4 } })
    isFull = true
    write(writer, 'open', 'b')
    await expect(checkpoint(writer)).rejects.toMatchObject({ code: 'MR_SINK_FAILED' })
    await writer.close?.()
    expect(open).toBe(0)
  })

  it('refuses a directory into which another job is writing, in another process that runs', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const { writer } = await start<string>(directory)
    write(writer, 'a')
    await checkpoint(writer)
    await writer.close?.()
    const path = join(directory, '.part.owner')
    const owner = JSON.parse(readFileSync(path, 'utf8')) as { jobId: string; process: { pid: number } }
    const parent = { pid: process.ppid, startedAt: startOf(process.ppid)!, host: hostname() }
    writeFileSync(path, JSON.stringify({ jobId: 'another', process: parent }))
    await expect(start<string>(directory)).rejects.toMatchObject({
      code: 'MR_SINK_EXISTS',
      message: expect.stringContaining(`process ${process.ppid} on`),
    })
    expect(hidden(directory)).toContain('.part-0-0.inprogress')
    writeFileSync(path, JSON.stringify({ jobId: owner.jobId, process: parent }))
    await (await start<string>(directory)).writer.close?.()
    writeFileSync(path, JSON.stringify({ jobId: 'another', process: { ...parent, startedAt: 'before' } }))
    await (await start<string>(directory)).writer.close?.()
  })

  it('says before the job starts that the directory cannot be written', async () => {
    const directory = join(temporaryDirectory(), 'out')
    mkdirSync(directory)
    const fileSystem = { ...nodeFileSystem, open: () => Promise.reject(new Error('EROFS: read-only file system')) }
    await expect(start<string>(directory, { fileSystem })).rejects.toMatchObject({
      code: 'MR_SINK_FAILED',
      message: expect.stringMatching(new RegExp(`cannot write ${directory}: EROFS`)),
    })
  })

  it('uses no name twice, whatever lies in the directory', async () => {
    const directory = join(temporaryDirectory(), 'out')
    mkdirSync(join(directory, 'b'), { recursive: true })
    const { writer, committer } = restore(directory, [])
    writeFileSync(join(directory, 'part-0-7'), 'old')
    writeFileSync(join(directory, 'b', '.part-0-9.inprogress'), 'old')
    await writer.open?.()
    write(writer, 'a')
    await commit(committer, (await checkpoint(writer, true)).committables)
    expect(visible(directory)).toEqual({ 'part-0-7': 'old', 'part-0-10': 'a\n' })
    await writer.close?.()
  })

  it('writes buckets, with a header in each CSV part', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const options = { format: 'csv', buckets: (row: { k: string }) => `k=${row.k}`, partSuffix: '.csv' } as const
    const { writer, committer } = await start<{ k: string; n: number }>(directory, options)
    write(writer, { k: 'a', n: 1 }, { k: 'b', n: 2 }, { k: 'a', n: 3 })
    const { states } = await checkpoint(writer)
    expect(states[0]?.openParts).toHaveLength(2)
    write(writer, { k: 'b', n: 4 })
    await commit(committer, (await checkpoint(writer, true)).committables)
    expect(visible(directory)).toEqual({
      'k=a/part-0-0.csv': 'k,n\na,1\na,3\n',
      'k=b/part-0-1.csv': 'k,n\nb,2\nb,4\n',
    })
    await writer.close?.()
  })

  it('says that it is full while much is under way, and wakes the task', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const { writer, context } = await start<string>(directory)
    const line = 'x'.repeat(100_000)
    let count = 0
    while (writer.isFull?.() !== true) {
      write(writer, line)
      count++
    }
    expect(count).toBeLessThan(200)
    expect(context.holds).toBe(1)
    while (writer.isFull?.() === true) await context.mailPosted()
    const { committables } = await checkpoint(writer, true)
    expect(committables).toHaveLength(1)
    await writer.close?.()
    expect(context.holds).toBe(0)
  })

  it('refuses visible files at the start, or removes them; leavings of a run without a checkpoint go', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const first = await start<string>(directory)
    write(first.writer, 'a')
    await checkpoint(first.writer)
    await first.writer.close?.()
    expect(hidden(directory)).toEqual(['.part-0-0.inprogress'])
    const second = await start<string>(directory)
    expect(hidden(directory)).toEqual([])
    write(second.writer, 'b')
    await commit(second.committer, (await checkpoint(second.writer, true)).committables)
    await expect(start<string>(directory)).rejects.toMatchObject({ code: 'MR_SINK_EXISTS' })
    await start<string>(directory, { overwrite: true })
    expect(visible(directory)).toEqual({})
  })

  it('keeps what a restored job needs, and nothing hidden where no later run goes on', async () => {
    const parent = temporaryDirectory()
    const directory = join(parent, 'out')
    const { writer, sink } = await start<string>(directory, { rolling: { bytesMax: 3 } })
    write(writer, 'a')
    await checkpoint(writer)
    await fileSink<string>(directory).prepare?.({ ...starting, isRestored: true })
    expect(hidden(directory)).toEqual(['.part-0-0.inprogress'])
    await sink.abortJob?.()
    expect(readdirSync(parent)).toEqual([])
    await writer.close?.()
    const second = await start<string>(directory, { rolling: { bytesMax: 3 } })
    write(second.writer, 'published', 'b')
    await commit(second.committer, (await checkpoint(second.writer)).committables)
    await second.sink.abortJob?.()
    expect([visible(directory), hidden(directory)]).toEqual([{ 'part-0-0': 'published\n' }, []])
    await second.writer.close?.()
  })

  it('names the part where the checkpoint does not fit the disk', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const { writer } = await start<string>(directory)
    write(writer, 'abc')
    const { states } = await checkpoint(writer)
    await writer.close?.()
    writeFileSync(join(directory, '.part-0-0.inprogress'), 'a')
    await expect(restore(directory, states).writer.open?.()).rejects.toMatchObject({
      code: 'MR_CHECKPOINT_CORRUPT',
      message: expect.stringContaining('must hold 4 bytes of the checkpoint, found 1'),
    })
  })

  it('does not publish a part that somebody has cut meanwhile', async () => {
    const directory = join(temporaryDirectory(), 'out')
    const { writer, committer } = await start<string>(directory)
    write(writer, 'abc')
    const { committables } = await checkpoint(writer, true)
    await writer.close?.()
    writeFileSync(join(directory, '.part-0-0.inprogress'), 'a')
    expect(await commit(committer, committables)).toEqual([expect.stringContaining('must hold 4 bytes, found 1')])
    expect(visible(directory)).toEqual({})
  })
})
