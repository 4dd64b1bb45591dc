/** When and how often an asynchronous call is tried again. */
import { MillraceError } from '../common/errors.ts'

/** When and how often an asynchronous call is tried again. */
export interface AsyncRetryStrategy<Out> {
  /** The first attempt included. */
  readonly attemptsMax: number
  readonly initialDelayMs: number
  /** Delays are multiplied by it from one retry to the next; 1: fixed. */
  readonly multiplier: number
  readonly delayMsMax: number
  /** Results that are tried again. Default: none. */
  readonly resultPredicate?: (results: readonly Out[]) => boolean
  /** Errors that are tried again. Default: all, unless there is a result predicate alone. */
  readonly exceptionPredicate?: (error: unknown) => boolean
}

/** Which results and errors are tried again. */
export interface RetryPredicates<Out> {
  readonly ifResult?: (results: readonly Out[]) => boolean
  readonly ifException?: (error: unknown) => boolean
}

/** @example retryStrategies.fixedDelay(3, 100), retryStrategies.exponentialBackoff(5, 100, 10_000, 2) */
export const retryStrategies = {
  fixedDelay: <Out>(attemptsMax: number, delayMs: number, predicates?: RetryPredicates<Out>): AsyncRetryStrategy<Out> =>
    strategy(attemptsMax, delayMs, delayMs, 1, predicates),
  exponentialBackoff: <Out>(
    attemptsMax: number,
    initialDelayMs: number,
    delayMsMax: number,
    multiplier: number,
    predicates?: RetryPredicates<Out>,
  ): AsyncRetryStrategy<Out> => strategy(attemptsMax, initialDelayMs, delayMsMax, multiplier, predicates),
}

/** Pause after the given attempt (from 1) has failed. */
export function retryDelayMs<Out>(strategy: AsyncRetryStrategy<Out>, attempt: number): number {
  const { initialDelayMs, multiplier, delayMsMax } = strategy
  return Math.min(initialDelayMs * multiplier ** (attempt - 1), delayMsMax)
}

function strategy<Out>(
  attemptsMax: number,
  initialDelayMs: number,
  delayMsMax: number,
  multiplier: number,
  { ifResult, ifException }: RetryPredicates<Out> = {},
): AsyncRetryStrategy<Out> {
  if (!(Number.isInteger(attemptsMax) && attemptsMax >= 1 && initialDelayMs >= 0 && multiplier >= 1)) {
    throw new MillraceError(
      'MR_PLAN_INVALID',
      `a retry strategy needs attempts >= 1, a delay >= 0 ms and a multiplier >= 1, got ${attemptsMax}, ${initialDelayMs}, ${multiplier}`,
    )
  }
  return {
    attemptsMax,
    initialDelayMs,
    delayMsMax,
    multiplier,
    ...(ifResult === undefined ? {} : { resultPredicate: ifResult }),
    ...(ifException === undefined ? {} : { exceptionPredicate: ifException }),
  }
}
