/** What the coordinator asks of whatever hosts slots: worker threads (`SlotPool`), or a simulation of them. */
import type { SlotCommand, SlotDeployment, SlotReport } from '../runtime/deployment.ts'

export interface Slots {
  /** Starts the slot that the deployment names; its reports come in their order. */
  start(deployment: SlotDeployment, onReport: (report: SlotReport) => void): RunningSlot
  close(): Promise<void>
}

/** A running slot, as the coordinator sees it. */
export interface RunningSlot {
  send(command: SlotCommand): void
  /** Resolves when the slot's function has returned and its reports have come; rejects once the thread has died. */
  readonly ended: Promise<void>
  /** Ends the thread, whatever it is doing. */
  terminate(): void
}
