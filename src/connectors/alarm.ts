/** Wakes a task after a while: for what waits for time, not for input. The slot's event loop gets turns until then. */
import type { OperatorContext } from '../operators/operator.ts'

export class Alarm {
  readonly #context: Pick<OperatorContext, 'post' | 'holdAsync'>
  #timer: NodeJS.Timeout | undefined
  #hold: { release(): void } | undefined

  constructor(context: Pick<OperatorContext, 'post' | 'holdAsync'>) {
    this.#context = context
  }

  /** Runs `mail` in the task after `delayMs`; does nothing where the alarm is set already. */
  set(delayMs: number, mail: () => void = () => {}): void {
    if (this.#timer !== undefined) return
    this.#hold = this.#context.holdAsync()
    this.#timer = setTimeout(() => {
      this.clear()
      this.#context.post(mail)
    }, delayMs)
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#hold?.release()
    this.#hold = undefined
  }
}
