/**
 * A source over anything that can be iterated: async generators, Node Readables, web ReadableStreams, plain iterables.
 * Not replayable: after a recovery the factory is called again and whatever it gives then is read (at most once, unless
 * the factory itself can go back).
 */
import { asMillraceError } from '../common/errors.ts'
import { Progress } from '../common/progress.ts'
import type { TypeInformation } from '../data/types.ts'
import type { OperatorContext, Output } from '../operators/operator.ts'
import { ArrivalQueue } from './arrival-queue.ts'
import type { Source, SourceReader } from './source.ts'
import { SplitQueue } from './split-queue.ts'

/** Anything that gives its values one after the other. */
export type IterableLike<T> = AsyncIterable<T> | Iterable<T> | ReadableStream<T>

export interface IterableSubtask {
  readonly subtaskIndex: number
  readonly parallelism: number
}

/** How an iterable is read. */
export interface FromAsyncIterableOptions<T> {
  readonly type?: TypeInformation<T>
  /** Default 'unbounded': it may end, but nobody promises. 'bounded' lets the job run as a batch. */
  readonly boundedness?: 'bounded' | 'unbounded'
  /** How many subtasks call the factory, each with its index. Default 1. */
  readonly maxParallelism?: number
  /** Values read ahead at most. Default 1024. */
  readonly queuedRecordsMax?: number
}

export interface SubtaskSplit {
  readonly index: number
}

/**
 * Reads what `factory` gives. It is called in the slot, since iterables cannot travel to it. MR_USER_FUNCTION_FAILED
 * where the factory or the iteration throws.
 * @example env.source(fromAsyncIterable(() => process.stdin))
 */
export function fromAsyncIterable<T>(
  factory: (subtask: IterableSubtask) => IterableLike<T> | Promise<IterableLike<T>>,
  options: FromAsyncIterableOptions<T> = {},
): Source<T, SubtaskSplit> {
  const queuedRecordsMax = options.queuedRecordsMax ?? 1024
  return {
    name: 'fromAsyncIterable',
    boundedness: options.boundedness ?? 'unbounded',
    type: options.type,
    maxParallelism: options.maxParallelism ?? 1,
    delivery: 'at-most-once',
    assignment: 'all',
    enumerateSplits: ({ parallelism }) => Array.from({ length: parallelism }, (_, index) => ({ index })),
    createReader: (context) => new IterableReader(factory, queuedRecordsMax, context),
  }
}

class IterableReader<T> implements SourceReader<T, SubtaskSplit> {
  readonly #factory: (subtask: IterableSubtask) => IterableLike<T> | Promise<IterableLike<T>>
  readonly #context: OperatorContext
  readonly #splits = new SplitQueue<SubtaskSplit>()
  readonly #queue: ArrivalQueue<T>
  #current: SubtaskSplit | undefined
  #iterator: AsyncIterator<T> | Iterator<T> | undefined

  constructor(
    factory: (subtask: IterableSubtask) => IterableLike<T> | Promise<IterableLike<T>>,
    queuedRecordsMax: number,
    context: OperatorContext,
  ) {
    this.#factory = factory
    this.#context = context
    this.#queue = new ArrivalQueue(queuedRecordsMax, context)
  }

  addSplits(splits: readonly SubtaskSplit[]): void {
    this.#splits.add(splits)
  }

  noMoreSplits(): void {
    this.#splits.complete()
  }

  needsSplit(): boolean {
    return this.#current === undefined && this.#splits.needsSplit
  }

  poll(output: Output<T>, recordsMax: number): Progress {
    if (this.#current === undefined) {
      this.#current = this.#splits.take()
      if (this.#current === undefined) return this.#splits.progressWhenEmpty
      this.#queue.begin()
      void this.#pump(this.#current)
    }
    const progress = this.#queue.emit(output, recordsMax)
    if (progress !== Progress.Done) return progress
    this.#current = undefined
    this.#iterator = undefined
    return this.#splits.isEmpty ? this.#splits.progressWhenEmpty : Progress.Working
  }

  async #pump(split: SubtaskSplit): Promise<void> {
    const queue = this.#queue
    try {
      const iterable = await this.#factory({ subtaskIndex: split.index, parallelism: this.#context.task.parallelism })
      const iterator = iteratorOf(iterable)
      this.#iterator = iterator
      while (!queue.isClosed) {
        const result = await iterator.next()
        if (result.done === true) break
        if (queue.put(result.value)) await queue.room()
      }
      queue.end()
    } catch (error) {
      queue.fail(asMillraceError(error, 'MR_USER_FUNCTION_FAILED'))
    }
  }

  snapshot(): readonly SubtaskSplit[] {
    return this.#current === undefined ? [...this.#splits.remaining()] : [this.#current, ...this.#splits.remaining()]
  }

  /** Lets the iterable clean up, without waiting for one that never answers. */
  close(): void {
    this.#queue.close()
    const iterator = this.#iterator
    this.#iterator = undefined
    void Promise.resolve(iterator?.return?.()).catch(() => {})
  }
}

function iteratorOf<T>(iterable: IterableLike<T>): AsyncIterator<T> | Iterator<T> {
  if (Symbol.asyncIterator in iterable) return (iterable as AsyncIterable<T>)[Symbol.asyncIterator]()
  if (Symbol.iterator in iterable) return iterable[Symbol.iterator]()
  throw new TypeError('the factory of fromAsyncIterable must answer an iterable, an async iterable or a stream')
}
