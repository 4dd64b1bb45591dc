/** How checkpoints are taken: Flink's options, read once from the job's configuration. */
import { configOptions } from '../common/config-options.ts'
import type { Configuration } from '../common/configuration.ts'
import { MillraceError } from '../common/errors.ts'

export interface CheckpointSettings {
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly minPauseMs: number
  readonly maxConcurrent: number
  readonly tolerableFailures: number
  readonly numRetained: number
  readonly mode: 'aligned' | 'unaligned' | 'at-least-once'
  /** Aligned: after how long a barrier may overtake; Infinity: never. */
  readonly alignTimeoutMs: number
  readonly savepointDirectory: string | undefined
}

/** Between checkpoints of a job that has a job directory and sets no interval. */
export const intervalTextDefault = '10 s'

/** Undefined where the job takes no checkpoints: no interval is set. */
export function checkpointSettings(configuration: Configuration): CheckpointSettings | undefined {
  const intervalMs = configuration.get(configOptions.checkpointInterval)
  if (intervalMs === undefined) return undefined
  const isUnaligned = configuration.get(configOptions.unaligned)
  const maxConcurrent = configuration.get(configOptions.checkpointMaxConcurrent)
  const isExactlyOnce = configuration.get(configOptions.checkpointMode) === 'exactly-once'
  if (isUnaligned && maxConcurrent > 1) {
    throw new MillraceError(
      'MR_CONFIG_INVALID_VALUE',
      `${configOptions.checkpointMaxConcurrent.key} must be 1 with unaligned checkpoints, got ${maxConcurrent}`,
    )
  }
  if (isUnaligned && !isExactlyOnce) {
    throw new MillraceError(
      'MR_CONFIG_INVALID_VALUE',
      `${configOptions.unaligned.key} needs ${configOptions.checkpointMode.key} exactly-once`,
    )
  }
  const alignTimeoutMs = isUnaligned ? configuration.get(configOptions.alignedTimeout) : Number.POSITIVE_INFINITY
  return {
    intervalMs,
    timeoutMs: configuration.get(configOptions.checkpointTimeout),
    minPauseMs: configuration.get(configOptions.checkpointMinPause),
    maxConcurrent,
    tolerableFailures: configuration.get(configOptions.checkpointTolerableFailures),
    numRetained: configuration.get(configOptions.checkpointsRetained),
    mode: !isExactlyOnce ? 'at-least-once' : isUnaligned && alignTimeoutMs === 0 ? 'unaligned' : 'aligned',
    alignTimeoutMs,
    savepointDirectory: configuration.get(configOptions.savepointDir),
  }
}
