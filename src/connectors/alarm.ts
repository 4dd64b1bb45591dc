/** Wakes a task after a while: for what waits for time, not for input. The slot's event loop gets turns until then. */
import { systemTimers } from '../common/timers.ts'
import type { OperatorContext } from '../operators/operator.ts'

type AlarmContext = Pick<OperatorContext, 'post' | 'holdAsync' | 'timers'>

export class Alarm {
  readonly #context: AlarmContext
  #cancel: (() => void) | undefined
  #hold: { release(): void } | undefined

  constructor(context: AlarmContext) {
    this.#context = context
  }

  /** Runs `mail` in the task after `delayMs`; does nothing where the alarm is set already. */
  set(delayMs: number, mail: () => void = () => {}): void {
    if (this.#cancel !== undefined) return
    this.#hold = this.#context.holdAsync()
    this.#cancel = (this.#context.timers ?? systemTimers).after(delayMs, () => {
      this.clear()
      this.#context.post(mail)
    })
  }

  clear(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#hold?.release()
    this.#hold = undefined
  }
}
