/** Waiting comes in through this door, as time does by `Clock`, so that a whole job can be simulated. */

export interface Timers {
  /** Calls `run` once, after `delayMs`. Answers how to take it back, which does nothing once it has run. */
  after(delayMs: number, run: () => void): () => void
  /** A turn of the event loop: what has completed meanwhile is seen. */
  turn(): Promise<void>
}

export const systemTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
}

/** Resolves after `delayMs`. */
export function sleep(timers: Timers, delayMs: number): Promise<void> {
  return new Promise((resolve) => void timers.after(delayMs, resolve))
}

/** Whether a promise settled well within the time; its rejection is passed on. */
export async function isWithin(timers: Timers, promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let cancel = (): void => {}
  const timeout = new Promise<boolean>((resolve) => (cancel = timers.after(timeoutMs, () => resolve(false))))
  try {
    return await Promise.race([promise.then(() => true), timeout])
  } finally {
    cancel()
  }
}
