/**
 * A task: one subtask of a vertex, a step machine in a slot. It takes its input through the chain, fires timers, runs
 * mails, and passes events on; whether it works, idles or is blocked is the return value of `step`. Hot per batch;
 * thread: the slot's.
 *
 * Phases: opening → running → finishing (the chain's operators finish) → ending (everything written is handed over,
 * endOfInput last) → [lingering: while checkpoints are on, barriers still pass] → closed.
 */
import type { CheckpointCommand } from '../checkpoint/messages.ts'
import { maxWatermark } from '../common/limits.ts'
import { Progress } from '../common/progress.ts'
import type { Clock } from '../common/clock.ts'
import { type BatchReader, Polled } from '../exchange/channel.ts'
import type { CheckpointBarrier, StreamEvent } from '../exchange/stream-event.ts'
import { type SubtaskMetrics, taskMetric } from '../metrics/shared-metrics.ts'
import type { Mail } from '../operators/operator.ts'
import type { JobVertex } from '../plan/job-graph.ts'
import { ValveChange } from '../time/watermark-valve.ts'
import type { BufferTimeouts } from './buffer-timeouts.ts'
import type { Chain } from './chain.ts'
import type { EdgeOutput } from './edge-output.ts'
import type { GateChannel, InputGate } from './input-gate.ts'
import { StepBudget } from './step-budget.ts'
import type { SourceHead } from './source-head.ts'
import { attributeFailure } from './failure.ts'
import type { LatencyMarkers } from './latency-markers.ts'
import type { WatermarkAlignment } from './watermark-alignment.ts'

/** What takes barriers on behalf of a task; absent where the job takes no checkpoints. */
export interface BarrierTaker {
  /** A command of the coordinator. */
  take(command: CheckpointCommand): void
  /** A barrier arrived in band on a channel. */
  takeBarrier(channel: GateChannel, barrier: CheckpointBarrier): void
  /**
   * Once per step: announced (overtaking) barriers, alignment time-outs, commands of the coordinator. Working: a barrier
   * went on, so that whoever is behind has something to do.
   */
  step(): Progress
  /** A batch is about to be processed: channel state, where one is being recorded. */
  recordBatch(channel: GateChannel, batch: BatchReader): void
  /** The task has read all its input, finished, and handed over everything. */
  ended(): void
  /** Resolves once no snapshot is being written any more. */
  settled(): Promise<void>
}

export interface TaskParts {
  readonly vertex: JobVertex
  readonly subtask: number
  readonly chain: Chain
  readonly gate: InputGate | undefined
  readonly source: SourceHead | undefined
  /** Present where the source waits for others of its group. */
  readonly alignment: WatermarkAlignment | undefined
  readonly outputs: readonly EdgeOutput[]
  readonly bufferTimeouts: BufferTimeouts
  /** Absent where they are off. */
  readonly latency?: LatencyMarkers | undefined
  readonly metrics: SubtaskMetrics
  readonly clock: Clock
  readonly mailbox: Mailbox
  /** Owners of the operators' state; closed with the task. */
  readonly homes: readonly TaskHome[]
}

/** Records to be passed into the chain again. */
export interface ChainReplay {
  /** Passes some on, at most until `isFull`. True once none is left. */
  next(isFull: () => boolean): boolean
}

export interface TaskHome {
  /** A promise where the operator's state must catch up (with its disk) before more input is taken. */
  settle(): Promise<void> | undefined
  close(): Promise<void>
}

/** Mails of a task, posted by asynchronous completions in the same thread. */
export class Mailbox {
  readonly #mails: Mail[] = []
  readonly #wake: () => void

  constructor(wake: () => void) {
    this.#wake = wake
  }

  post(mail: Mail): void {
    this.#mails.push(mail)
    this.#wake()
  }

  isEmpty(): boolean {
    return this.#mails.length === 0
  }

  /** Runs the mails that are there now. */
  run(): void {
    const count = this.#mails.length
    for (let i = 0; i < count; i++) this.#mails[i]!()
    this.#mails.splice(0, count)
  }
}

type Phase = 'running' | 'finishing' | 'ending' | 'lingering' | 'closed'

