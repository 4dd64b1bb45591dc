/** Prints records to standard output, one a line, as Flink's print does. */
import { writeSync } from 'node:fs'
import { Progress } from '../common/progress.ts'
import type { OperatorContext } from '../operators/operator.ts'
import { encodeText } from './formats/encoders.ts'
import type { Sink, SinkWriter } from './sink.ts'

export interface PrintOptions {
  /** Put before every line, followed by `> `. */
  readonly prefix?: string
  /** Default 'stdout'. */
  readonly stream?: 'stdout' | 'stderr'
  /** Where the text goes instead of the stream. Called in the slot's thread. */
  readonly write?: (text: string) => void
}

/** Lines that are gathered before they are written. */
const linesMax = 1024

/**
 * Prints every record: text as it is, objects as JSON. With several subtasks each line begins with the number of its
 * subtask, from 1, as in Flink: `prefix:2> record`.
 * @example stream.sinkTo(print())
 */
export function print<T>(options: PrintOptions = {}): Sink<T, never, never> {
  const write = options.write ?? ((text: string) => writeWhole(options.stream === 'stderr' ? 2 : 1, text))
  return {
    name: options.stream === 'stderr' ? 'print to stderr' : 'print',
    createWriter: (context) => new PrintWriter<T>(linePrefix(options.prefix, context), write),
  }
}

function linePrefix(prefix: string | undefined, context: OperatorContext): string {
  const { subtaskIndex, parallelism } = context.task
  const parts = [...(prefix === undefined ? [] : [prefix]), ...(parallelism > 1 ? [String(subtaskIndex + 1)] : [])]
  return parts.length === 0 ? '' : `${parts.join(':')}> `
}

class PrintWriter<T> implements SinkWriter<T, never, never> {
  readonly #prefix: string
  readonly #write: (text: string) => void
  #lines: string[] = []

  constructor(prefix: string, write: (text: string) => void) {
    this.#prefix = prefix
    this.#write = write
  }

  write(value: T): void {
    this.#lines.push(this.#prefix + encodeText(value))
    if (this.#lines.length >= linesMax) this.endOfBatch()
  }

  endOfBatch(): void {
    if (this.#lines.length === 0) return
    const text = `${this.#lines.join('\n')}\n`
    this.#lines = []
    this.#write(text)
  }

  flush(): Progress {
    this.endOfBatch()
    return Progress.Done
  }

  close(): void {
    this.endOfBatch()
  }
}

/**
 * Straight to the descriptor: a worker's process.stdout goes through the main thread and is lost where the worker ends.
 * A pipe may be non-blocking (EAGAIN): wait a little and go on. A closed pipe (EPIPE) swallows the rest.
 */
function writeWhole(fd: number, text: string): void {
  let bytes = Buffer.from(text, 'utf8')
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EPIPE') return
      if (code !== 'EAGAIN') throw error
      Atomics.wait(pauseCell, 0, 0, 1)
    }
  }
}

const pauseCell = new Int32Array(new SharedArrayBuffer(4))
