/** Drives a source as a slot does: assigns splits on request to several readers in turn, and collects what they emit. */
import { noTimestamp } from '../../src/common/limits.ts'
import { Progress } from '../../src/common/progress.ts'
import type { Source, SourceReader } from '../../src/connectors/source.ts'
import type { ReaderOutput } from '../../src/operators/operator.ts'
import { type ConnectorContext, connectorContext } from './connector-context.ts'

/** Keeps everything; full after `room` records until `drain`. */
export class ListOutput<T> implements ReaderOutput<T> {
  readonly values: T[] = []
  readonly timestamps: number[] = []
  /** Outputs of splits that are not released, and every one there was. */
  readonly splits: Set<string> = new Set()
  readonly splitsEver: string[] = []
  readonly side: { readonly id: string; readonly value: unknown }[] = []
  #room: number
  #left: number

  constructor(room: number = Number.POSITIVE_INFINITY) {
    this.#room = room
    this.#left = room
  }

  collect(value: T): void {
    this.collectAt(value, noTimestamp)
  }

  collectAt(value: T, timestampMs: number): void {
    this.values.push(value)
    this.timestamps.push(timestampMs)
    this.#left--
  }

  collectSide(tag: { readonly id: string }, value: unknown): void {
    this.side.push({ id: tag.id, value })
  }

  createOutputForSplit(splitId: string): this {
    if (!this.splits.has(splitId)) this.splitsEver.push(splitId)
    this.splits.add(splitId)
    return this
  }

  releaseOutputForSplit(splitId: string): void {
    this.splits.delete(splitId)
  }

  emitWatermark(): void {}
  emitStatus(): void {}

  isFull(): boolean {
    return this.#left <= 0
  }

  drain(): void {
    this.#left = this.#room
  }
}

export interface ReadOptions {
  readonly parallelism?: number
  /** Records per poll. */
  readonly recordsMax?: number
  /** The output is full after so many records. */
  readonly room?: number
  /** After each poll that worked, the reader is thrown away and a new one continues from its snapshot. */
  readonly restoresAfterPoll?: boolean
}

export interface ReadResult<T> {
  /** What each subtask emitted, in order. */
  readonly outputs: readonly ListOutput<T>[]
  readonly all: readonly T[]
  readonly contexts: readonly ConnectorContext[]
}

export async function readSource<T, S>(source: Source<T, S>, options: ReadOptions = {}): Promise<ReadResult<T>> {
  const parallelism = Math.min(options.parallelism ?? 1, source.maxParallelism ?? Number.POSITIVE_INFINITY)
  const splits = structuredClone([...(await source.enumerateSplits({ parallelism }))])
  const contexts = Array.from({ length: parallelism }, (_, subtaskIndex) =>
    connectorContext({ subtaskIndex, parallelism }),
  )
  const outputs = contexts.map(() => new ListOutput<T>(options.room))
  const readers: SourceReader<T, S>[] = []
  for (const context of contexts) readers.push(await opened(source, context))
  const isOver = readers.map(() => false)
  if (source.assignment === 'all') {
    for (const [i, split] of splits.splice(0).entries()) readers[i % parallelism]?.addSplits([split])
    for (const reader of readers) reader.noMoreSplits()
  }
  try {
    while (isOver.includes(false)) {
      let worked = false
      for (let i = 0; i < parallelism; i++) {
        if (isOver[i]) continue
        const context = contexts[i] as ConnectorContext
        const output = outputs[i] as ListOutput<T>
        let reader = readers[i] as SourceReader<T, S>
        if (reader.needsSplit()) {
          const split = splits.shift()
          if (split === undefined) reader.noMoreSplits()
          else reader.addSplits([split])
        }
        if (context.runMails() > 0) worked = true
        const progress = reader.poll(output, options.recordsMax ?? 4096)
        output.drain()
        if (progress === Progress.Working || reader.needsSplit()) worked = true
        if (progress === Progress.Done) {
          isOver[i] = true
          worked = true
        } else if (options.restoresAfterPoll === true && progress === Progress.Working) {
          const snapshot = structuredClone(reader.snapshot())
          await reader.close?.()
          reader = await opened(source, context)
          reader.addSplits(snapshot)
          if (splits.length === 0) reader.noMoreSplits()
          readers[i] = reader
        }
      }
      if (!worked) await Promise.race(contexts.filter((_, i) => !isOver[i]).map((context) => context.mailPosted()))
    }
  } finally {
    for (const reader of readers) await reader.close?.()
  }
  return { outputs, all: outputs.flatMap((output) => output.values), contexts }
}

async function opened<T, S>(source: Source<T, S>, context: ConnectorContext): Promise<SourceReader<T, S>> {
  const reader = source.createReader(context)
  await reader.open?.()
  return reader
}
