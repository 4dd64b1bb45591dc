/** A sink out of the user's own functions. */
import { Progress } from '../common/progress.ts'
import type { OperatorContext, TaskInfo } from '../operators/operator.ts'
import { CallsInTurn } from './calls-in-turn.ts'
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
  readonly #calls: CallsInTurn<T>
  #handle: Handle | undefined
  #isOpen = false
  #flush: 'idle' | 'running' | 'done' = 'idle'

  constructor(functions: CustomSinkFunctions<T, Handle>, context: OperatorContext) {
    this.#functions = functions
    this.#context = context
    this.#calls = new CallsInTurn(context, (value) => functions.write(value, this.#handle as Handle))
  }

  async open(): Promise<void> {
    this.#handle = await this.#functions.open?.(this.#context.task)
    this.#isOpen = true
  }

  write(value: T, timestampMs: number): void {
    this.#calls.add(value, timestampMs)
  }

  isFull(): boolean {
    return this.#calls.isBusy
  }

  flush(): Progress {
    this.#calls.throwIfFailed()
    if (this.#calls.isBusy) return Progress.Blocked
    if (this.#flush === 'idle') {
      const result = this.#functions.flush?.(this.#handle as Handle)
      if (result instanceof Promise) {
        this.#flush = 'running'
        this.#calls.track(result.then(() => void (this.#flush = 'done')))
        return Progress.Blocked
      }
    }
    this.#flush = 'idle'
    return Progress.Done
  }

  async close(): Promise<void> {
    this.#calls.close()
    if (!this.#isOpen) return
    this.#isOpen = false
    await this.#functions.close?.(this.#handle as Handle)
  }
}
