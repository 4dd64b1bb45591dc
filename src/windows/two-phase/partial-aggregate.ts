/**
 * What travels between the two phases of a window: the records of one key, and of one slice or one stretch of a session,
 * folded into an accumulator by the producing task. Its timestamp is the start of the slice or stretch, so that the
 * window operator finds the same slice or session that each of its records would have found.
 */
import type { TypeInformation } from '../../data/types.ts'
import { types } from '../../data/types.ts'
import type { Incremental } from '../incremental.ts'

export interface PartialAggregate<Acc> {
  readonly key: unknown
  /** Belongs to whoever receives it. */
  readonly accumulator: Acc
}

/** A stretch of a session. */
export interface PartialSession<Acc> extends PartialAggregate<Acc> {
  /** From its first record to the end of its last record's gap, in ms. */
  readonly lengthMs: number
}

export const keyOfPartial = (partial: PartialAggregate<unknown>): unknown => partial.key

/** Type of the partials, where key and accumulator have declared ones. */
export function partialType(
  shape: 'slices' | 'sessions',
  key: TypeInformation<unknown> | undefined,
  accumulator: TypeInformation<unknown> | undefined,
): TypeInformation<unknown> | undefined {
  if (key === undefined || accumulator === undefined) return undefined
  return shape === 'slices'
    ? types.row({ key, accumulator })
    : types.row({ key, accumulator, lengthMs: types.float64() })
}

/** The second phase: takes partials where `incremental` takes records, and keeps the same state. */
export function mergingPartials<In, Acc, Mid>(
  incremental: Incremental<In, Acc, Mid>,
): Incremental<PartialAggregate<Acc>, Acc, Mid> {
  const merge = incremental.merge!
  return {
    ...incremental,
    first: (partial) => partial.accumulator,
    add: (partial, accumulator) => merge(accumulator, partial.accumulator),
    inline: {
      bindings: { merge },
      first: 'value.accumulator',
      add: 'merge(accumulator, value.accumulator)',
    },
  }
}
