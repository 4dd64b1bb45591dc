/** Asserts for programmer's errors. They stay on in production: per batch, never per record. */
import { MillraceError } from './errors.ts'

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new MillraceError('MR_INTERNAL', message)
}

/** For the default branch of a switch over a closed union: a new member does not compile until it is handled. */
export function unreachable(value: never): never {
  throw new MillraceError('MR_INTERNAL', `unreachable: ${String(value)}`)
}
