/**
 * How many records a task takes in one step: as many as keep the step short, so that barriers, timers and commands are
 * never long in coming, however slow the user's functions are. Hot per step: one division.
 */
import { batchRecordsMax } from '../common/limits.ts'

/** What a step should last at most. */
const stepMsTarget = 4
const recordsAtFirst = 64

export class StepBudget {
  /** For the next step. */
  records: number = recordsAtFirst

  /**
   * Learns from a step that took `records` in `elapsedMs`. A source gives fewer than it may where it passes some over (of two slots,
   * each one half);
   * a step that was mostly idle says nothing of a full one.
   */
  took(records: number, elapsedMs: number): void {
    if (elapsedMs > stepMsTarget) this.records = Math.max(1, Math.floor((records * stepMsTarget) / elapsedMs))
    else if (records * 4 >= this.records && elapsedMs < stepMsTarget / 2) {
      this.records = Math.min(batchRecordsMax, this.records * 2)
    }
  }
}
