import { expect, test } from 'vitest'
import { CheckpointCoordinator } from '../../../src/checkpoint/checkpoint-coordinator.ts'
import type { CheckpointMetadata, SubtaskSnapshot } from '../../../src/checkpoint/checkpoint-metadata.ts'
import type { CheckpointPlan } from '../../../src/checkpoint/checkpoint-plan.ts'
import type { CheckpointSettings } from '../../../src/checkpoint/checkpoint-settings.ts'
import type { CheckpointCommand, SubtaskAddress } from '../../../src/checkpoint/messages.ts'
import { MillraceError, toPlain } from '../../../src/common/errors.ts'

const plan: CheckpointPlan = {
  jobName: 'job',
  fingerprint: 'fp',
  vertices: [
    { index: 0, name: 'source', parallelism: 2, maxParallelism: 128, isSource: true, operators: [operator('a')] },
    { index: 1, name: 'sink', parallelism: 1, maxParallelism: 128, isSource: false, operators: [operator('b')] },
  ],
  edges: [],
}
const all: SubtaskAddress[] = [
  { vertexIndex: 0, subtaskIndex: 0 },
  { vertexIndex: 0, subtaskIndex: 1 },
  { vertexIndex: 1, subtaskIndex: 0 },
]

function operator(operatorId: string): { operatorId: string; name: string; uid: undefined } {
  return { operatorId, name: operatorId, uid: undefined }
}

/** A store that remembers what was asked of it. */
class FakeStore {
  readonly jobId = 'id'
  calls: string[] = []
  metadata: CheckpointMetadata[] = []
  refuse: string | undefined
  refusal = new MillraceError('MR_CHECKPOINT_FAILED', 'full')
  unreferenced: string[] = []
  #nextId = 1
  #gate: { readonly call: string; readonly open: Promise<void> } | undefined
  /** Calls that begin so wait until the answer is called. */
  holdBack(call: string): () => void {
    let go = (): void => {}
    this.#gate = { call, open: new Promise((resolve) => (go = resolve)) }
    return go
  }
  nextCheckpointId(): number {
    return this.#nextId++
  }
  begin(id: number): Promise<void> {
    return this.#call(`begin ${id}`)
  }
  async complete(metadata: CheckpointMetadata): Promise<{ metadata: CheckpointMetadata; path: string; root: string }> {
    await this.#call(`complete ${metadata.checkpointId}`)
    this.metadata.push(metadata)
    return { metadata, path: `/chk-${metadata.checkpointId}`, root: '/' }
  }
  async writeSavepoint(metadata: CheckpointMetadata, target?: string): Promise<string> {
    await this.#call(`savepoint ${metadata.checkpointId}`)
    return `${target ?? ''}/savepoint-${metadata.checkpointId}`
  }
  async retain(): Promise<string[]> {
    return this.unreferenced.splice(0)
  }
  removeShared(paths: readonly string[]): Promise<void> {
    return this.#call(`remove ${paths.join()}`)
  }
  abort(id: number): Promise<void> {
    return this.#call(`abort ${id}`)
  }
  async #call(call: string): Promise<void> {
    this.calls.push(call)
    if (this.#gate !== undefined && call.startsWith(this.#gate.call)) await this.#gate.open
    if (this.refuse !== undefined && call.startsWith(this.refuse)) throw this.refusal
  }
}

