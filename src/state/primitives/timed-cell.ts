/** A cell of single values with time to live, seen as a plain one: for value, reducing and aggregating state. */
import type { StateCell } from '../state-cell.ts'
import type { Timed, TimeToLive } from './time-to-live.ts'

/** The part of a cell that the primitives of single values use. */
export type SingleValue<T> = Pick<StateCell<T>, 'get' | 'set' | 'clear'>

export function timedCell<T>(cell: StateCell<Timed<T>>, ttl: TimeToLive): SingleValue<T> {
  return {
    get(): T | undefined {
      const timed = cell.get()
      const value = timed === undefined ? undefined : readTimed(cell, timed, ttl)
      ttl.cleanUp()
      return value
    },
    set(value: T): void {
      cell.set(ttl.stamped(value))
      ttl.cleanUp()
    },
    clear: () => cell.clear(),
  }
}

function readTimed<T>(cell: StateCell<Timed<T>>, timed: Timed<T>, ttl: TimeToLive): T | undefined {
  if (ttl.isExpired(timed)) {
    cell.clear()
    return ttl.returnsExpired ? timed.v : undefined
  }
  if (ttl.updatesOnRead) cell.set(ttl.stamped(timed.v))
  return timed.v
}
