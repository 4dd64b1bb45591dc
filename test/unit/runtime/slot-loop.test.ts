import { expect, test } from 'vitest'
import { Progress } from '../../../src/common/progress.ts'
import { systemClock } from '../../../src/common/clock.ts'
import { AsyncHolds, SlotLoop } from '../../../src/runtime/slot-loop.ts'
import { systemTimers } from '../../../src/common/timers.ts'
import type { Task } from '../../../src/runtime/task.ts'

test('A slot whose last task is released just before it would sleep ends at once', async () => {
  let isReleased = false
  const task = {
    step: () => (isReleased ? Progress.Done : Progress.Idle),
    flush: () => false,
    nextProcessingTimeMs: () => Number.POSITIVE_INFINITY,
    publishMetrics: () => {},
    metrics: { cells: new Float64Array(64) },
  } as unknown as Task
  let sleeps = 0
  const loop = new SlotLoop([task], new AsyncHolds(), {
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
    bufferTimeoutMs: -1,
    isCancelRequested: () => false,
    onTaskEnded: () => {},
    takeCommands: () => {},
  })
  await loop.run()
  expect(sleeps).toBe(0)
})
