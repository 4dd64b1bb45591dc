/**
 * Records handed to a function of the user that may answer promises, one after the other: what comes while one is under
 * way (a function before the sink gives several for one) waits for it. Slot's thread; hot where nothing is awaited.
 *
 * Invariants
 * 1. While `isBusy` the caller gives no more than what one record of its own leads to, so that few wait.
 * 2. After a failure nothing that waits is begun any more; the task is failed with it.
 */
import { asMillraceError, type MillraceError } from '../common/errors.ts'
import type { OperatorContext } from '../operators/operator.ts'

export class CallsInTurn<T> {
  readonly #context: OperatorContext
  readonly #call: (value: T, timestampMs: number) => void | Promise<void>
  readonly #waiting: { readonly value: T; readonly timestampMs: number }[] = []
  #underWay = 0
  #hold: { release(): void } | undefined
  #failure: MillraceError | undefined
  #isClosed = false

  constructor(context: OperatorContext, call: (value: T, timestampMs: number) => void | Promise<void>) {
    this.#context = context
    this.#call = call
  }

  get isBusy(): boolean {
    return this.#underWay > 0
  }

  /** MR_SINK_FAILED, or the failure's own code, where a promise was rejected. */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  add(value: T, timestampMs: number): void {
    if (this.#underWay > 0) this.#waiting.push({ value, timestampMs })
    else this.#start(value, timestampMs)
  }

  /** Something else that must be over before the next record is taken. */
  track(work: Promise<void>): void {
    this.#hold ??= this.#context.holdAsync()
    this.#underWay++
    work.then(
      () => this.#settle(),
      (error: unknown) => {
        this.#fail(error)
        this.#settle()
      },
    )
  }

  /** Nothing that waits is begun any more. Idempotent. */
  close(): void {
    this.#isClosed = true
    this.#waiting.length = 0
    this.#hold?.release()
    this.#hold = undefined
  }

  #start(value: T, timestampMs: number): void {
    const result = this.#call(value, timestampMs)
    if (result instanceof Promise) this.track(result)
  }

  #settle(): void {
    this.#underWay--
    try {
      while (this.#underWay === 0 && this.#waiting.length > 0) {
        const { value, timestampMs } = this.#waiting.shift()!
        this.#start(value, timestampMs)
      }
    } catch (error) {
      this.#fail(error)
    }
    if (this.#underWay > 0 || this.#isClosed) return
    this.#hold?.release()
    this.#hold = undefined
    this.#context.post(() => {})
  }

  #fail(error: unknown): void {
    const failure = asMillraceError(error, 'MR_SINK_FAILED')
    this.#failure ??= failure
    this.#waiting.length = 0
    this.#context.post(() => {
      throw failure
    })
  }
}