function setUp(settings: Partial<CheckpointSettings> = {}) {
  const sent: { to: SubtaskAddress; command: CheckpointCommand }[] = []
  const store = new FakeStore()
  const world = { nowMs: 0, failure: undefined as MillraceError | undefined, end: undefined as string | undefined }
  const coordinator = new CheckpointCoordinator({
    settings: {
      intervalMs: 100,
      timeoutMs: 1_000,
      minPauseMs: 0,
      maxConcurrent: 1,
      tolerableFailures: 0,
      numRetained: 1,
      mode: 'aligned',
      alignTimeoutMs: Number.POSITIVE_INFINITY,
      savepointDirectory: undefined,
      ...settings,
    },
    plan,
    store,
    clock: { nowMs: () => world.nowMs, monotonicMs: () => world.nowMs },
    splitPools: { 0: ['s0', 's1', 's2'] },
    send: (to, command) => sent.push({ to, command }),
    fail: (error) => (world.failure = error),
    end: (kind) => (world.end = kind),
  })
  coordinator.start()
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 30; turn++) await undefined
  }
  const acknowledge = (checkpointId: number, to: SubtaskAddress, snapshot: Partial<SubtaskSnapshot> = {}): void => {
    coordinator.take({
      type: 'acknowledgeCheckpoint',
      checkpointId,
      ...to,
      snapshot: { operators: {}, channels: [], ended: false, ...snapshot },
      metrics: { alignmentMs: 0, startDelayMs: 0, syncMs: 0, asyncMs: 0, overtakenBytes: 0 },
    })
  }
  return {
    coordinator,
    store,
    world,
    sent,
    settle,
    async advance(ms: number): Promise<void> {
      world.nowMs += ms
      coordinator.tick()
      await settle()
    },
    /** What was sent since the last call, as `type id @ vertex:subtask`. */
    take: (): string[] =>
      sent.splice(0).map(({ to, command }) => {
        const id = command.type === 'triggerCheckpoint' ? command.barrier.checkpointId : command.checkpointId
        const more = command.type === 'checkpointComplete' && !command.commit ? ' without commit' : ''
        return `${command.type} ${id}${more} @ ${to.vertexIndex}:${to.subtaskIndex}`
      }),
    acknowledge,
    async acknowledgeAll(checkpointId: number, snapshot: Partial<SubtaskSnapshot> = {}): Promise<void> {
      for (const to of all) acknowledge(checkpointId, to, snapshot)
      await settle()
    },
    async confirmAll(checkpointId: number): Promise<void> {
      for (const to of all) coordinator.take({ type: 'checkpointCommitted', checkpointId, ...to })
      await settle()
    },
    endAll: (): void => {
      for (const to of all) coordinator.take({ type: 'subtaskEnded', ...to })
    },
  }
}

const everywhere = (text: string): string[] => all.map((to) => `${text} @ ${to.vertexIndex}:${to.subtaskIndex}`)

test('triggers at the sources after the interval, and completes once every subtask has acknowledged', async () => {
  const { advance, take, acknowledge, store, settle, coordinator } = setUp()
  expect(coordinator.nextTickMs()).toBe(100)
  await advance(99)
  expect(take()).toEqual([])
  await advance(1)
  expect(take()).toEqual(['triggerCheckpoint 1 @ 0:0', 'triggerCheckpoint 1 @ 0:1'])
  acknowledge(1, all[0]!, { operators: { a: { splits: ['s0@5'], claimedSplits: [0] } } })
  acknowledge(1, all[1]!, { operators: { a: { splits: [], claimedSplits: [2] } } })
  acknowledge(1, all[1]!)
  await settle()
  expect(store.calls).toEqual(['begin 1'])
  acknowledge(1, all[2]!)
  await settle()
  expect(store.calls).toEqual(['begin 1', 'complete 1'])
  expect(take()).toEqual(everywhere('checkpointComplete 1'))
  const [source] = store.metadata[0]!.operators
  expect(source).toMatchObject({ unassignedSplits: ['s1'], subtasks: [{ splits: ['s0@5'] }, { splits: [] }] })
  expect(coordinator.history.counts).toMatchObject({ triggered: 1, completed: 1, failed: 0 })
})

test('keeps the minimal pause after a completed checkpoint, and one at a time', async () => {
  const { advance, take, acknowledgeAll, coordinator } = setUp({ minPauseMs: 80 })
  await advance(100)
  await advance(150)
  expect(take()).toHaveLength(2)
  await acknowledgeAll(1)
  take()
  expect(coordinator.nextTickMs()).toBe(330)
  await advance(79)
  expect(take()).toEqual([])
  await advance(1)
  expect(take()[0]).toBe('triggerCheckpoint 2 @ 0:0')
})

