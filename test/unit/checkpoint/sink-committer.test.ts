import { expect, test } from 'vitest'
import { SinkCommitter } from '../../../src/checkpoint/sink-committer.ts'
import { systemTimers, type Timers } from '../../../src/common/timers.ts'
import type { Committer } from '../../../src/connectors/sink.ts'

function setUp(commit: Committer<string>['commit'], retries = 3) {
  const pausesMs: number[] = []
  const timers: Timers = {
    ...systemTimers,
    after(delayMs, run) {
      pausesMs.push(delayMs)
      queueMicrotask(run)
      return () => {}
    },
  }
  return { committer: new SinkCommitter<string>({ commit }, { sinkName: 'out', retries, timers }), pausesMs }
}

test('commits in the order of checkpoints, up to the completed one, and keeps the rest', async () => {
  const committed: string[] = []
  const { committer } = setUp(async (requests) => void committed.push(...requests.map((one) => one.committable)))
  committer.add(1, ['a', 'b'])
  committer.add(2, ['c'])
  committer.add(3, ['d'])
  await committer.commitUpTo(2)
  expect(committed).toEqual(['a', 'b', 'c'])
  expect(committer.snapshot()).toEqual([{ checkpointId: 3, committables: ['d'] }])
})

test('tries again what was not committed, and only that, with growing pauses', async () => {
  const tried: string[][] = []
  const { committer, pausesMs } = setUp(async (requests) => {
    tried.push(requests.map(({ committable, numberOfRetries }) => `${committable}${numberOfRetries}`))
    for (const request of requests) {
      if (request.committable === 'known') request.signalAlreadyCommitted()
      else if (request.committable === 'slow' && request.numberOfRetries < 2) request.retryLater()
    }
  })
  committer.add(1, ['fine', 'slow', 'known'])
  await committer.commitUpTo(1)
  expect(tried).toEqual([['fine0', 'slow0', 'known0'], ['slow1'], ['slow2']])
  expect(pausesMs).toEqual([50, 100])
})

test('fails once retries are used up, naming the transaction, which stays', async () => {
  const { committer } = setUp(() => Promise.reject(new Error('disk gone')), 2)
  committer.add(4, ['tx-17'])
  await expect(committer.commitUpTo(4)).rejects.toMatchObject({
    code: 'MR_SINK_COMMIT_FAILED',
    retryable: false,
    message: 'out could not commit after 2 retries: disk gone; kept in the checkpoint: tx-17',
  })
  expect(committer.snapshot()).toEqual([{ checkpointId: 4, committables: ['tx-17'] }])
})

test('a known reason fails at once', async () => {
  let tries = 0
  const { committer } = setUp(async ([request]) => {
    tries++
    request!.signalFailedWithKnownReason('fenced')
  })
  committer.add(1, ['x'])
  await expect(committer.commitUpTo(1)).rejects.toThrow(/fenced/)
  expect(tries).toBe(1)
})

test('recovered transactions are committed before anything else, the oldest first', async () => {
  const committed: string[] = []
  const { committer } = setUp(async (requests) => void committed.push(...requests.map((one) => one.committable)))
  await committer.restore([
    { checkpointId: 9, committables: ['late'] },
    { checkpointId: 8, committables: ['early'] },
  ])
  expect(committed).toEqual(['early', 'late'])
  expect(committer.snapshot()).toEqual([])
})
