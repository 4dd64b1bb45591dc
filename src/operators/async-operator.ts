/**
 * Asynchronous calls per record (Flink's AsyncDataStream): many requests in flight, results in the order of the input or
 * as they come. Control plane per record: a promise each, made by the user's function.
 *
 * Invariants
 * 1. At most `capacity` records are in flight or wait to be emitted; more are not taken in (`isFull`).
 * 2. Ordered: results leave in the order of their records. Unordered: as they complete, but no result overtakes a
 *    watermark, and no watermark a result: `#queue` is cut into segments by watermarks and changes of status.
 * 3. Watermarks and statuses wait in the queue with the records; the operator emits them itself.
 * 4. Snapshots hold the records in flight, not the results: they are asked again after a restore.
 * 5. A record completes once: by its result, by its time-out, or by the error that fails the job.
 * 6. Time-outs and retries follow the job's clock; they are looked at in `drain`, which comes also while the operator is
 *    full.
 */
import { minWatermark } from '../common/limits.ts'
import { MillraceError } from '../common/errors.ts'
import { printValue } from '../common/print-value.ts'
import { Progress } from '../common/progress.ts'
import type { TypeInformation } from '../data/types.ts'
import type { ListState } from '../state/keyed-state-backend.ts'
import { type AsyncRetryStrategy, retryDelayMs } from './async-retry-strategy.ts'
import { BaseOperator } from './base-operator.ts'
import { bindFunction } from './bind-function.ts'
import type { OperatorContext } from './operator.ts'
import { closeFunction, openFunction, type RichFunction } from './runtime-context.ts'
import { userFunctionError } from './user-function-error.ts'

/** What an asynchronous call sees beside the record. */
export interface AsyncCallContext {
  /** Aborted where the record has timed out or the task ends. */
  readonly signal: AbortSignal
  /** 1 for the first attempt, counted up by retries. */
  readonly attempt: number
}

/** Any number of results per record. */
export type AsyncInvoke<In, Out> = (value: In, context: AsyncCallContext) => Promise<readonly Out[]>

/** Asynchronous calls, with open, close and a time-out handler. */
export interface AsyncFunction<In, Out> extends RichFunction {
  asyncInvoke(value: In, context: AsyncCallContext): Promise<readonly Out[]>
  /** Results in place of those that did not come in time. Without it a time-out fails the job (MR_RUNTIME_TIMEOUT). */
  timeout?(value: In): readonly Out[]
}

export interface AsyncOptions<In, Out> {
  readonly order: 'ordered' | 'unordered'
  /** From the first attempt, retries included, ms. 0: none. */
  readonly timeoutMs: number
  /** Records in flight. Default 100. */
  readonly capacity?: number
  readonly retry?: AsyncRetryStrategy<Out>
  readonly type?: TypeInformation<In>
}

export const asyncCapacityDefault = 100

interface StoredRecord<In> {
  readonly value: In
  readonly timestampMs: number
}

/** A record in flight, or what came between records. */
class Entry<In, Out> {
  readonly value: In
  /** Of the record, or the watermark itself. */
  readonly timestampMs: number
  readonly kind: 'record' | 'watermark' | 'idle' | 'active'
  results: readonly Out[] | undefined = undefined
  isDone = false
  emitted = 0
  attempt = 1
  deadlineMs = Number.POSITIVE_INFINITY
  retryAtMs = Number.POSITIVE_INFINITY
  readonly abort: AbortController = new AbortController()

  constructor(value: In, timestampMs: number, kind: Entry<In, Out>['kind']) {
    this.value = value
    this.timestampMs = timestampMs
    this.kind = kind
  }

  get isRecord(): boolean {
    return this.kind === 'record'
  }
}

export class AsyncOperator<In, Out> extends BaseOperator<In, Out> {
  override readonly relaysWatermarks: boolean = false
  readonly #function: AsyncFunction<In, Out> | AsyncInvoke<In, Out>
  readonly #invoke: AsyncInvoke<In, Out>
  readonly #options: AsyncOptions<In, Out>
  readonly #capacity: number
  readonly #queue: Entry<In, Out>[] = []
  #stored!: ListState<StoredRecord<In>>
  #inFlight = 0
  #watermarkMs = minWatermark
  #nextAlarmMs = Number.POSITIVE_INFINITY
  #failure: unknown
  #hold: { release(): void } | undefined
  #isClosed = false

