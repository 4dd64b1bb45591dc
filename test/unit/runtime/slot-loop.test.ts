import { expect, test } from 'vitest'
import { Progress } from '../../../src/common/progress.ts'
import { systemClock } from '../../../src/common/clock.ts'
import { BufferTimeouts } from '../../../src/runtime/buffer-timeouts.ts'
import { AsyncHolds } from '../../../src/runtime/async-holds.ts'
import { SlotLoop } from '../../../src/runtime/slot-loop.ts'
import { systemTimers } from '../../../src/common/timers.ts'
import type { Task } from '../../../src/runtime/task.ts'

test('A slot whose last task is released just before it would sleep ends at once', async () => {
  let isReleased = false
  const task = {
    step: () => (isReleased ? Progress.Done : Progress.Idle),
    flush: () => false,
    bufferTimeouts: new BufferTimeouts([], []),
    nextProcessingTimeMs: () => Number.POSITIVE_INFINITY,
    publishMetrics: () => {},
    metrics: { cells: new Float64Array(64) },
  } as unknown as Task
  let sleeps = 0
  const loop = new SlotLoop(new AsyncHolds(), {
    clock: systemClock,
    timers: systemTimers,
    doorbell: {
      // The command arrives between the last pass and the announcement.
      isRung: () => false,
      prepareSleep: () => (isReleased = true),
      cancelSleep: () => {},
      sleep: () => void sleeps++,
      sleepAsync: async () => void sleeps++,
    },
    mayBlock: true,
    isCancelRequested: () => false,
    onTaskEnded: () => {},
    onTaskFailed: () => {},
    takeCommands: () => {},
    mayEnd: () => true,
  })
  loop.add([task])
  await loop.run()
  expect(sleeps).toBe(0)
})

test('each output is flushed after its own time-out', () => {
  const flushed: string[] = []
  const output = (name: string): { flush(): void; hasUnflushed(): boolean } => ({
    flush: () => void flushed.push(name),
    hasUnflushed: () => true,
  })
  const timeouts = new BufferTimeouts([output('fast'), output('slow'), output('never')], [10, 25, -1])
  expect(timeouts.shortestMs).toBe(10)
  for (let nowMs = 0; nowMs <= 50; nowMs += 10) {
    flushed.push(`${nowMs}:`)
    timeouts.flush(nowMs)
  }
  expect(flushed.join(' ')).toBe('0: fast slow 10: fast 20: fast 30: fast slow 40: fast 50: fast')
})
