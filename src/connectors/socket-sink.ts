/** Records as lines to a TCP server (Flink's writeToSocket). At least once where the server takes all that is sent. */
import { connect, type Socket } from 'node:net'
import { MillraceError } from '../common/errors.ts'
import { Progress } from '../common/progress.ts'
import type { OperatorContext } from '../operators/operator.ts'
import { type Encoder, encoderFor, type RowFormat } from './formats/encoders.ts'
import type { Sink, SinkWriter } from './sink.ts'

/** Where lines are sent, and how often a lost connection is tried again. */
export interface SocketSinkOptions<T> {
  readonly host: string
  readonly port: number
  /** Default 'text'. */
  readonly format?: RowFormat<T>
  /** After each record. Default `\n`. */
  readonly delimiter?: string
  /** How often a connection that cannot be made, or breaks, is tried again. Default 3. */
  readonly maxRetries?: number
  /** Default 500. */
  readonly retryDelayMs?: number
}

/** UTF-16 units gathered before they are sent. */
const chunkCharsMax = 64 << 10
/** UTF-16 units that wait while a chunk is under way, before the sink says that it is full. */
const waitingCharsMax = 256 << 10

/**
 * Sends each record as a line to `host:port`, from every subtask over a connection of its own. A chunk whose sending
 * broke off is sent again over a new connection. MR_SINK_FAILED when the retries are used up.
 * @example words.sinkTo(socketSink({ host: 'localhost', port: 9998 }))
 */
export function socketSink<T>(options: SocketSinkOptions<T>): Sink<T, never, never> {
  return {
    name: `socketSink(${options.host}:${options.port})`,
    createWriter: (context) => new SocketWriter<T>(options, context),
  }
}

class SocketWriter<T> implements SinkWriter<T, never, never> {
  readonly #options: SocketSinkOptions<T>
  readonly #context: OperatorContext
  readonly #encode: Encoder<T>
  readonly #delimiter: string
  #socket: Socket | undefined
  #isConnected = false
  #retryTimer: NodeJS.Timeout | undefined
  #retries = 0
  #lines: string[] = []
  #chars = 0
  /** The chunk that is being sent. */
  #chunk: string | undefined
  #hold: { release(): void } | undefined
  #failure: MillraceError | undefined
  #isClosed = false

  constructor(options: SocketSinkOptions<T>, context: OperatorContext) {
    this.#options = options
    this.#context = context
    this.#encode = encoderFor(options.format ?? 'text')
    this.#delimiter = options.delimiter ?? '\n'
  }

  open(): void {
    this.#connect()
  }

  write(value: T): void {
    const line = this.#encode(value)
    this.#lines.push(line)
    this.#chars += line.length + 1
    if (this.#chars >= chunkCharsMax) this.#send()
  }

  isFull(): boolean {
    return this.#chunk !== undefined && this.#chars >= waitingCharsMax
  }

  endOfBatch(): void {
    this.#send()
  }

  flush(): Progress {
    if (this.#failure !== undefined) throw this.#failure
    this.#send()
    return this.#chunk === undefined ? Progress.Done : Progress.Blocked
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#retryTimer)
    if (this.#chunk === undefined && this.#failure === undefined) this.#socket?.end()
    else this.#socket?.destroy()
    this.#hold?.release()
  }

  #send(): void {
    if (this.#chunk !== undefined || this.#lines.length === 0) return
    this.#lines.push('')
    this.#chunk = this.#lines.join(this.#delimiter)
    this.#lines = []
    this.#chars = 0
    this.#hold = this.#context.holdAsync()
    if (this.#isConnected) this.#transmit()
  }

  #transmit(): void {
    if (this.#chunk === undefined) return
    this.#socket?.write(this.#chunk, (error) => {
      if (error !== undefined && error !== null) return
      this.#chunk = undefined
      this.#retries = 0
      this.#hold?.release()
      this.#hold = undefined
      if (!this.#isClosed) this.#context.post(() => this.#send())
    })
  }

  #connect(): void {
    const { host, port } = this.#options
    const socket = connect(port, host, () => {
      this.#isConnected = true
      this.#transmit()
    })
    this.#socket = socket
    let isOver = false
    const over = (error: Error): void => {
      if (isOver) return
      isOver = true
      this.#isConnected = false
      socket.destroy()
      this.#retry(error)
    }
    socket.on('error', over)
    socket.on('close', () => over(new Error('the server closed the connection')))
    socket.resume()
  }

  #retry(error: Error): void {
    if (this.#isClosed) return
    const { host, port, maxRetries = 3, retryDelayMs = 500 } = this.#options
    if (this.#retries < maxRetries) {
      this.#retries++
      this.#retryTimer = setTimeout(() => this.#connect(), retryDelayMs)
      return
    }
    const tries = maxRetries === 0 ? '' : ` after ${maxRetries} retries`
    const message = `cannot write to ${host}:${port}${tries}: ${error.message}`
    const failure = new MillraceError('MR_SINK_FAILED', message, { cause: error })
    this.#failure = failure
    this.#context.post(() => {
      throw failure
    })
  }
}