  constructor(userFunction: AsyncFunction<In, Out> | AsyncInvoke<In, Out>, options: AsyncOptions<In, Out>) {
    super()
    this.#function = userFunction
    this.#invoke = bindFunction<AsyncInvoke<In, Out>>(userFunction, 'asyncInvoke')
    this.#options = options
    this.#capacity = options.capacity ?? asyncCapacityDefault
    if (!(Number.isInteger(this.#capacity) && this.#capacity > 0 && options.timeoutMs >= 0)) {
      const found = `capacity ${this.#capacity}, time-out ${options.timeoutMs}`
      throw new MillraceError(
        'MR_PLAN_INVALID',
        `async calls need a capacity >= 1 and a time-out >= 0 ms, got ${found}`,
      )
    }
  }

  async open(): Promise<void> {
    await openFunction(this.#function, this.context)
    this.#stored = this.context.operatorState.listState('in-flight', storedType(this.#options.type))
    for (const { value, timestampMs } of this.#stored.get()) this.#start(value, timestampMs)
  }

  processElement(value: In): void {
    this.#start(value, this.context.record.timestampMs)
  }

  isFull(): boolean {
    return this.#inFlight >= this.#capacity
  }

  advanceWatermark(timestampMs: number): Progress {
    if (timestampMs <= this.#watermarkMs) return Progress.Done
    this.#watermarkMs = timestampMs
    if (this.#queue.length === 0) this.output.emitWatermark(timestampMs)
    else this.#queue.push(new Entry<In, Out>(undefined as In, timestampMs, 'watermark'))
    return Progress.Done
  }

  advanceStatus(isIdle: boolean): void {
    if (this.#queue.length === 0) return this.output.emitStatus(isIdle)
    this.#queue.push(new Entry<In, Out>(undefined as In, minWatermark, isIdle ? 'idle' : 'active'))
  }

  nextProcessingTimeMs(): number {
    return this.#nextAlarmMs
  }

  advanceProcessingTime(): Progress {
    return this.drain()
  }

  /** Emits what has completed, as far as order and room allow. */
  drain(): Progress {
    if (this.#nextAlarmMs !== Number.POSITIVE_INFINITY) this.#ringAlarms(this.context.clock.nowMs())
    if (this.#failure !== undefined) throw this.#failure
    return this.#options.order === 'ordered' ? this.#emitInOrder() : this.#emitAsCompleted()
  }

  endInput(): Progress {
    return this.#drainAll()
  }

  finish(): Progress {
    return this.#drainAll()
  }

  /** Results of a record that are out in part lie before the barrier: the others must, too. */
  prepareBarrier(): Progress {
    return this.#queue.some(({ emitted }) => emitted > 0) ? this.drain() : Progress.Done
  }

  snapshotState(): void {
    const records = this.#queue.filter(({ isRecord }) => isRecord)
    this.#stored.update(records.map(({ value, timestampMs }) => ({ value, timestampMs })))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const entry of this.#queue) if (!entry.isDone) entry.abort.abort()
    this.#releaseHold()
    await closeFunction(this.#function)
  }

  #start(value: In, timestampMs: number): void {
    const entry = new Entry<In, Out>(value, timestampMs, 'record')
    this.#queue.push(entry)
    this.#inFlight++
    this.#hold ??= this.context.holdAsync()
    const { timeoutMs } = this.#options
    if (timeoutMs > 0) {
      entry.deadlineMs = this.context.clock.nowMs() + timeoutMs
      this.#nextAlarmMs = Math.min(this.#nextAlarmMs, entry.deadlineMs)
    }
    this.#attempt(entry)
  }

  #attempt(entry: Entry<In, Out>): void {
    const { attempt } = entry
    const complete = (results: readonly Out[]): void => this.#post(entry, () => this.#onResult(entry, results))
    const fail = (error: unknown): void => this.#post(entry, () => this.#onError(entry, error))
    try {
      this.#invoke(entry.value, { signal: entry.abort.signal, attempt }).then(complete, fail)
    } catch (error) {
      fail(error)
    }
  }

  #post(entry: Entry<In, Out>, mail: () => void): void {
    if (this.#isClosed || entry.isDone) return
    this.context.post(() => {
      if (!this.#isClosed && !entry.isDone) mail()
    })
  }

  #onResult(entry: Entry<In, Out>, results: readonly Out[]): void {
    const { retry } = this.#options
    if (!Array.isArray(results)) {
      return this.#onError(
        entry,
        new TypeError(`expected a promise of an array of results, got ${printValue(results, 80)}`),
      )
    }
    if (retry?.resultPredicate?.(results) === true && this.#retry(entry)) return
    this.#complete(entry, results)
  }

  #onError(entry: Entry<In, Out>, error: unknown): void {
    const { retry } = this.#options
    const isRetryable =
      retry !== undefined && (retry.exceptionPredicate?.(error) ?? retry.resultPredicate === undefined)
    if (isRetryable && this.#retry(entry)) return
    const what = `asyncInvoke (attempt ${entry.attempt})`
    this.#fail(userFunctionError(error, this.context, { record: entry.value, what }))
  }

  /** False where no attempt is left. */
  #retry(entry: Entry<In, Out>): boolean {
    const { retry } = this.#options
    if (retry === undefined || entry.attempt >= retry.attemptsMax) return false
    entry.retryAtMs = this.context.clock.nowMs() + retryDelayMs(retry, entry.attempt)
    this.#nextAlarmMs = Math.min(this.#nextAlarmMs, entry.retryAtMs)
    return true
  }

  /** Time-outs and retries that are due. */
  #ringAlarms(nowMs: number): void {
    if (nowMs < this.#nextAlarmMs) return
    let nextMs = Number.POSITIVE_INFINITY
    for (const entry of this.#queue) {
      if (!entry.isRecord || entry.isDone) continue
      if (entry.deadlineMs <= nowMs) {
        this.#onTimeout(entry)
        continue
      }
      if (entry.retryAtMs <= nowMs) {
        entry.retryAtMs = Number.POSITIVE_INFINITY
        entry.attempt++
        this.#attempt(entry)
      }
      nextMs = Math.min(nextMs, entry.deadlineMs, entry.retryAtMs)
    }
    this.#nextAlarmMs = nextMs
  }

  #onTimeout(entry: Entry<In, Out>): void {
    entry.abort.abort()
    const { timeout } = this.#function as Partial<AsyncFunction<In, Out>>
    if (timeout === undefined) {
      entry.isDone = true
      return this.#fail(timeoutError(this.context, entry.value, this.#options.timeoutMs))
    }
    try {
      this.#complete(entry, timeout.call(this.#function, entry.value))
    } catch (error) {
      this.#fail(userFunctionError(error, this.context, { record: entry.value, what: 'timeout' }))
    }
  }

  #complete(entry: Entry<In, Out>, results: readonly Out[]): void {
    entry.isDone = true
    entry.results = results
  }

  #fail(error: unknown): void {
    this.#failure ??= error
  }

  #emitInOrder(): Progress {
    while (this.#queue.length > 0) {
      const head = this.#queue[0]!
      if (head.isRecord && !head.isDone) return Progress.Done
      if (this.#emit(head) === Progress.Blocked) return Progress.Blocked
      this.#queue.shift()
    }
    return Progress.Done
  }

  /** Of the first segment: what is done; past what ends it once the segment is empty. */
  #emitAsCompleted(): Progress {
    for (;;) {
      let isSegmentOpen = false
      for (let i = 0; i < this.#queue.length && this.#queue[i]!.isRecord;) {
        const entry = this.#queue[i]!
        if (!entry.isDone) {
          isSegmentOpen = true
          i++
          continue
        }
        if (this.#emit(entry) === Progress.Blocked) return Progress.Blocked
        this.#queue.splice(i, 1)
      }
      if (isSegmentOpen || this.#queue.length === 0) return Progress.Done
      if (this.#emit(this.#queue[0]!) === Progress.Blocked) return Progress.Blocked
      this.#queue.shift()
    }
  }

  #emit(entry: Entry<In, Out>): Progress {
    if (this.output.isFull()) return Progress.Blocked
    if (!entry.isRecord) {
      if (entry.kind === 'watermark') this.output.emitWatermark(entry.timestampMs)
      else this.output.emitStatus(entry.kind === 'idle')
      return Progress.Done
    }
    const results = entry.results!
    while (entry.emitted < results.length) {
      if (this.output.isFull()) return Progress.Blocked
      this.output.collectAt(results[entry.emitted++]!, entry.timestampMs)
    }
    this.#gone()
    return Progress.Done
  }

  #gone(): void {
    if (--this.#inFlight === 0) this.#releaseHold()
  }

  #releaseHold(): void {
    this.#hold?.release()
    this.#hold = undefined
  }

  #drainAll(): Progress {
    if (this.drain() === Progress.Blocked) return Progress.Blocked
    return this.#queue.length === 0 ? Progress.Done : Progress.Blocked
  }
}

function timeoutError(context: OperatorContext, value: unknown, timeoutMs: number): unknown {
  const error = new MillraceError('MR_RUNTIME_TIMEOUT', `no result within ${timeoutMs} ms`)
  const told = userFunctionError(new Error(error.message), context, { record: value, what: 'asyncInvoke' })
  return new MillraceError('MR_RUNTIME_TIMEOUT', (told as Error).message, { context: (told as MillraceError).context })
}

function storedType<In>(type: TypeInformation<In> | undefined): TypeInformation<StoredRecord<In>> | undefined {
  return type === undefined ? undefined : (storedRowOf(type) as TypeInformation<StoredRecord<In>>)
}

function storedRowOf(type: TypeInformation<unknown>): TypeInformation<unknown> {
  return {
    dataType: {
      kind: 'row',
      fields: [
        { name: 'value', type: type.dataType },
        { name: 'timestampMs', type: { kind: 'float64' } },
      ],
    },
  }
}
