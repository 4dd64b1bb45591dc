/**
 * Runs one operator alone, in the calling thread: records, watermarks and processing time go in by call, results are
 * recorded, and its state can be taken and given to another harness, also at another parallelism.
 */
import { assert } from '../common/assert.ts'
import { maxParallelismDefault, maxWatermark, minWatermark, noTimestamp } from '../common/limits.ts'
import { prng } from '../common/prng.ts'
import { Progress } from '../common/progress.ts'
import { keyGroupRangeOf } from '../data/key-groups.ts'
import type { TypeInformation } from '../data/types.ts'
import type { Counter, Gauge, MetricGroup } from '../metrics/metric-group.ts'
import { AccumulatorTotals, mergedAccumulators } from '../operators/accumulator-totals.ts'
import type { CheckpointHooks, Mail, Operator, OperatorContext, RecordCell } from '../operators/operator.ts'
import type { OutputTag } from '../operators/output-tag.ts'
import { createKeyedStateBackend, type KeyedBackendKind } from '../state/create-keyed-state-backend.ts'
import type { KeyedStateBackend, KeyedStateHandle } from '../state/keyed-state-backend.ts'
import { WatermarkValve } from '../time/watermark-valve.ts'
import { HarnessOperatorState, type HarnessOperatorSnapshot } from './harness-operator-state.ts'
import { HarnessOutput, type OutputRecord } from './harness-output.ts'
import { MemorySnapshots } from './memory-snapshots.ts'
import { VirtualClock } from './virtual-clock.ts'

/** What runs in a harness, and how: operator, keys, backend, parallelism, time at the start, state to restore. */
export interface HarnessOptions<In, In2 = never> {
  readonly operator: () => Operator<In, never> | Operator<In, unknown>
  /** Makes the operator keyed. */
  readonly keySelector?: (value: In) => unknown
  readonly keySelector2?: (value: In2) => unknown
  readonly keyType?: TypeInformation<unknown>
  readonly operatorName?: string
  /** Default `heap`. */
  readonly backend?: KeyedBackendKind
  readonly subtaskIndex?: number
  readonly parallelism?: number
  readonly maxParallelism?: number
  readonly configuration?: Readonly<Record<string, string>>
  /** Processing time at the start, ms. Default 0. */
  readonly startMs?: number
  readonly seed?: number
  /** Records that the output takes before it is full; the harness makes room whenever the operator asks. */
  readonly outputRoom?: number
  /** Snapshots of all subtasks to go on from. */
  readonly restore?: readonly HarnessSnapshot[]
}

/** The state of an operator as a harness took it; another harness goes on from it. */
export interface HarnessSnapshot {
  readonly keyed: KeyedStateHandle | undefined
  readonly operatorState: HarnessOperatorSnapshot
  readonly files: MemorySnapshots
}

/** Blocked calls in a row without any record emitted: the operator does not get on. */
const stallsMax = 1_000

/** One operator alone: feed it by call, look at what it emitted, take its state. */
export class OperatorHarness<In, Out, In2 = never> {
  readonly clock: VirtualClock
  readonly operator: Operator<In, Out>
  readonly output: HarnessOutput<Out>
  readonly keyedState: KeyedStateBackend | undefined
  readonly #accumulators = new AccumulatorTotals()
  readonly #hooks: CheckpointHooks[] = []
  readonly #options: HarnessOptions<In, In2>
  readonly #record: RecordCell = { timestampMs: noTimestamp }
  readonly #operatorState = new HarnessOperatorState()
  readonly #metrics = new HarnessMetrics()
  readonly #valve = new WatermarkValve(2)
  readonly #mails: Mail[] = []
  readonly #files = new MemorySnapshots()
  #wake: (() => void) | undefined
  #holds = 0
  #watermarkMs = minWatermark
  #checkpointId = 0
  #isClosed = false

