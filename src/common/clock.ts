/** Time comes in through this door, so that a whole job can be simulated. All values are milliseconds. */
export interface Clock {
  /** Wall-clock time since the epoch: Flink's processing time. */
  nowMs(): number
  /** Monotonic time for measuring durations; fractional. */
  monotonicMs(): number
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}
