import { describe, expect, it } from 'vitest'
import { codeOf } from '../../../src/common/errors.ts'
import { Progress } from '../../../src/common/progress.ts'
import { createKeyedStateBackend } from '../../../src/state/create-keyed-state-backend.ts'
import type { KeyedStateBackend, Namespace } from '../../../src/state/keyed-state-backend.ts'
import { TimerService } from '../../../src/time/timer-service.ts'

interface Fixture {
  readonly backend: KeyedStateBackend
  readonly timers: TimerService
  readonly fired: unknown[][]
  isFull: boolean
  onFire: (namespace: Namespace, timeMs: number) => void
}

function fixture(range: { first: number; last: number } = { first: 0, last: 127 }): Fixture {
  const backend = createKeyedStateBackend('heap', { keyGroupRange: range, maxParallelism: 128 })
  const made: Fixture = { backend, timers: undefined as never, fired: [], isFull: false, onFire: () => {} }
  const fire =
    (domain: string) =>
    (namespace: Namespace, timeMs: number): void => {
      made.fired.push([domain, backend.currentKey(), namespace, timeMs])
      made.onFire(namespace, timeMs)
    }
  const target = { onEventTime: fire('event'), onProcessingTime: fire('processing') }
  const timers = new TimerService({ backend, name: 't', target, isFull: () => made.isFull })
  return Object.assign(made, { timers })
}

function register(f: Fixture, key: unknown, namespace: Namespace, timeMs: number): void {
  f.backend.setCurrentKey(key)
  f.timers.registerEventTimeTimer(namespace, timeMs)
}

