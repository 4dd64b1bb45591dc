import { expect, test } from 'vitest'
import { Configuration, type ConfigurationValues } from '../../../src/common/configuration.ts'
import { MillraceError } from '../../../src/common/errors.ts'
import { prng } from '../../../src/common/prng.ts'
import { isRestartable, type RestartStrategy, restartStrategy } from '../../../src/coordinator/restart-strategy.ts'

function strategy(values: ConfigurationValues, checkpointsEnabled = true) {
  const clock = { nowMs: 0, monotonicMs: () => clock.nowMs }
  const made: RestartStrategy = restartStrategy(Configuration.of(values), checkpointsEnabled, { clock, prng: prng(1) })
  return { clock, made, failures: (count: number) => Array.from({ length: count }, () => made.afterFailure()) }
}

test('by default restarts with growing pauses where checkpoints are on, else not at all', () => {
  expect(strategy({}).made.kind).toBe('exponential-delay')
  expect(strategy({}, false).made.kind).toBe('none')
  expect(strategy({ 'restart-strategy.type': 'none' }).failures(1)).toEqual([undefined])
})

test('fixed delay: so many attempts, then no more', () => {
  const values = { 'restart-strategy.type': 'fixed-delay', 'restart-strategy.fixed-delay.attempts': 2 }
  expect(strategy(values).failures(3)).toEqual([1_000, 1_000, undefined])
})

test('failure rate: gives up when too many failures fall into the interval', () => {
  const { clock, made } = strategy({
    'restart-strategy.type': 'failure-rate',
    'restart-strategy.failure-rate.max-failures-per-interval': 2,
    'restart-strategy.failure-rate.failure-rate-interval': '1 min',
    'restart-strategy.failure-rate.delay': '5 s',
  })
  expect(made.afterFailure()).toBe(5_000)
  clock.nowMs = 50_000
  expect(made.afterFailure()).toBe(5_000)
  clock.nowMs = 61_000
  expect(made.afterFailure()).toBe(5_000)
  clock.nowMs = 62_000
  expect(made.afterFailure()).toBeUndefined()
})

test('exponential delay: 1 s, times 1.5 up to a minute, within a tenth, and from the start after an hour of peace', () => {
  const { clock, made, failures } = strategy({})
  const first = failures(4) as number[]
  for (const [index, expected] of [1_000, 1_500, 2_250, 3_375].entries()) {
    expect(Math.abs(first[index]! - expected)).toBeLessThanOrEqual(expected / 10)
  }
  const later = failures(20) as number[]
  expect(Math.max(...later)).toBeLessThanOrEqual(60_000)
  expect(later.at(-1)).toBeGreaterThanOrEqual(54_000)
  clock.nowMs = 3_700_000
  expect(made.afterFailure()).toBeLessThanOrEqual(1_100)
})

test('exponential delay without jitter is exact, and may be bounded in attempts', () => {
  const { failures } = strategy({
    'restart-strategy.exponential-delay.jitter-factor': 0,
    'restart-strategy.exponential-delay.initial-backoff': '10 ms',
    'restart-strategy.exponential-delay.backoff-multiplier': 2,
    'restart-strategy.exponential-delay.attempts-before-reset-backoff': 3,
  })
  expect(failures(4)).toEqual([10, 20, 40, undefined])
})

test('only failures that may go away are worth a restart', () => {
  expect(isRestartable(new MillraceError('MR_WORKER_DIED', 'gone'))).toBe(true)
  expect(isRestartable(new MillraceError('MR_SINK_COMMIT_FAILED', 'kept'))).toBe(false)
  expect(isRestartable(new MillraceError('MR_CHECKPOINT_CORRUPT', 'torn'))).toBe(false)
  expect(isRestartable(new Error('from outside'))).toBe(true)
})
