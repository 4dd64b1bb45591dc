/** User functions come as plain functions or as (rich) objects with one method; operators call them as functions. */
import { MillraceError } from '../common/errors.ts'

/** `F`, or an object whose method `M` is an `F`. */
export type FunctionOr<M extends string, F> = F | { readonly [method in M]: F }

/** The function itself, or the object's method bound to it. F is given by the caller: `bindFunction<MapCall<A, B>>(…)`. */
export function bindFunction<F>(userFunction: unknown, method: string): F {
  if (typeof userFunction === 'function') return userFunction as F
  const found = (userFunction as Record<string, unknown> | null | undefined)?.[method]
  if (typeof found === 'function') return found.bind(userFunction) as F
  throw new MillraceError('MR_PLAN_INVALID', `expected a function, or an object with a method ${method}()`)
}