export class Task {
  readonly vertex: JobVertex
  readonly subtask: number
  readonly chain: Chain
  readonly gate: InputGate | undefined
  readonly source: SourceHead | undefined
  readonly outputs: readonly EdgeOutput[]
  /** When partial batches leave although the slot works on. */
  readonly bufferTimeouts: BufferTimeouts
  readonly metrics: SubtaskMetrics
  readonly homes: readonly TaskHome[]
  barriers: BarrierTaker | undefined
  /** While checkpoints are on, an ended task stays to pass barriers; `release` lets it go. */
  lingers = false
  /** A source reads nothing while a barrier of stop-suspend is out. */
  isSuspended = false
  /** Records that were in flight within what is one chain now; nothing else is done before. */
  inFlight: ChainReplay | undefined
  readonly #alignment: WatermarkAlignment | undefined
  readonly #latency: LatencyMarkers | undefined
  readonly #clock: Clock
  readonly #mailbox: Mailbox
  #phase: Phase = 'running'
  readonly #budget = new StepBudget()
  #batch: BatchReader | undefined
  #batchPosition = 0
  #endedInputs = 0
  /** An input that has ended while the other goes on, until the head has taken note. */
  #endingInput: 0 | 1 | undefined
  #hasEmittedEnd = false
  #laterFailure: unknown
  #isSettling = false
  #drainsToMaxWatermark: boolean

  constructor(parts: TaskParts) {
    this.vertex = parts.vertex
    this.subtask = parts.subtask
    this.chain = parts.chain
    this.gate = parts.gate
    this.source = parts.source
    this.outputs = parts.outputs
    this.bufferTimeouts = parts.bufferTimeouts
    this.metrics = parts.metrics
    this.homes = parts.homes
    this.#alignment = parts.alignment
    this.#latency = parts.latency
    this.#clock = parts.clock
    this.#mailbox = parts.mailbox
    this.#drainsToMaxWatermark = parts.source !== undefined
  }

  get name(): string {
    return `${this.vertex.name}[${this.subtask}]`
  }

  get phase(): Phase {
    return this.#phase
  }

  /** True once all input is read, every operator has finished and everything written has been handed over. */
  get hasEnded(): boolean {
    return this.#phase === 'lingering' || this.#phase === 'closed'
  }

  /** True once every operator has finished: what a snapshot from here on holds is not finished again. */
  get hasFinished(): boolean {
    return this.#phase === 'ending' || this.hasEnded
  }

  /** Results are on their way out that no snapshot would know of: a barrier waits until the task has finished. */
  get isBetweenSnapshots(): boolean {
    return this.#phase === 'finishing' && this.chain.operators.some(({ operator }) => operator.finishesAsOne === true)
  }

  /** One bounded piece of work. */
  step(): Progress {
    try {
      return this.#step()
    } catch (error) {
      throw attributeFailure(error, { operator: this.vertex.name, subtask: this.subtask })
    }
  }

  /** Seals partial batches so that consumers can see them. Answers whether there were any. */
  flush(): boolean {
    let flushed = false
    for (const output of this.outputs) {
      if (!output.hasUnflushed()) continue
      output.flush()
      flushed = true
    }
    return flushed
  }

