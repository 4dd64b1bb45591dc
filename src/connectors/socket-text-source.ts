/**
 * Text lines from a TCP server (Flink's socketTextStream). One subtask; what was sent before a failure is not sent again:
 * at most once. The input ends when the server closes the connection cleanly.
 */
import { connect, type Socket } from 'node:net'
import { StringDecoder } from 'node:string_decoder'
import { MillraceError } from '../common/errors.ts'
import type { Progress } from '../common/progress.ts'
import { types } from '../data/types.ts'
import type { OperatorContext, Output } from '../operators/operator.ts'
import { ArrivalQueue } from './arrival-queue.ts'
import type { Source, SourceReader } from './source.ts'
import { SplitQueue } from './split-queue.ts'

/** Where lines come from, and how often a lost connection is tried again. */
export interface SocketTextOptions {
  readonly host: string
  readonly port: number
  /** Default `\n`, which also takes a carriage return before it away. */
  readonly delimiter?: string
  /** How often a connection that cannot be made, or breaks, is tried again; Infinity: for ever. Default 3. */
  readonly maxRetries?: number
  /** Default 500. */
  readonly retryDelayMs?: number
}

export interface SocketSplit {
  readonly host: string
  readonly port: number
}

const maxRetriesDefault = 3
const retryDelayMsDefault = 500
/** Lines that wait for the task at most, before the socket is paused. */
const queuedLinesMax = 16_384
/** A line that does not end within so many UTF-16 units is refused. */
const lineCharsMax = 64 << 20

/**
 * Lines of text from `host:port`. Errors: MR_SOURCE_UNREACHABLE when the retries are used up (they count anew after each
 * connection that brought data), MR_FORMAT_MALFORMED for a line without end.
 * @example env.source(socketText({ host: 'localhost', port: 9999 }))
 */
export function socketText(options: SocketTextOptions): Source<string, SocketSplit> {
  const { host, port } = options
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new MillraceError('MR_CONFIG_INVALID_VALUE', `port must be a whole number in 1 … 65535, got ${port}`)
  }
  if (options.delimiter === '') throw new MillraceError('MR_CONFIG_INVALID_VALUE', 'delimiter must not be empty')
  return {
    name: `socketText(${host}:${port})`,
    boundedness: 'unbounded',
    type: types.text(),
    maxParallelism: 1,
    delivery: 'at-most-once',
    assignment: 'all',
    enumerateSplits: () => [{ host, port }],
    createReader: (context) => new SocketTextReader(options, context),
  }
}

class SocketTextReader implements SourceReader<string, SocketSplit> {
  readonly #delimiter: string
  readonly #maxRetries: number
  readonly #retryDelayMs: number
  readonly #queue: ArrivalQueue<string>
  readonly #splits = new SplitQueue<SocketSplit>()
  #current: SocketSplit | undefined
  #socket: Socket | undefined
  #retryTimer: NodeJS.Timeout | undefined
  #retries = 0
  #decoder = new StringDecoder('utf8')
  #partial = ''

  constructor(options: SocketTextOptions, context: OperatorContext) {
    this.#delimiter = options.delimiter ?? '\n'
    this.#maxRetries = options.maxRetries ?? maxRetriesDefault
    this.#retryDelayMs = options.retryDelayMs ?? retryDelayMsDefault
    this.#queue = new ArrivalQueue(queuedLinesMax, context)
  }

  addSplits(splits: readonly SocketSplit[]): void {
    this.#splits.add(splits)
  }

  noMoreSplits(): void {
    this.#splits.complete()
  }

  needsSplit(): boolean {
    return this.#current === undefined && this.#splits.needsSplit
  }

  poll(output: Output<string>, recordsMax: number): Progress {
    if (this.#current === undefined) {
      this.#current = this.#splits.take()
      if (this.#current === undefined) return this.#splits.progressWhenEmpty
      this.#queue.begin()
      this.#connect(this.#current)
    }
    return this.#queue.emit(output, recordsMax)
  }

  #connect(server: SocketSplit): void {
    const socket = connect(server.port, server.host)
    this.#socket = socket
    this.#decoder = new StringDecoder('utf8')
    socket.on('data', (bytes: Buffer) => this.#accept(socket, bytes))
    socket.on('end', () => this.#finish())
    socket.on('error', (error) => this.#retry(server, error))
  }

  #accept(socket: Socket, bytes: Buffer): void {
    this.#retries = 0
    const text = this.#partial + this.#decoder.write(bytes)
    const delimiter = this.#delimiter
    let isFull = false
    let start = 0
    for (let end = text.indexOf(delimiter); end >= 0; end = text.indexOf(delimiter, start)) {
      isFull = this.#queue.put(this.#lineOf(text.slice(start, end)))
      start = end + delimiter.length
    }
    this.#partial = text.slice(start)
    if (this.#partial.length > lineCharsMax) this.#refuseLine(socket)
    else if (isFull) {
      socket.pause()
      void this.#queue.room().then(() => socket.resume())
    }
  }

  #lineOf(text: string): string {
    return this.#delimiter === '\n' && text.endsWith('\r') ? text.slice(0, -1) : text
  }

  /** The server closed cleanly: what came after the last delimiter is a line as well. */
  #finish(): void {
    const rest = this.#partial + this.#decoder.end()
    this.#partial = ''
    if (rest !== '') this.#queue.put(this.#lineOf(rest))
    this.#queue.end()
  }

  #refuseLine(socket: Socket): void {
    socket.destroy()
    const message = `a line from ${this.#place()} is longer than ${lineCharsMax} characters`
    this.#queue.fail(new MillraceError('MR_FORMAT_MALFORMED', message))
  }

  #retry(server: SocketSplit, error: Error): void {
    this.#socket?.destroy()
    if (this.#queue.isClosed) return
    this.#partial = ''
    if (this.#retries < this.#maxRetries) {
      this.#retries++
      this.#retryTimer = setTimeout(() => this.#connect(server), this.#retryDelayMs)
      return
    }
    const tries = this.#maxRetries === 0 ? '' : ` after ${this.#maxRetries} retries`
    const message = `cannot read from ${this.#place()}${tries}: ${error.message}`
    this.#queue.fail(new MillraceError('MR_SOURCE_UNREACHABLE', message, { cause: error }))
  }

  #place(): string {
    return `${this.#current?.host}:${this.#current?.port}`
  }

  snapshot(): readonly SocketSplit[] {
    return this.#current === undefined ? [...this.#splits.remaining()] : [this.#current]
  }

  close(): void {
    this.#queue.close()
    clearTimeout(this.#retryTimer)
    this.#socket?.destroy()
  }
}
