/** The timer service against a sorted list, over registrations, deletions, firing, snapshots and rescaled restores. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { prng } from '../../src/common/prng.ts'
import { hashKey, keyGroupOf, keyGroupRangeOf, subtaskOfKeyGroup } from '../../src/data/key-groups.ts'
import { createKeyedStateBackend } from '../../src/state/create-keyed-state-backend.ts'
import type { KeyedStateBackend, KeyedStateHandle, Namespace } from '../../src/state/keyed-state-backend.ts'
import { TimerQueue } from '../../src/time/timer-queue.ts'
import { TimerService } from '../../src/time/timer-service.ts'
import { MemorySnapshotStore } from '../support/memory-snapshot-store.ts'

const maxParallelism = 32
const numRuns = process.env['MILLRACE_FULL'] === '1' ? 3000 : 150

interface Subtask {
  readonly backend: KeyedStateBackend
  readonly timers: TimerService
}

interface Timer {
  readonly key: unknown
  readonly namespace: Namespace
  readonly timeMs: number
}

type Command =
  | { readonly op: 'register'; readonly timer: Timer }
  | { readonly op: 'delete'; readonly timer: Timer }
  | { readonly op: 'many'; readonly count: number; readonly spreadMs: number; readonly seed: number }
  | { readonly op: 'advance'; readonly byMs: number }
  | { readonly op: 'snapshot'; readonly meanwhile: readonly Timer[]; readonly parallelism: number | undefined }

const timer: fc.Arbitrary<Timer> = fc.record({
  key: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constantFrom<unknown>('a', 1.5, 7n, { x: 1 }, [1, 'b'])),
  namespace: fc.constantFrom<Namespace>(0, 0, 1000, 'w'),
  timeMs: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 4_000_000 }), fc.constant(Infinity)),
})
const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constantFrom('register' as const, 'register' as const, 'delete' as const), timer }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('many' as const),
      count: fc.integer({ min: 1, max: 1500 }),
      spreadMs: fc.constantFrom(1, 50, 1e6, 1e9),
      seed: fc.nat(1000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('advance' as const), byMs: fc.constantFrom(1, 30, 300, 100_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('snapshot' as const),
      meanwhile: fc.array(timer, { maxLength: 10 }),
      parallelism: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    }),
  },
)

it('fires exactly the timers of a sorted list, in order, over snapshots and rescalings', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command as fc.Arbitrary<Command>, { maxLength: 60 }), async (commands) => {
      let fired: string[] = []
      let lastMs = -Infinity
      const open = (n: number, parallelism: number): Subtask => {
        const keyGroupRange = keyGroupRangeOf(n, parallelism, maxParallelism)
        const backend = createKeyedStateBackend('heap', { keyGroupRange, maxParallelism })
        const onEventTime = (namespace: Namespace, timeMs: number): void => {
          expect(timeMs).toBeGreaterThanOrEqual(lastMs)
          lastMs = timeMs
          fired.push(idOf({ key: backend.currentKey(), namespace, timeMs }))
        }
        const target = { onEventTime, onProcessingTime: () => {} }
        return { backend, timers: new TimerService({ backend, name: 't', target, isFull: () => false }) }
      }
      let subtasks = [open(0, 1)]
      let model = new Map<string, Timer>()
      let nowMs = 0
      const of = (each: Timer): Subtask => {
        const group = keyGroupOf(each.key, maxParallelism)
        const subtask = subtasks[subtaskOfKeyGroup(group, subtasks.length, maxParallelism)]!
        subtask.backend.setCurrentKey(each.key)
        return subtask
      }
      const register = (each: Timer): void => {
        of(each).timers.registerEventTimeTimer(each.namespace, each.timeMs)
        model.set(idOf(each), each)
      }
      const advance = (toMs: number): void => {
        fired = []
        nowMs = toMs
        for (const subtask of subtasks) {
          lastMs = -Infinity
          subtask.timers.advanceWatermark(toMs)
        }
        const due = [...model].filter(([, each]) => each.timeMs <= toMs).map(([id]) => id)
        expect(fired.toSorted()).toEqual(due.toSorted())
        for (const id of due) model.delete(id)
        expect(subtasks.reduce((sum, subtask) => sum + subtask.timers.eventTimeTimerCount(), 0)).toBe(model.size)
      }
      let id = 0
      const store = new MemorySnapshotStore()
      for (const each of commands) {
        if (each.op === 'register') register(each.timer)
        else if (each.op === 'delete') {
          of(each.timer).timers.deleteEventTimeTimer(each.timer.namespace, each.timer.timeMs)
          model.delete(idOf(each.timer))
        } else if (each.op === 'many') {
          for (let i = 0; i < each.count; i++) {
            register({ key: (i * 7 + each.seed) % 50, namespace: 0, timeMs: nowMs + ((i * 7919) % each.spreadMs) })
          }
        } else if (each.op === 'advance') advance(nowMs + each.byMs)
        else {
          const asOfBarrier = new Map(model)
          const writing = subtasks.map((subtask) => subtask.backend.snapshot(++id, store))
          for (const more of each.meanwhile) register(more)
          advance(nowMs + 20)
          const handles: KeyedStateHandle[] = structuredClone(await Promise.all(writing))
          if (each.parallelism === undefined) continue
          const count = each.parallelism
          model = asOfBarrier
          subtasks = Array.from({ length: count }, (_, n) => open(n, count))
          for (const subtask of subtasks) await subtask.backend.restore(handles, store)
        }
      }
      advance(Infinity)
      expect(model.size).toBe(0)
    }),
    { numRuns },
  )
})

function idOf(each: Timer): string {
  const key = typeof each.key === 'object' ? JSON.stringify(each.key) : `${typeof each.key} ${each.key}`
  return `${each.timeMs}|${typeof each.namespace} ${each.namespace}|${key}`
}

it('pops the earliest timer of a bucket that is open, whatever was registered and deleted in it meanwhile', () => {
  for (let seed = 0; seed < (process.env['MILLRACE_FULL'] === '1' ? 3000 : 300); seed++) {
    const random = prng(seed)
    const queue = new TimerQueue()
    const model = new Set<number>()
    let nowMs = 0
    for (let i = 0; i < 200; i++) {
      const timeMs = nowMs + random.nextBelow(60)
      const step = random.nextBelow(8)
      if (step < 4) {
        queue.add(1, 0, timeMs, hashKey(1))
        model.add(timeMs)
      } else if (step < 7) {
        queue.delete(1, 0, timeMs, hashKey(1))
        model.delete(timeMs)
      } else {
        nowMs += random.nextBelow(4)
        const due = [...model].filter((time) => time <= nowMs).toSorted((left, right) => left - right)
        const popped: number[] = []
        while (queue.pop(nowMs)) popped.push(queue.poppedMs)
        expect(popped, `seed ${seed}, step ${i}`).toEqual(due)
        for (const time of due) model.delete(time)
      }
    }
  }
})
