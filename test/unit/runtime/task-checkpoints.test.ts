/** Checkpoints of one task, over a chain that is full for as long as a watermark is held up in it. */
import { describe, expect, it } from 'vitest'
import type { CheckpointReport } from '../../../src/checkpoint/messages.ts'
import { Progress } from '../../../src/common/progress.ts'
import type { CheckpointBarrier } from '../../../src/exchange/stream-event.ts'
import { AsyncHolds } from '../../../src/runtime/async-holds.ts'
import { TaskCheckpoints, type TaskCheckpointsParts } from '../../../src/runtime/task-checkpoints.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** A watermark met a full output on its way: until it has passed, nothing else leaves. */
class HeldUpChain {
  hasRoom = false
  isHeldUp = true

  resume(): Progress {
    if (this.isHeldUp && !this.hasRoom) return Progress.Blocked
    this.isHeldUp = false
    return Progress.Done
  }

  emptyStages(): void {}
}

describe('a barrier that finds a watermark held up before an operator with records of its own to give', () => {
  const begin = (
    mode: CheckpointBarrier['mode'],
  ): { chain: HeldUpChain; checkpoints: TaskCheckpoints; reports: CheckpointReport[] } => {
    const chain = new HeldUpChain()
    const reports: CheckpointReport[] = []
    const home = {
      operatorId: 'waits for its output',
      prepareBarrier: () => (chain.isHeldUp ? Progress.Blocked : Progress.Done),
      snapshot: () => Promise.resolve(undefined),
    }
    const task = { chain, outputs: [], gate: undefined, vertex: { index: 0, id: 'v' }, subtask: 0, batchAtHand() {} }
    // Doubles of what a barrier asks for.
    const parts = {
      task,
      homes: [home],
      clock: new FakeClock(),
      holds: new AsyncHolds(),
      openSink: () => undefined,
    }
    const report = (each: CheckpointReport): void => void reports.push(each)
    const checkpoints = new TaskCheckpoints({ ...parts, report } as unknown as TaskCheckpointsParts)
    const barrier: CheckpointBarrier = {
      checkpointId: 1,
      timestampMs: 0,
      kind: 'checkpoint',
      mode,
      alignTimeoutMs: Number.POSITIVE_INFINITY,
    }
    checkpoints.take({ type: 'triggerCheckpoint', barrier })
    return { chain, checkpoints, reports }
  }

  it.each(['unaligned', 'aligned'] as const)('goes on once there is room: %s', async (mode) => {
    const { chain, checkpoints, reports } = begin(mode)
    expect(checkpoints.step()).toBe(Progress.Blocked)
    expect(checkpoints.step()).toBe(Progress.Blocked)
    chain.hasRoom = true
    // The task takes no input while its barrier is blocked: nobody else will let the watermark pass.
    for (let steps = 0; steps < 3; steps++) checkpoints.step()
    await checkpoints.settled()
    expect(reports).toMatchObject([{ type: 'acknowledgeCheckpoint', checkpointId: 1 }])
  })
})

describe('a barrier that comes while the snapshot before it is being written', () => {
  const begin = (failingId?: number) => {
    const reports: CheckpointReport[] = []
    const written = new Map<number, () => void>()
    const home = {
      operatorId: 'slow',
      prepareBarrier: () => Progress.Done,
      snapshot: (id: number) => new Promise<undefined>((resolve) => written.set(id, () => resolve(undefined))),
      checkpointAborted() {},
    }
    const failing = {
      ...home,
      operatorId: 'failing',
      snapshot: async (id: number) => {
        if (id === failingId) throw new Error('disk full')
      },
    }
    const chain = { resume: () => Progress.Done, emptyStages() {} }
    const task = { chain, outputs: [], gate: undefined, vertex: { index: 0, id: 'v' }, subtask: 0, batchAtHand() {} }
    const parts = {
      task,
      homes: [failing, home],
      clock: new FakeClock(),
      holds: new AsyncHolds(),
      openSink: () => undefined,
    }
    const report = (each: CheckpointReport): void => void reports.push(each)
    const checkpoints = new TaskCheckpoints({ ...parts, report } as unknown as TaskCheckpointsParts)
    const trigger = (checkpointId: number): void =>
      checkpoints.take({
        type: 'triggerCheckpoint',
        barrier: {
          checkpointId,
          timestampMs: 0,
          kind: 'checkpoint',
          mode: 'aligned',
          alignTimeoutMs: Number.POSITIVE_INFINITY,
        },
      })
    return { checkpoints, written, reports, trigger }
  }

  it('waits for it: several checkpoints may be under way', async () => {
    const { checkpoints, written, reports, trigger } = begin()
    trigger(1)
    trigger(2)
    checkpoints.step()
    expect(checkpoints.step()).toBe(Progress.Blocked)
    expect(reports).toEqual([])
    written.get(1)!()
    await checkpoints.settled()
    checkpoints.step()
    written.get(2)!()
    await checkpoints.settled()
    expect(reports).toMatchObject([1, 2].map((checkpointId) => ({ type: 'acknowledgeCheckpoint', checkpointId })))
  })

  it('waits for all operators of one that failed in another: what they prepare belongs to the next', async () => {
    const { checkpoints, written, reports, trigger } = begin(1)
    trigger(1)
    checkpoints.step()
    trigger(2)
    await new Promise((resolve) => setImmediate(resolve))
    checkpoints.step()
    expect(written.has(2)).toBe(false)
    written.get(1)!()
    await checkpoints.settled()
    checkpoints.step()
    written.get(2)!()
    await checkpoints.settled()
    expect(reports).toMatchObject([
      { type: 'declineCheckpoint', checkpointId: 1 },
      { type: 'acknowledgeCheckpoint', checkpointId: 2 },
    ])
  })

  it('does not wait for one that is given up', async () => {
    const { checkpoints, written, reports, trigger } = begin()
    trigger(1)
    checkpoints.step()
    checkpoints.take({ type: 'checkpointAborted', checkpointId: 1 })
    trigger(2)
    expect(checkpoints.step()).toBe(Progress.Working)
    expect(reports).toMatchObject([{ type: 'declineCheckpoint', checkpointId: 2 }])
    written.get(1)!()
    await checkpoints.settled()
    trigger(3)
    checkpoints.step()
    expect(written.has(3)).toBe(true)
  })
})