test('tells nobody to commit when the metadata cannot be written, and fails the job beyond what is tolerated', async () => {
  const { advance, take, acknowledgeAll, store, world } = setUp({ tolerableFailures: 1 })
  store.refuse = 'complete'
  await advance(100)
  take()
  await acknowledgeAll(1)
  expect(take()).toEqual(everywhere('checkpointAborted 1'))
  expect(store.calls).toContain('abort 1')
  expect(world.failure).toBeUndefined()
  await advance(100)
  await acknowledgeAll(2)
  expect(world.failure).toMatchObject({ code: 'MR_CHECKPOINT_FAILED' })
})

test('a completed checkpoint forgives the failures before it', async () => {
  const { advance, acknowledgeAll, coordinator, world } = setUp({ tolerableFailures: 1 })
  const decline = (id: number): void =>
    coordinator.take({ type: 'declineCheckpoint', checkpointId: id, ...all[1]!, reason: toPlain(new Error('no')) })
  for (const id of [1, 3]) {
    await advance(100)
    decline(id)
    await advance(100)
    await acknowledgeAll(id + 1)
  }
  expect(world.failure).toBeUndefined()
  expect(coordinator.history.counts).toMatchObject({ completed: 2, failed: 2 })
})

test('gives up a checkpoint that takes too long, naming who is missing', async () => {
  const { advance, acknowledge, world, take, coordinator } = setUp()
  await advance(100)
  take()
  acknowledge(1, all[0]!)
  expect(coordinator.nextTickMs()).toBe(1_100)
  await advance(1_000)
  expect(world.failure?.message).toContain('not acknowledged within 1000 ms by source[1], sink[0]')
  expect(take()).toEqual(everywhere('checkpointAborted 1'))
})

test('answers a savepoint without committing, and keeps nothing of it in the job directory', async () => {
  const { coordinator, take, acknowledgeAll, store, settle } = setUp()
  const saved = coordinator.triggerSavepoint('savepoint', '/elsewhere')
  await settle()
  take()
  await acknowledgeAll(1)
  expect(await saved).toEqual({ checkpointId: 1, path: '/elsewhere/savepoint-1' })
  expect(take()).toEqual(everywhere('checkpointComplete 1 without commit'))
  expect(store.calls).toEqual(['begin 1', 'savepoint 1', 'abort 1'])
})

test('a savepoint waits for the checkpoint under way, and fails alone', async () => {
  const { coordinator, advance, take, acknowledgeAll, store, settle, world } = setUp()
  await advance(100)
  const saved = coordinator.triggerSavepoint()
  take()
  store.refuse = 'savepoint'
  await acknowledgeAll(1)
  expect(take()).toEqual([
    ...everywhere('checkpointComplete 1'),
    'triggerCheckpoint 2 @ 0:0',
    'triggerCheckpoint 2 @ 0:1',
  ])
  const rejected = expect(saved).rejects.toMatchObject({ code: 'MR_CHECKPOINT_FAILED' })
  await acknowledgeAll(2)
  await rejected
  await settle()
  expect(world.failure).toBeUndefined()
})

test('stops with a savepoint: nothing is triggered after it, and the job ends once all have committed', async () => {
  const { coordinator, advance, take, acknowledgeAll, confirmAll, world, settle } = setUp()
  const stopped = coordinator.triggerSavepoint('stop-suspend')
  await settle()
  take()
  await advance(500)
  expect(take()).toEqual([])
  await acknowledgeAll(1)
  expect(take()).toEqual(everywhere('checkpointComplete 1'))
  expect(world.end).toBeUndefined()
  await advance(500)
  await confirmAll(1)
  expect(world.end).toBe('stop-suspend')
  expect((await stopped).path).toBe('/savepoint-1')
})

test('takes a final checkpoint once all have ended, at once and whatever the interval', async () => {
  const { advance, endAll, take, acknowledgeAll, confirmAll, world, settle, sent } = setUp({ minPauseMs: 60_000 })
  await advance(100)
  await acknowledgeAll(1)
  take()
  endAll()
  await settle()
  expect(sent[0]?.command).toMatchObject({ barrier: { checkpointId: 2, kind: 'final' } })
  await acknowledgeAll(2, { ended: true })
  await confirmAll(1)
  expect(world.end).toBeUndefined()
  await confirmAll(2)
  expect(world.end).toBe('final')
})