  /** Earliest time at which a processing-time timer wants to fire, or a waiting source to look again. */
  nextProcessingTimeMs(): number {
    if (this.#phase !== 'running') return Number.POSITIVE_INFINITY
    const nextMs = this.chain.nextProcessingTimeMs()
    if (this.#alignment === undefined && this.#latency === undefined) return nextMs
    return Math.min(nextMs, this.#alignment?.recheckAtMs ?? nextMs, this.#latency?.nextMs ?? nextMs)
  }

  /** The remaining rows of the batch at hand and their channel, for channel state. */
  batchAtHand(): { readonly channel: GateChannel; readonly batch: BatchReader; readonly from: number } | undefined {
    if (this.#batch === undefined) return undefined
    return { channel: this.gate!.channel, batch: this.#batch, from: this.#batchPosition }
  }

  /** A source stops reading and ends as if its input had ended (stop with drain), or without a last watermark. */
  endSource(withMaxWatermark: boolean): void {
    if (this.#phase !== 'running') return
    this.#drainsToMaxWatermark = withMaxWatermark
    this.#alignment?.leave()
    this.#phase = 'finishing'
  }

  /** Restored as ended: passes the last watermark and endOfInput on without finishing its operators again. */
  restoreAsEnded(): void {
    this.#alignment?.leave()
    for (const output of this.outputs) output.emitEvent({ type: 'watermark', timestampMs: maxWatermark })
    this.#phase = 'ending'
  }

  /** Fails the task with its next step: for work that went wrong between steps. */
  failLater(error: unknown): void {
    this.#laterFailure ??= error
  }

  /** No more barriers will come: a lingering task is done. */
  release(): void {
    this.lingers = false
  }

  publishMetrics(): void {
    const { metrics } = this
    let records = 0
    let bytes = 0
    let held = 0
    let generic = 0
    for (const { stats } of this.outputs) {
      records += stats.records
      bytes += stats.bytes
      held += stats.heldBatches
      generic += stats.genericRecords
    }
    metrics.set('numRecordsOut', records)
    metrics.set('numBytesOut', bytes)
    metrics.set('heldBatches', held)
    metrics.set('genericRecords', generic)
    if (this.gate !== undefined) {
      metrics.set('inputQueueLength', this.gate.queueLength())
      metrics.set('currentInputWatermarkMs', this.gate.valve.watermarkMs)
    }
    const progress = this.source?.reader.progress?.()
    if (progress !== undefined) {
      metrics.set('doneBytes', progress.doneBytes)
      metrics.set('totalBytes', progress.totalBytes)
    }
  }

  #step(): Progress {
    if (this.#laterFailure !== undefined) throw this.#laterFailure
    if (!this.#mailbox.isEmpty()) this.#mailbox.run()
    if (this.inFlight !== undefined) return this.#replay(this.inFlight)
    // Barriers go first: an unaligned one must pass a full output.
    const passed = this.barriers === undefined ? Progress.Done : this.barriers.step()
    // A barrier that met a full output has room where that drains now: nobody would wake the task for it.
    const wasFull = passed === Progress.Blocked && this.outputs.some((output) => output.isFull())
    const isDrained = this.#drainOutputs()
    if (wasFull && isDrained) return Progress.Working
    if (passed === Progress.Blocked || !isDrained) return Progress.Blocked
    const progress = this.#stepInPhase()
    return progress === Progress.Idle && passed === Progress.Working ? Progress.Working : progress
  }

  #stepInPhase(): Progress {
    switch (this.#phase) {
      case 'running':
        return this.#run()
      case 'finishing':
        return this.#finish()
      case 'ending':
        return this.#end()
      case 'lingering':
        return this.#linger()
      case 'closed':
        return Progress.Done
    }
  }

  /** A barrier that came in between would have them in no snapshot. */
  #replay(inFlight: ChainReplay): Progress {
    const { chain } = this
    if (!this.#drainOutputs() || chain.resume() === Progress.Blocked || chain.drain() === Progress.Blocked)
      return Progress.Blocked
    if (this.#mustSettle() || chain.isFull()) return Progress.Blocked
    if (inFlight.next(() => chain.isFull())) this.inFlight = undefined
    chain.endOfBatch()
    return Progress.Working
  }

  #run(): Progress {
    const { chain } = this
    if (chain.resume() === Progress.Blocked) return Progress.Blocked
    // An operator that is full itself makes room here.
    if (chain.drain() === Progress.Blocked) return Progress.Blocked
    if (chain.isFull()) return Progress.Blocked
    if (chain.nextProcessingTimeMs() !== Number.POSITIVE_INFINITY) {
      const nowMs = this.#clock.nowMs()
      if (chain.advanceProcessingTime(nowMs) === Progress.Blocked) return Progress.Blocked
    }
    if (this.#endingInput !== undefined && this.#endInput(this.#endingInput) === Progress.Blocked)
      return Progress.Blocked
    if (this.#mustSettle()) return Progress.Blocked
    const progress = this.source === undefined ? this.#takeInput() : this.#readSource(this.source)
    if (progress === Progress.Idle) chain.endOfBatch()
    return progress
  }

  /** True while state that has fallen behind catches up. */
  #mustSettle(): boolean {
    if (this.#isSettling) return true
    for (const home of this.homes) {
      const settling = home.settle()
      if (settling === undefined) continue
      this.#isSettling = true
      const go = (): void => this.#mailbox.post(() => void (this.#isSettling = false))
      settling.then(go, (error: unknown) => {
        this.failLater(error)
        go()
      })
      return true
    }
    return false
  }

  #readSource(source: SourceHead): Progress {
    this.#latency?.emitDue()
    if (this.isSuspended || this.#alignment?.mustWait() === true) return Progress.Idle
    const { cells } = this.metrics
    const before = cells[taskMetric.numRecordsIn]!
    const startedMs = this.#clock.monotonicMs()
    const progress = source.poll(this.#budget.records)
    this.#budget.took(cells[taskMetric.numRecordsIn]! - before, this.#clock.monotonicMs() - startedMs)
    if (progress === Progress.Done) {
      this.chain.endOfBatch()
      this.#alignment?.leave()
      this.#phase = 'finishing'
      return Progress.Working
    }
    if (progress !== Progress.Idle) this.chain.endOfBatch()
    this.#alignment?.publish()
    return progress === Progress.Working && this.chain.isFull() ? Progress.Working : progress
  }

  #takeInput(): Progress {
    if (this.#batch !== undefined) return this.#takeBatch()
    const gate = this.gate!
    switch (gate.poll()) {
      case Polled.Nothing:
        return Progress.Idle
      case Polled.Batch: {
        const { batch } = gate
        this.barriers?.recordBatch(gate.channel, batch)
        this.#batch = batch
        this.#batchPosition = 0
        this.metrics.cells[taskMetric.numRecordsIn]! += batch.count
        return this.#takeBatch()
      }
      case Polled.Event:
        this.#takeEvent(gate, gate.channel, gate.event)
        return Progress.Working
    }
  }

  #takeBatch(): Progress {
    const batch = this.#batch!
    const from = this.#batchPosition
    const to = Math.min(batch.count, from + this.#budget.records)
    const startedMs = this.#clock.monotonicMs()
    this.#batchPosition = this.chain.processBatch(this.gate!.channel.input, batch, from, to)
    this.#budget.took(this.#batchPosition - from, this.#clock.monotonicMs() - startedMs)
    if (this.#batchPosition < batch.count) return Progress.Working
    this.#batch = undefined
    this.chain.endOfBatch()
    return Progress.Working
  }

  #takeEvent(gate: InputGate, channel: GateChannel, event: StreamEvent): void {
    switch (event.type) {
      case 'watermark':
        return this.#valveChanged(gate, gate.valve.inputWatermark(channel.index, event.timestampMs))
      case 'status':
        return this.#valveChanged(gate, gate.valve.inputStatus(channel.index, event.isIdle))
      case 'barrier':
        return this.barriers?.takeBarrier(channel, event.barrier)
      case 'latency':
        return this.#latency?.take(event)
      case 'endOfInput':
        return this.#endChannel(gate, channel)
    }
  }

  #valveChanged(gate: InputGate, change: number): void {
    if (change === ValveChange.None) return
    const { watermarkMs } = gate.valve
    const isActive = (change & ValveChange.Status) !== 0 && !gate.valve.isIdle
    if (isActive) this.chain.emitStatus(false)
    if ((change & ValveChange.Watermark) !== 0) this.chain.advanceWatermark(watermarkMs)
    if ((change & ValveChange.Status) !== 0 && gate.valve.isIdle) this.chain.emitStatus(true)
  }

  #endChannel(gate: InputGate, channel: GateChannel): void {
    if (channel.isEnded) return
    gate.endChannel(channel)
    // An ended channel has told its last watermark before, unless the job was stopped without drain.
    if (!gate.isEnded()) this.#valveChanged(gate, gate.valve.endInput(channel.index))
    if (this.#phase !== 'running') return
    if (gate.isEnded()) this.#phase = 'finishing'
    else if (gate.isInputEnded(channel.input)) this.#endingInput = channel.input
  }

  #endInput(input: 0 | 1): Progress {
    if (this.chain.endHeadInput(input) === Progress.Blocked) return Progress.Blocked
    this.#endedInputs |= 1 << input
    this.#endingInput = undefined
    return Progress.Done
  }

  #finish(): Progress {
    if (this.#endingInput !== undefined && this.#endInput(this.#endingInput) === Progress.Blocked)
      return Progress.Blocked
    if (this.chain.finish(this.#endedInputs, this.#drainsToMaxWatermark) === Progress.Blocked) return Progress.Blocked
    this.#phase = 'ending'
    return Progress.Working
  }

  #end(): Progress {
    if (!this.#hasEmittedEnd) {
      this.#hasEmittedEnd = true
      for (const output of this.outputs) output.emitEvent({ type: 'endOfInput' })
      this.flush()
      if (!this.#drainOutputs()) return Progress.Blocked
    }
    this.metrics.set('currentInputWatermarkMs', maxWatermark)
    this.#phase = 'lingering'
    this.barriers?.ended()
    return Progress.Working
  }

  #linger(): Progress {
    if (!this.lingers) {
      this.#phase = 'closed'
      return Progress.Done
    }
    if (this.gate === undefined) return Progress.Idle
    if (this.gate.poll() !== Polled.Event) return Progress.Idle
    this.#takeEvent(this.gate, this.gate.channel, this.gate.event)
    return Progress.Working
  }

  #drainOutputs(): boolean {
    let drained = true
    for (const output of this.outputs) if (!output.drain()) drained = false
    return drained
  }

  /** Closes operators, reader, state and channels, whatever happened before; throws the first failure at the end. */
  async close(): Promise<void> {
    this.#phase = 'closed'
    let failure: unknown
    const attempt = async (close: () => unknown, operator: string): Promise<void> => {
      try {
        await close()
      } catch (error) {
        failure ??= attributeFailure(error, { operator, subtask: this.subtask })
      }
    }
    for (const { operator, node } of this.chain.operators) await attempt(() => operator.close?.(), node.name)
    if (this.source !== undefined) await attempt(() => this.source!.reader.close?.(), this.vertex.name)
    for (const home of this.homes) await attempt(() => home.close(), this.vertex.name)
    this.gate?.close()
    for (const output of this.outputs) output.close()
    if (failure !== undefined) throw failure
  }
}
