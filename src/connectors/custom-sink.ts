/** A sink out of the user's own functions. */
import { asMillraceError, type MillraceError } from '../common/errors.ts'
import { Progress } from '../common/progress.ts'
import type { OperatorContext, TaskInfo } from '../operators/operator.ts'
import type { Sink, SinkWriter } from './sink.ts'

/** The functions of a sink of one's own. */
export interface CustomSinkFunctions<T, Handle> {
  readonly name?: string
  /** Runs once per subtask before the first record; what it answers is given to the other functions. */
  open?(task: TaskInfo): Handle | Promise<Handle>
  /** Where it answers a promise, the sink takes no more records until that has resolved. */
  write(value: T, handle: Handle): void | Promise<void>
  /** Before each snapshot and at the end: whatever was written must have arrived when it resolves. */
  flush?(handle: Handle): void | Promise<void>
  close?(handle: Handle): void | Promise<void>
}

/**
 * Calls the given functions in each subtask. At least once where checkpoints are on and `write` (or `flush`) lets the
 * record arrive before it resolves. A rejected promise fails the task with MR_SINK_FAILED.
 * @example
 * import { closeSync, openSync, writeSync } from 'node:fs'
 * words.sinkTo(customSink({ open: () => openSync('x', 'a'), write: (v, fd) => void writeSync(fd, `${v}\n`), close: closeSync }))
 */
export function customSink<T, Handle = undefined>(functions: CustomSinkFunctions<T, Handle>): Sink<T, never, never> {
  return {
    name: functions.name ?? 'customSink',
    createWriter: (context) => new CustomWriter(functions, context),
  }
}

class CustomWriter<T, Handle> implements SinkWriter<T, never, never> {
  readonly #functions: CustomSinkFunctions<T, Handle>
  readonly #context: OperatorContext
  #handle: Handle | undefined
  #isOpen = false
  /** Calls under way. */
  #pending = 0
  #hold: { release(): void } | undefined
  #failure: MillraceError | undefined
  #flush: 'idle' | 'running' | 'done' = 'idle'

  constructor(functions: CustomSinkFunctions<T, Handle>, context: OperatorContext) {
    this.#functions = functions
    this.#context = context
  }

  async open(): Promise<void> {
    this.#handle = await this.#functions.open?.(this.#context.task)
    this.#isOpen = true
  }

  write(value: T): void {
    const result = this.#functions.write(value, this.#handle as Handle)
    if (result instanceof Promise) this.#await(result)
  }

  isFull(): boolean {
    return this.#pending > 0
  }

  flush(): Progress {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#pending > 0) return Progress.Blocked
    if (this.#flush === 'idle') {
      const result = this.#functions.flush?.(this.#handle as Handle)
      if (result instanceof Promise) {
        this.#flush = 'running'
        this.#await(result.then(() => void (this.#flush = 'done')))
        return Progress.Blocked
      }
    }
    this.#flush = 'idle'
    return Progress.Done
  }

  async close(): Promise<void> {
    this.#hold?.release()
    if (!this.#isOpen) return
    this.#isOpen = false
    await this.#functions.close?.(this.#handle as Handle)
  }

  #await(result: Promise<void>): void {
    this.#hold ??= this.#context.holdAsync()
    this.#pending++
    result.then(
      () => this.#settle(),
      (error: unknown) => {
        const failure = asMillraceError(error, 'MR_SINK_FAILED')
        this.#failure = failure
        this.#settle()
        this.#context.post(() => {
          throw failure
        })
      },
    )
  }

  #settle(): void {
    if (--this.#pending > 0) return
    this.#hold?.release()
    this.#hold = undefined
    this.#context.post(() => {})
  }
}