  private constructor(options: HarnessOptions<In, In2>) {
    this.#options = options
    this.clock = new VirtualClock(options.startMs)
    this.operator = options.operator() as Operator<In, Out>
    this.output = new HarnessOutput(this.#record)
    this.output.roomPerStep = options.outputRoom ?? Number.POSITIVE_INFINITY
    this.output.makeRoom()
    if (options.keySelector !== undefined) this.keyedState = this.#createKeyedState()
  }

  /** Sets the operator up, restores state where there is some, and opens it. */
  static async open<In, Out, In2 = never>(options: HarnessOptions<In, In2>): Promise<OperatorHarness<In, Out, In2>> {
    const harness = new OperatorHarness<In, Out, In2>(options)
    await harness.#open()
    return harness
  }

  processElement(value: In, timestampMs: number = noTimestamp): void {
    this.#enter(value, timestampMs, this.#options.keySelector)
    this.operator.processElement(value)
    this.#afterRecord()
  }

  processElement2(value: In2, timestampMs: number = noTimestamp): void {
    assert(this.operator.processElement2 !== undefined, 'the operator has one input only')
    this.#enter(value, timestampMs, this.#options.keySelector2)
    this.operator.processElement2(value as never)
    this.#afterRecord()
  }

  /** Watermark on the only input, or on both. Ignored where it does not rise. */
  processWatermark(timestampMs: number): void {
    this.#valve.inputWatermark(0, timestampMs)
    this.#valve.inputWatermark(1, timestampMs)
    this.#advanceWatermark()
  }

  /** Watermark on one of two inputs; the operator sees the smaller one. */
  processWatermarkOf(input: 0 | 1, timestampMs: number): void {
    this.#valve.inputWatermark(input, timestampMs)
    this.#advanceWatermark()
  }

  /** The input fell idle, or became active again. */
  processStatus(isIdle: boolean): void {
    this.operator.advanceStatus?.(isIdle)
  }

  /** Sets the clock and fires processing-time timers. */
  setProcessingTime(timeMs: number): void {
    this.clock.set(timeMs)
    const next = this.operator.nextProcessingTimeMs?.() ?? Number.POSITIVE_INFINITY
    if (next <= timeMs) this.#resume(() => this.operator.advanceProcessingTime?.(timeMs) ?? Progress.Done)
  }

  endOfBatch(): void {
    this.operator.endOfBatch?.()
  }

  /** The end of all input: the maximal watermark, then the end of each input, then finish. */
  endInput(): void {
    this.processWatermark(maxWatermark)
    for (let input = 0; input < this.operator.inputCount; input++) {
      this.#resume(() => this.operator.endInput?.(input as 0 | 1) ?? Progress.Done)
    }
    this.#resume(() => this.operator.finish?.() ?? Progress.Done)
  }

  /** Runs the mails posted so far, and lets the operator emit what it holds back. */
  runMails(): void {
    const count = this.#mails.length
    for (let i = 0; i < count; i++) this.#mails[i]!()
    this.#mails.splice(0, count)
    this.#resume(() => this.operator.drain?.() ?? Progress.Done)
  }

  /** Resolves once a mail has been posted (at once where there is one). */
  async mailPosted(): Promise<void> {
    if (this.#mails.length > 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    await promise
  }

  /** Waits for asynchronous work of the operator until none is under way. */
  async settle(): Promise<void> {
    while (this.#holds > 0 || this.#mails.length > 0) {
      await this.mailPosted()
      this.runMails()
    }
  }

  /** The end of input of an operator that works asynchronously: waits for what is under way. */
  async endInputSettled(): Promise<void> {
    this.processWatermark(maxWatermark)
    await this.settle()
    this.endInput()
  }

  async snapshot(): Promise<HarnessSnapshot> {
    const checkpointId = ++this.#checkpointId
    this.#resume(() => this.operator.prepareBarrier?.(checkpointId) ?? Progress.Done)
    for (const hooks of this.#hooks) hooks.snapshotState?.(checkpointId)
    this.operator.snapshotState?.(checkpointId)
    const operatorState = this.#operatorState.snapshot()
    const keyed = await this.keyedState?.snapshot(checkpointId, this.#files)
    this.keyedState?.notifyCheckpointComplete(checkpointId)
    for (const hooks of this.#hooks) await hooks.notifyCheckpointComplete?.(checkpointId)
    await this.operator.notifyCheckpointComplete?.(checkpointId)
    return { keyed, operatorState, files: this.#files }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.operator.close?.()
    await this.keyedState?.close()
  }

  /** Accumulators by name, as a job's result would tell them. */
  get accumulators(): Map<string, number> {
    return new Map(Object.entries(mergedAccumulators([this.#accumulators.toPlain()])))
  }

  /** Records emitted so far, side outputs left out. */
  records(): OutputRecord<Out>[] {
    return this.output.events
      .filter((event) => event.type === 'record')
      .map(({ value, timestampMs }) => ({ value, timestampMs }))
  }

  values(): Out[] {
    return this.records().map(({ value }) => value)
  }

  sideOutput<S>(tag: OutputTag<S>): OutputRecord<S>[] {
    return this.output.events
      .filter((event) => event.type === 'side' && event.tag === tag.id)
      .map((event) => event as unknown as OutputRecord<S>)
      .map(({ value, timestampMs }) => ({ value, timestampMs }))
  }

  watermarks(): number[] {
    return this.output.events.filter((event) => event.type === 'watermark').map(({ timestampMs }) => timestampMs)
  }

  counter(name: string): number {
    return this.#metrics.counter(name).count
  }

  get watermarkMs(): number {
    return this.#watermarkMs
  }

  async #open(): Promise<void> {
    const { restore = [], subtaskIndex = 0, parallelism = 1 } = this.#options
    this.operator.setup(this.#context(), this.output as never)
    const handles = restore.map(({ keyed }) => keyed).filter((keyed) => keyed !== undefined)
    if (handles.length > 0) {
      await this.keyedState?.restore(handles, MemorySnapshots.union(restore.map(({ files }) => files)))
    }
    this.#operatorState.restore(
      restore.map(({ operatorState }) => operatorState),
      subtaskIndex,
      parallelism,
    )
    await this.operator.open?.()
  }

  #createKeyedState(): KeyedStateBackend {
    const {
      subtaskIndex = 0,
      parallelism = 1,
      maxParallelism = maxParallelismDefault,
      backend = 'heap',
    } = this.#options
    return createKeyedStateBackend(backend, {
      keyGroupRange: keyGroupRangeOf(subtaskIndex, parallelism, maxParallelism),
      maxParallelism,
      clock: this.clock,
      ...(this.#options.keyType === undefined ? {} : { keyType: this.#options.keyType }),
    })
  }

  #context(): OperatorContext {
    const { subtaskIndex = 0, parallelism = 1, maxParallelism = maxParallelismDefault } = this.#options
    const { operatorName = 'operator', configuration = {}, seed = 1, restore } = this.#options
    return {
      task: {
        jobName: 'harness',
        operatorName,
        operatorId: '0'.repeat(32),
        subtaskIndex,
        parallelism,
        maxParallelism,
        attempt: 0,
      },
      clock: this.clock,
      prng: prng(seed),
      metrics: this.#metrics,
      accumulators: this.#accumulators,
      onCheckpoint: (hooks) => void this.#hooks.push(hooks),
      record: this.#record,
      keyedState: this.keyedState,
      operatorState: this.#operatorState,
      configuration: { get: (key) => configuration[key] },
      currentWatermarkMs: () => this.#watermarkMs,
      post: (mail) => this.#post(mail),
      holdAsync: () => this.#hold(),
      isRestored: restore !== undefined,
    }
  }

  #post(mail: Mail): void {
    this.#mails.push(mail)
    this.#wake?.()
    this.#wake = undefined
  }

  #hold(): { release(): void } {
    let isHeld = true
    this.#holds++
    return {
      release: () => {
        if (isHeld) this.#holds--
        isHeld = false
      },
    }
  }

  #enter<T>(value: T, timestampMs: number, keySelector: ((value: T) => unknown) | undefined): void {
    this.#record.timestampMs = timestampMs
    if (keySelector !== undefined) this.keyedState!.setCurrentKey(keySelector(value))
  }

  #afterRecord(): void {
    // A chain stops after the record that filled the output, and goes on once there is room.
    if (this.output.isFull()) this.output.makeRoom()
  }

  #advanceWatermark(): void {
    const { watermarkMs } = this.#valve
    if (watermarkMs <= this.#watermarkMs) return
    this.#watermarkMs = watermarkMs
    this.#resume(() => this.operator.advanceWatermark?.(watermarkMs) ?? Progress.Done)
  }

  #resume(call: () => Progress): void {
    for (let stalls = 0; call() === Progress.Blocked; stalls++) {
      assert(stalls < stallsMax, 'the operator answers Blocked again and again although the output has room')
      if (this.output.isFull()) stalls = 0
      this.output.makeRoom()
    }
  }
}

class HarnessMetrics implements MetricGroup {
  readonly #counters = new Map<string, Counter>()
  readonly #gauges = new Map<string, Gauge>()

  counter(name: string): Counter {
    let counter = this.#counters.get(name)
    if (counter === undefined) this.#counters.set(name, (counter = new HarnessCounter()))
    return counter
  }

  gauge(name: string): Gauge {
    let gauge = this.#gauges.get(name)
    if (gauge === undefined) {
      let value = 0
      gauge = {
        set: (next) => void (value = next),
        get value() {
          return value
        },
      }
      this.#gauges.set(name, gauge)
    }
    return gauge
  }
}

class HarnessCounter implements Counter {
  count = 0

  inc(amount: number = 1): void {
    this.count += amount
  }
}
