/**
 * Prints records to standard output, one a line, as Flink's print does. It writes straight to the descriptor: a worker's
 * process.stdout goes through the main thread and is lost where the worker ends.
 */
import { writeSync } from 'node:fs'
import { Progress } from '../common/progress.ts'
import type { OperatorContext } from '../operators/operator.ts'
import { encodeText } from './formats/encoders.ts'
import { Alarm } from './alarm.ts'
import type { Sink, SinkWriter } from './sink.ts'

/** How records are printed, and where to. */
export interface PrintOptions {
  /** Put before every line, followed by `> `. */
  readonly prefix?: string
  /** Default 'stdout'. */
  readonly stream?: 'stdout' | 'stderr'
}

/** Lines that are gathered before they are written. */
const linesMax = 1024
/** How long to wait before a full pipe is tried again. */
const retryMs = 5

/**
 * Prints every record: text as it is, objects as JSON. With several subtasks each line begins with the number of its
 * subtask, from 1, as in Flink: `prefix:2> record`.
 * @example words.sinkTo(print())
 */
export function print<T>(options: PrintOptions = {}): Sink<T, never, never> {
  const fd = options.stream === 'stderr' ? 2 : 1
  return {
    name: fd === 2 ? 'print to stderr' : 'print',
    createWriter: (context) => new PrintWriter<T>(fd, linePrefix(options.prefix, context), context),
  }
}

function linePrefix(prefix: string | undefined, context: OperatorContext): string {
  const { subtaskIndex, parallelism } = context.task
  const parts = [...(prefix === undefined ? [] : [prefix]), ...(parallelism > 1 ? [String(subtaskIndex + 1)] : [])]
  return parts.length === 0 ? '' : `${parts.join(':')}> `
}

class PrintWriter<T> implements SinkWriter<T, never, never> {
  readonly #fd: number
  readonly #prefix: string
  readonly #alarm: Alarm
  #lines: string[] = []
  /** What a full pipe did not take. */
  #unwritten: Uint8Array = new Uint8Array()

  constructor(fd: number, prefix: string, context: OperatorContext) {
    this.#fd = fd
    this.#prefix = prefix
    this.#alarm = new Alarm(context)
  }

  write(value: T): void {
    this.#lines.push(this.#prefix + encodeText(value))
    if (this.#lines.length >= linesMax) this.endOfBatch()
  }

  isFull(): boolean {
    return this.#unwritten.length > 0
  }

  endOfBatch(): void {
    if (this.#lines.length > 0 && this.#unwritten.length === 0) {
      this.#lines.push('')
      this.#unwritten = Buffer.from(this.#lines.join('\n'), 'utf8')
      this.#lines = []
    }
    if (this.#unwritten.length > 0) this.#writeOut()
  }

  flush(): Progress {
    this.endOfBatch()
    return this.#unwritten.length > 0 ? Progress.Blocked : Progress.Done
  }

  close(): void {
    this.endOfBatch()
    this.#alarm.clear()
  }

  /** A pipe may be non-blocking: where it is full (EAGAIN) the rest is tried again later. Nobody reads it: dropped. */
  #writeOut(): void {
    try {
      while (this.#unwritten.length > 0) {
        this.#unwritten = this.#unwritten.subarray(writeSync(this.#fd, this.#unwritten))
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EPIPE') this.#unwritten = new Uint8Array()
      else if (code === 'EAGAIN') this.#alarm.set(retryMs, () => this.endOfBatch())
      else throw error
    }
  }
}