test('a checkpoint in which every subtask had ended is the final one', async () => {
  const { advance, endAll, acknowledgeAll, confirmAll, take, world } = setUp()
  await advance(100)
  endAll()
  take()
  await acknowledgeAll(1, { ended: true })
  await confirmAll(1)
  expect(world.end).toBe('final')
  expect(take()).toEqual(everywhere('checkpointComplete 1'))
})

test('removes unreferenced files only after all have confirmed and older checkpoints are over', async () => {
  const { advance, acknowledgeAll, confirmAll, store } = setUp({ maxConcurrent: 2 })
  await advance(100)
  await acknowledgeAll(1)
  await confirmAll(1)
  await advance(100)
  store.unreferenced = ['shared/old']
  await acknowledgeAll(2)
  await advance(100)
  expect(store.calls).not.toContain('remove shared/old')
  await confirmAll(2)
  expect(store.calls).not.toContain('remove shared/old')
  await acknowledgeAll(3)
  expect(store.calls).toContain('remove shared/old')
})

test('ignores what arrives after the end, and answers requests that are left', async () => {
  const { coordinator, advance, acknowledgeAll, take } = setUp()
  await advance(100)
  take()
  const saved = coordinator.triggerSavepoint()
  const rejected = expect(saved).rejects.toMatchObject({ code: 'MR_CHECKPOINT_FAILED' })
  await coordinator.close()
  await rejected
  await acknowledgeAll(1)
  expect(take()).toEqual([])
})

test('a savepoint with drain that fails fails the job: its sources have ended for nothing', async () => {
  const { coordinator, world, store, settle, acknowledgeAll, endAll, take } = setUp({ tolerableFailures: 5 })
  const refused = expect(coordinator.triggerSavepoint('stop-drain')).rejects.toMatchObject({ message: /full/ })
  await settle()
  endAll()
  store.refuse = 'savepoint'
  take()
  await acknowledgeAll(1, { ended: true })
  await refused
  expect(world.failure).toMatchObject({ code: 'MR_CHECKPOINT_FAILED' })
  await settle()
  expect(take().filter((one) => one.startsWith('trigger'))).toEqual([])
})

test('a savepoint with drain that fails before any source has heard of it does no harm', async () => {
  const { coordinator, world, store, advance, take } = setUp()
  store.refuse = 'begin 1'
  await expect(coordinator.triggerSavepoint('stop-drain')).rejects.toMatchObject({ code: 'MR_CHECKPOINT_FAILED' })
  expect(world.failure).toBeUndefined()
  await advance(100)
  expect(take()).toContain('triggerCheckpoint 2 @ 0:0')
})

test('answers a stop whose savepoint becomes complete only after the job has failed', async () => {
  const { coordinator, settle, acknowledgeAll, store } = setUp()
  const go = store.holdBack('savepoint')
  const stopped = expect(coordinator.triggerSavepoint('stop-suspend')).rejects.toMatchObject({
    message: /before it had committed/,
  })
  await settle()
  await acknowledgeAll(1)
  const closed = coordinator.close()
  go()
  await closed
  await stopped
})

test('removes what a subtask writes for a checkpoint that was given up before', async () => {
  const { advance, acknowledge, store, settle } = setUp({ tolerableFailures: 1 })
  await advance(100)
  await advance(1_000)
  expect(store.calls.filter((call) => call === 'abort 1')).toHaveLength(1)
  acknowledge(1, all[0]!)
  await settle()
  expect(store.calls.filter((call) => call === 'abort 1')).toHaveLength(2)
})

test.each(['begin', 'complete'])(
  'a file system that does not answer fails the job, whatever is tolerated: %s',
  async (call) => {
    const { advance, acknowledgeAll, store, world, coordinator } = setUp({ tolerableFailures: 100 })
    store.refuse = call
    store.refusal = new MillraceError('MR_FILE_SYSTEM_TIMEOUT', '/d/f: the file system has not answered')
    await advance(100)
    await acknowledgeAll(1)
    expect(world.failure).toBe(store.refusal)
    expect(coordinator.nextTickMs()).toBe(Number.POSITIVE_INFINITY)
  },
)
