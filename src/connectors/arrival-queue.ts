/**
 * Records that arrive by callbacks, waiting for the task to poll them. Bounded: the producer is told when to pause.
 *
 * Invariants
 * 1. While it is open the slot's event loop gets turns (`holdAsync`), released at the end, on failure or by `close`.
 * 2. The task is woken when something arrives in an empty queue, and at the end.
 * 3. A failure is thrown by `emit` after what arrived before it.
 */
import { Progress } from '../common/progress.ts'
import type { OperatorContext, Output } from '../operators/operator.ts'

export class ArrivalQueue<T> {
  readonly #recordsMax: number
  readonly #context: Pick<OperatorContext, 'post' | 'holdAsync'>
  #values: T[] = []
  #head = 0
  #hasEnded = false
  #failure: unknown
  #hold: { release(): void } | undefined
  #resume: (() => void) | undefined
  #isClosed = false

  constructor(recordsMax: number, context: Pick<OperatorContext, 'post' | 'holdAsync'>) {
    this.#recordsMax = recordsMax
    this.#context = context
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  begin(): void {
    this.#hasEnded = false
    this.#hold = this.#context.holdAsync()
  }

  /** True where the queue is full: the producer should wait for `room`. */
  put(value: T): boolean {
    this.#values.push(value)
    if (this.#values.length - this.#head === 1) this.#wake()
    return this.#values.length - this.#head >= this.#recordsMax
  }

  /** Resolves when the queue is at most half full (at once where it is), or closed. */
  room(): Promise<void> {
    if (this.#isClosed || this.#values.length - this.#head <= this.#recordsMax / 2) return Promise.resolve()
    return new Promise((resolve) => {
      this.#resume = resolve
    })
  }

  end(): void {
    this.#hasEnded = true
    this.#wake()
  }

  fail(error: unknown): void {
    this.#failure = error
    this.end()
  }

  /** Idle where the queue is empty, Done where it has ended as well. */
  emit(output: Output<T>, recordsMax: number): Progress {
    const values = this.#values
    const stop = Math.min(values.length, this.#head + recordsMax)
    let head = this.#head
    while (head < stop && !output.isFull()) output.collect(values[head++] as T)
    this.#head = head
    if (head < values.length) {
      this.#makeRoom()
      return Progress.Working
    }
    this.#values = []
    this.#head = 0
    this.#makeRoom()
    if (!this.#hasEnded) return Progress.Idle
    this.#hold?.release()
    if (this.#failure !== undefined) throw this.#failure
    return Progress.Done
  }

  close(): void {
    this.#isClosed = true
    this.#hold?.release()
    this.#resume?.()
  }

  #makeRoom(): void {
    if (this.#resume === undefined || this.#values.length - this.#head > this.#recordsMax / 2) return
    const resume = this.#resume
    this.#resume = undefined
    if (this.#head > this.#recordsMax) {
      this.#values = this.#values.slice(this.#head)
      this.#head = 0
    }
    resume()
  }

  #wake(): void {
    if (!this.#isClosed) this.#context.post(() => {})
  }
}
