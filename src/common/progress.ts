/**
 * What a step of a step machine achieved. Whatever runs in a slot is such a machine: it never blocks, and full is a
 * return value. `Blocked` means: an output has no space; call again with the same arguments once it has.
 */
export const Progress = {
  /** Worked, and there is more to do now. */
  Working: 0,
  /** Nothing to do until input, a timer or a mail arrives. */
  Idle: 1,
  /** An output is full. */
  Blocked: 2,
  /** Finished for good (of a task), or finished what was asked (of an operator's resumable call). */
  Done: 3,
} as const
export type Progress = (typeof Progress)[keyof typeof Progress]