describe('timer service', () => {
  it('fires in order of time up to and including the watermark, with key and namespace', () => {
    const f = fixture()
    register(f, 'a', 0, 300)
    register(f, 'b', 7, 100)
    register(f, { c: 1 }, 'w', 200)
    register(f, 'd', 0, 301)
    expect(f.timers.advanceWatermark(300)).toBe(Progress.Done)
    expect(f.fired).toEqual([
      ['event', 'b', 7, 100],
      ['event', { c: 1 }, 'w', 200],
      ['event', 'a', 0, 300],
    ])
    expect(f.timers.currentWatermarkMs()).toBe(300)
    expect(f.timers.eventTimeTimerCount()).toBe(1)
    f.timers.advanceWatermark(Infinity)
    expect(f.fired.length).toBe(4)
  })

  it('charges timers to the budget of the state, and gives back what has fired', () => {
    for (const kind of ['heap', 'managed', 'leveldb'] as const) {
      const range = { keyGroupRange: { first: 0, last: 127 }, maxParallelism: 128 }
      const backend = createKeyedStateBackend(kind, range)
      const target = { onEventTime: () => {}, onProcessingTime: () => {} }
      const timers = new TimerService({ backend, name: 't', target, isFull: () => false })
      const before = backend.usedBytes()
      for (let i = 0; i < 10_240; i++) {
        backend.setCurrentKey(i)
        timers.registerEventTimeTimer(0, 1_000 + (i % 7) * 100_000)
      }
      expect(backend.usedBytes() - before).toBeGreaterThan(10_240 * 40)
      timers.advanceWatermark(Infinity)
      expect(backend.usedBytes()).toBe(before)
      void backend.close()
    }
  })

  it('refuses timers that exceed the budget of a backend in memory', () => {
    let leftBytes = 1024 * 1024
    const budget = {
      tryCharge: (bytes: number) => bytes <= leftBytes && ((leftBytes -= bytes), true),
      release: (bytes: number) => void (leftBytes += bytes),
    }
    const range = { keyGroupRange: { first: 0, last: 127 }, maxParallelism: 128 }
    const backend = createKeyedStateBackend('managed', { ...range, budget })
    const target = { onEventTime: () => {}, onProcessingTime: () => {} }
    const timers = new TimerService({ backend, name: 't', target, isFull: () => false })
    const fill = (): void => {
      for (let i = 0; i < 100_000; i++) {
        backend.setCurrentKey(i)
        timers.registerEventTimeTimer(0, i)
      }
    }
    expect(fill).toThrow(expect.objectContaining({ code: 'MR_STATE_OVER_BUDGET' }))
  })

  it('registers a timer once per key, namespace and time, and deletes it', () => {
    const f = fixture()
    for (let i = 0; i < 100; i++) for (const key of ['a', 'b', { k: 1 }]) register(f, key, 1, 10)
    register(f, 'a', 2, 10)
    expect(f.timers.eventTimeTimerCount()).toBe(4)
    f.backend.setCurrentKey({ k: 1 })
    f.timers.deleteEventTimeTimer(1, 10)
    f.timers.deleteEventTimeTimer(1, 11)
    expect(f.timers.eventTimeTimerCount()).toBe(3)
    register(f, { k: 1 }, 1, 10)
    f.timers.advanceWatermark(10)
    expect(f.fired.length).toBe(4)
  })

  it('fires timers that callbacks register if they are due, and none that they delete', () => {
    const f = fixture()
    f.onFire = (namespace, timeMs) => {
      if (timeMs === 10) {
        f.timers.registerEventTimeTimer(namespace, 5)
        f.timers.registerEventTimeTimer(namespace, 10)
        f.timers.registerEventTimeTimer(namespace, 15)
        f.timers.registerEventTimeTimer(namespace, 1_000_000)
        f.timers.deleteEventTimeTimer(namespace, 12)
        f.onFire = () => {}
      }
    }
    register(f, 1, 0, 10)
    register(f, 1, 0, 12)
    register(f, 1, 0, 20)
    f.timers.advanceWatermark(20)
    expect(f.fired.map((each) => each[3])).toEqual([10, 5, 10, 15, 20])
    expect(f.timers.eventTimeTimerCount()).toBe(1)
  })

  it('pauses while the output is full and goes on where it stopped', () => {
    const f = fixture()
    for (let i = 0; i < 10; i++) register(f, i, 0, 100 + i)
    f.onFire = () => (f.isFull = f.fired.length % 4 === 0)
    expect(f.timers.advanceWatermark(105)).toBe(Progress.Blocked)
    expect(f.fired.length).toBe(4)
    expect(f.timers.advanceWatermark(105)).toBe(Progress.Blocked)
    f.isFull = false
    expect(f.timers.advanceWatermark(105)).toBe(Progress.Done)
    expect(f.fired.length).toBe(6)
  })

  it('keeps processing time apart, and tells the next one', () => {
    const f = fixture()
    expect(f.timers.nextProcessingTimeMs()).toBe(Infinity)
    f.backend.setCurrentKey('k')
    f.timers.registerProcessingTimeTimer(0, 500)
    f.timers.registerProcessingTimeTimer(0, 400)
    f.timers.registerEventTimeTimer(0, 1)
    expect(f.timers.nextProcessingTimeMs()).toBe(400)
    f.timers.deleteProcessingTimeTimer(0, 400)
    expect(f.timers.nextProcessingTimeMs()).toBe(500)
    expect(f.timers.advanceProcessingTime(499)).toBe(Progress.Done)
    expect(f.fired).toEqual([])
    f.timers.advanceProcessingTime(500)
    expect(f.fired).toEqual([['processing', 'k', 0, 500]])
  })

  it('takes infinite and negative times', () => {
    const f = fixture()
    register(f, 1, 0, Infinity)
    register(f, 1, 0, -5)
    register(f, 1, 0, -Infinity)
    register(f, 1, 0, 0.5)
    f.timers.advanceWatermark(1e15)
    expect(f.fired.map((each) => each[3])).toEqual([-Infinity, -5, 0.5])
    f.timers.advanceWatermark(Infinity)
    expect(f.fired.length).toBe(4)
  })

  it('refuses to register without a key, for a foreign key group, and for no time', () => {
    const f = fixture({ first: 0, last: 0 })
    const codes: (string | undefined)[] = []
    const attempt = (run: () => void): void => {
      try {
        run()
      } catch (error) {
        codes.push(codeOf(error))
      }
    }
    attempt(() => f.timers.registerEventTimeTimer(0, 1))
    for (const key of [1, 2]) attempt(() => register(f, key, 0, 1))
    const all = fixture()
    attempt(() => register(all, 1, 0, Number.NaN))
    expect(codes).toEqual(['MR_STATE_NO_KEY', 'MR_STATE_KEY_GROUP', 'MR_STATE_KEY_GROUP', 'MR_TIME_INVALID'])
  })
})
