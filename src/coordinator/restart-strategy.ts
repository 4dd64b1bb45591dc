/**
 * What follows a failure: Flink's restart strategies. Pure: time and randomness are passed in. One strategy object lives
 * as long as its job.
 */
import { unreachable } from '../common/assert.ts'
import type { Clock } from '../common/clock.ts'
import { configOptions } from '../common/config-options.ts'
import type { Configuration } from '../common/configuration.ts'
import { errorCodes } from '../common/error-codes.ts'
import { codeOf } from '../common/errors.ts'
import type { Prng } from '../common/prng.ts'

export interface RestartStrategy {
  readonly kind: 'none' | 'fixed-delay' | 'failure-rate' | 'exponential-delay'
  /** Told of every failure. Answers after how many milliseconds to restart; undefined: the job fails for good. */
  afterFailure(): number | undefined
}

export interface RestartDoors {
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly prng: Prng
}

/** Without a configured type: exponential-delay where checkpoints are on, else none. */
export function restartStrategy(
  configuration: Configuration,
  checkpointsEnabled: boolean,
  doors: RestartDoors,
): RestartStrategy {
  const kind = configuration.get(configOptions.restartStrategy) ?? (checkpointsEnabled ? 'exponential-delay' : 'none')
  switch (kind) {
    case 'none':
      return { kind, afterFailure: () => undefined }
    case 'fixed-delay':
      return fixedDelay(
        configuration.get(configOptions.fixedDelayAttempts),
        configuration.get(configOptions.fixedDelayDelay),
      )
    case 'failure-rate':
      return failureRate(configuration, doors)
    case 'exponential-delay':
      return exponentialDelay(configuration, doors)
    default:
      return unreachable(kind)
  }
}

/**
 * Whether a restart can help: only for failures whose code says so. What has no code comes from the program or from
 * outside and may be different the next time.
 */
export function isRestartable(error: unknown): boolean {
  const code = codeOf(error)
  return code === undefined || errorCodes[code].retryable
}

/** What the user is told before a restart, so that a job that restarts for ever does not do so in silence. */
export function restartWarning(error: unknown, delayMs: number, what: string): string {
  const code = codeOf(error)
  const message = error instanceof Error ? error.message : String(error)
  return `${code === undefined ? '' : `${code}: `}${message}; ${what} again in ${(delayMs / 1_000).toFixed(1)} s`
}

function fixedDelay(attempts: number, delayMs: number): RestartStrategy {
  let failures = 0
  return { kind: 'fixed-delay', afterFailure: () => (++failures > attempts ? undefined : delayMs) }
}

function failureRate(configuration: Configuration, { clock }: RestartDoors): RestartStrategy {
  const failuresMax = configuration.get(configOptions.failureRateMax)
  const intervalMs = configuration.get(configOptions.failureRateInterval)
  const delayMs = configuration.get(configOptions.failureRateDelay)
  let failedMs: number[] = []
  return {
    kind: 'failure-rate',
    afterFailure() {
      const nowMs = clock.monotonicMs()
      failedMs = [...failedMs.filter((timeMs) => nowMs - timeMs <= intervalMs), nowMs]
      return failedMs.length > failuresMax ? undefined : delayMs
    },
  }
}

function exponentialDelay(configuration: Configuration, { clock, prng }: RestartDoors): RestartStrategy {
  const initialMs = configuration.get(configOptions.exponentialInitial)
  const maxMs = configuration.get(configOptions.exponentialMax)
  const multiplier = configuration.get(configOptions.exponentialMultiplier)
  const resetMs = configuration.get(configOptions.exponentialReset)
  const jitter = configuration.get(configOptions.exponentialJitter)
  const attemptsMax = configuration.get(configOptions.exponentialAttempts) ?? Number.POSITIVE_INFINITY
  let backoffMs = initialMs
  let attempts = 0
  let restartedMs = Number.NEGATIVE_INFINITY
  return {
    kind: 'exponential-delay',
    afterFailure() {
      const nowMs = clock.monotonicMs()
      if (nowMs - restartedMs >= resetMs) {
        backoffMs = initialMs
        attempts = 0
      }
      if (++attempts > attemptsMax) return undefined
      const jitterMs = backoffMs * jitter * (2 * prng.nextFloat() - 1)
      const delayMs = Math.min(maxMs, Math.max(0, backoffMs + jitterMs))
      restartedMs = nowMs + delayMs
      backoffMs = Math.min(maxMs, backoffMs * multiplier)
      return delayMs
    },
  }
}
