import { describe, expect, it } from 'vitest'
import { systemTimers } from '../../../src/common/timers.ts'
import { SinkCommitter } from '../../../src/checkpoint/sink-committer.ts'
import { noTimestamp } from '../../../src/common/limits.ts'
import { Progress } from '../../../src/common/progress.ts'
import { type TransactionCommittable, twoPhaseCommitSink } from '../../../src/connectors/index.ts'
import type { Sink } from '../../../src/connectors/sink.ts'
import { connectorContext } from '../../support/connector-context.ts'

/** A database with transactions, which outlives its clients. */
class Database {
  readonly open = new Map<number, string[]>()
  readonly committed = new Map<number, readonly string[]>()
  readonly log: string[] = []
  failures = 0
  #count = 0

  sink(delay?: () => Promise<void>): Sink<string, TransactionCommittable<number>, number> {
    const maybeLater = <V>(value: V): V | Promise<V> => (delay === undefined ? value : delay().then(() => value))
    return twoPhaseCommitSink<string, number>(() => ({
      beginTransaction: () => {
        const id = this.#count++
        this.open.set(id, [])
        return maybeLater(id)
      },
      invoke: (id, value) => maybeLater(void this.open.get(id)!.push(value)),
      preCommit: (id) => void this.log.push(`prepare ${id}`),
      commit: (id) => {
        if (this.failures-- > 0) throw new Error('the database is down')
        this.log.push(`commit ${id}`)
        if (this.open.has(id)) this.committed.set(id, this.open.get(id)!)
        this.open.delete(id)
      },
      abort: (id) => {
        this.log.push(`abort ${id}`)
        this.open.delete(id)
      },
      recoverAndCommit: (id) => {
        this.log.push(`recover ${id}`)
        if (this.open.has(id)) this.committed.set(id, this.open.get(id)!)
        this.open.delete(id)
      },
      open: () => void this.log.push('open'),
      close: () => void this.log.push('close'),
    }))
  }

  published(): string[] {
    return [...this.committed.values()].flat()
  }
}

async function subtask(sink: Sink<string, TransactionCommittable<number>, number>) {
  const context = connectorContext()
  const writer = sink.createWriter(context)
  const committer = new SinkCommitter(sink.createCommitter!(context), {
    sinkName: 'sink',
    retries: 3,
    timers: { ...systemTimers, after: (_, run) => (queueMicrotask(run), () => {}) },
  })
  return {
    context,
    writer,
    committer,
    write: (...values: string[]) => values.forEach((value) => writer.write(value, noTimestamp)),
    async checkpoint(id: number, isLast = false) {
      while (writer.flush(isLast) !== Progress.Done) await context.mailPosted().then(() => context.runMails())
      const prepared = writer.prepareCommit!()
      const states = structuredClone(writer.snapshotState!(id))
      committer.add(id, await prepared)
      return { states, committables: structuredClone(committer.snapshot()) }
    },
  }
}

describe('twoPhaseCommitSink', () => {
  it.each([
    ['at once', undefined],
    ['later', () => new Promise<void>((resolve) => setImmediate(resolve))],
  ])('publishes what a completed checkpoint holds, with answers that come %s', async (_, delay) => {
    const database = new Database()
    const { writer, committer, write, checkpoint, context } = await subtask(database.sink(delay))
    await writer.open?.()
    write('a', 'b')
    await checkpoint(1)
    write('c')
    expect(database.published()).toEqual([])
    await committer.commitUpTo(1)
    expect(database.published()).toEqual(['a', 'b'])
    await checkpoint(2, true)
    await committer.commitUpTo(2)
    expect(database.published()).toEqual(['a', 'b', 'c'])
    await writer.close?.()
    expect(database.open.size).toBe(0)
    expect(database.log.filter((line) => line === 'open' || line === 'close')).toEqual(['open', 'close'])
    expect(context.holds).toBe(0)
  })

  it('commits and aborts after a crash what the checkpoint names', async () => {
    const database = new Database()
    const first = await subtask(database.sink())
    await first.writer.open?.()
    first.write('a')
    const { states, committables } = await first.checkpoint(1)
    first.write('lost')
    await first.checkpoint(2)
    first.write('lost too')
    database.log.length = 0
    const second = await subtask(database.sink())
    await second.committer.restore(committables)
    second.writer.restoreState?.(states)
    await second.writer.open?.()
    expect(database.log).toEqual(['open', 'recover 0', 'abort 1'])
    second.write('b')
    await second.checkpoint(3, true)
    await second.committer.commitUpTo(3)
    expect(database.published()).toEqual(['a', 'b'])
  })

  it('tries a failed commit again, without the ones that went well', async () => {
    const database = new Database()
    const { writer, committer, write, checkpoint } = await subtask(database.sink())
    await writer.open?.()
    write('a')
    await checkpoint(1)
    database.failures = 2
    await committer.commitUpTo(1)
    expect(database.published()).toEqual(['a'])
    write('b')
    await checkpoint(2)
    database.failures = 9
    await expect(committer.commitUpTo(2)).rejects.toMatchObject({
      code: 'MR_SINK_COMMIT_FAILED',
      message: expect.stringContaining('the database is down'),
    })
    expect(committer.snapshot()).toHaveLength(1)
  })

  it('aborts the open transaction where the task ends early', async () => {
    const database = new Database()
    const { writer, write } = await subtask(database.sink())
    await writer.open?.()
    write('a')
    await writer.close?.()
    await writer.close?.()
    expect(database.log).toEqual(['open', 'abort 0', 'close'])
    expect(database.open.size).toBe(0)
  })

  it('fails the task where a write is rejected', async () => {
    const sink = twoPhaseCommitSink<string, number>(() => ({
      beginTransaction: () => 1,
      invoke: () => Promise.reject(new Error('refused')),
      preCommit: () => {},
      commit: () => {},
      abort: () => {},
    }))
    const { writer, write, context } = await subtask(sink)
    await writer.open?.()
    write('a')
    expect(writer.isFull?.()).toBe(true)
    await context.mailPosted()
    expect(() => {
      context.runMails()
      context.runMails()
    }).toThrow(expect.objectContaining({ code: 'MR_SINK_FAILED', message: 'refused' }))
    expect(() => writer.flush(false)).toThrow('refused')
  })
})
