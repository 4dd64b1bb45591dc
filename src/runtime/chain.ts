/**
 * A chain: the operators of one task, fused. Stateless functions become one generated loop in which every call site is
 * monomorphic; other operators are called from it and continue in a generated `collect` of their own. Hot; thread: the
 * slot's.
 *
 * Invariants
 * 1. A record is taken whole: the loop stops after the first input record that leaves an output full.
 * 2. Watermarks go down the tree depth first, an operator before its consumers. An operator that does not relay them
 *    starts a track of its own. A track that met a full output keeps its position, and the chain is full until then.
 *    A status waits behind a watermark under way.
 * 3. Generated code comes from the graph's shape only; functions, operators and writers are passed as parameters.
 */
import { maxWatermark, minWatermark } from '../common/limits.ts'
import { Progress } from '../common/progress.ts'
import type { BatchReader } from '../exchange/channel.ts'
import type { EmitCode } from '../exchange/edge-writer.ts'
import type { StreamEvent } from '../exchange/stream-event.ts'
import type { SubtaskMetrics } from '../metrics/shared-metrics.ts'
import type { Operator, Output, RecordCell, SourceOutput } from '../operators/operator.ts'
import type { OutputTag } from '../operators/output-tag.ts'
import type { JobVertex } from '../plan/job-graph.ts'
import type { StreamEdge, StreamNode } from '../plan/stream-graph.ts'
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import { ChainCode } from './chain-code.ts'
import { attributeFailure } from './failure.ts'

/** What a chain writes to: one per outgoing edge, partitioner included (the exchange's edge writers). */
export interface ChainOutput {
  emit(value: unknown, timestampMs: number): void
  /** The text of `emit`, to be taken into the chain's own code. */
  readonly code?: EmitCode
  /** To every channel of the edge. */
  emitEvent(event: StreamEvent): void
  isFull(): boolean
}

export interface ChainParts {
  readonly vertex: JobVertex
  readonly subtask: number
  readonly record: RecordCell
  readonly metrics: SubtaskMetrics
  /** One operator for every chained node whose body is an operator or a sink, by node id. */
  readonly operators: ReadonlyMap<number, Operator>
  /** Keyed state by node id: the chain sets the key before a keyed operator takes a record. */
  readonly keyedStates: ReadonlyMap<number, KeyedStateBackend>
  readonly outputs: ReadonlyMap<StreamEdge, ChainOutput>
}

/** One operator of the chain and where it stands. */
export interface ChainedOperator {
  readonly node: StreamNode
  readonly operator: Operator
  readonly output: Output<unknown>
  watermarkMs: number
}

type TrackStep =
  | { readonly kind: 'operator'; readonly chained: ChainedOperator }
  | { readonly kind: 'output'; readonly output: ChainOutput }

type Guard = <T>(chained: ChainedOperator, call: () => T) => T

/** The way of one watermark origin (the chain's input, or an operator that does not relay) down the tree. */
class WatermarkTrack {
  readonly steps: TrackStep[] = []
  targetMs: number = minWatermark
  position = 0
  isUnderWay = false
  /** As told to the steps, and as the origin has it: they differ while a watermark is under way. */
  #toldIdle = false
  #isIdle = false

  /** Resumable. Done: every step has seen `targetMs`, and the status that came after it. */
  run(guard: Guard): Progress {
    for (; this.position < this.steps.length; this.position++) {
      const step = this.steps[this.position]!
      if (step.kind === 'output') {
        step.output.emitEvent({ type: 'watermark', timestampMs: this.targetMs })
        continue
      }
      const { chained } = step
      chained.watermarkMs = this.targetMs
      if (chained.operator.advanceWatermark === undefined) continue
      const progress = guard(chained, () => chained.operator.advanceWatermark!(this.targetMs))
      if (progress === Progress.Blocked) return Progress.Blocked
    }
    this.position = 0
    this.isUnderWay = false
    this.#tellStatus(guard)
    return Progress.Done
  }

  emitStatus(isIdle: boolean, guard: Guard): void {
    this.#isIdle = isIdle
    if (!this.isUnderWay) this.#tellStatus(guard)
  }

  #tellStatus(guard: Guard): void {
    const isIdle = this.#isIdle
    if (this.#toldIdle === isIdle) return
    this.#toldIdle = isIdle
    for (const step of this.steps) {
      if (step.kind === 'output') step.output.emitEvent({ type: 'status', isIdle })
      else {
        const { operator } = step.chained
        if (operator.advanceStatus !== undefined) guard(step.chained, () => operator.advanceStatus!(isIdle))
      }
    }
  }
}

export class Chain {
  readonly head: StreamNode
  readonly operators: readonly ChainedOperator[]
  /** Output of the chain's source, where the head is one. */
  readonly sourceOutput: SourceOutput<unknown>
  /** True where no more input should be taken now. */
  readonly isFull: () => boolean
  readonly #parts: ChainParts
  readonly #code: ChainCode
  readonly #inputTrack = new WatermarkTrack()
  readonly #tracks: WatermarkTrack[] = [this.#inputTrack]
  readonly #loops = new Map<number, (batch: BatchReader, from: number, to: number) => number>()
  readonly #outputsFull: () => boolean
  readonly #guard: Guard = (chained, call) => this.guard(chained, call)
  readonly #batchKeys: unknown[] = []
  #finishPosition = 0
  #endPosition = 0

  constructor(parts: ChainParts) {
    this.#parts = parts
    this.head = parts.vertex.nodes[0]!
    this.#code = new ChainCode(parts, {
      fail: (error, node, value) => attributeFailure(error, { operator: node.name, subtask: parts.subtask }, value),
    })
    this.#outputsFull = this.#code.outputsFullProbe()
    this.isFull = this.#code.fullProbe()
    const operators: ChainedOperator[] = []
    this.sourceOutput = {
      ...this.#outputOf(this.head, this.#inputTrack),
      isFull: this.isFull,
      collect: this.#code.sourceCollector(),
      collectAt: this.#code.sourceCollectorAt(),
      collectArray: this.#code.sourceArrayCollector(),
    }
    this.#descend(this.head, this.#inputTrack, operators)
    this.operators = operators
  }

  /** State on disk reads what the head needs for a batch at once. */
  #prefetch(input: 0 | 1, batch: BatchReader): void {
    const state = this.#parts.keyedStates.get(this.head.id)
    if (state?.wantsPrefetch !== true || this.head.body.kind !== 'operator') return
    const selector = this.head.body.keySelectors?.[input] as ((value: unknown) => unknown) | undefined
    if (selector === undefined) return
    try {
      for (let i = 0; i < batch.count; i++) this.#batchKeys[i] = selector(batch.read(i))
      state.prefetch!(this.#batchKeys, batch.count)
    } catch {
      // The loop will meet what is wrong again, and say with which record.
    }
  }

  /** Passes rows `from` … `to` - 1 through the chain; answers the index of the first row not taken. */
  processBatch(input: 0 | 1, batch: BatchReader, from: number, to: number): number {
    if (from === 0) this.#prefetch(input, batch)
    const isStaged = input === 0 && this.#code.stagesHead()
    const key = batch.shape * 4 + input * 2 + (isStaged ? 1 : 0)
    let loop = this.#loops.get(key)
    if (loop === undefined) this.#loops.set(key, (loop = isStaged ? this.#code.stagedLoop() : this.#code.loop(input)))
    return loop(batch, from, to)
  }

  /** A way into the chain at a node within it. */
  entry(node: StreamNode): (value: unknown, timestampMs: number) => void {
    return this.#code.entry(node)
  }

  /** The input's watermark rose. Blocked: it goes on with `resume`. */
  advanceWatermark(timestampMs: number): Progress {
    return this.#advance(this.#inputTrack, timestampMs)
  }

  emitStatus(isIdle: boolean): void {
    this.#inputTrack.emitStatus(isIdle, this.#guard)
  }

  /** Continues watermarks that met a full output. Blocked while one still does. */
  resume(): Progress {
    const { held } = this.#code
    // A later track hangs below an earlier one: the deepest goes first, so that nothing overtakes.
    for (let i = this.#tracks.length - 1; i >= 0 && held[0]! > 0; i--) {
      const track = this.#tracks[i]!
      if (!track.isUnderWay) continue
      held[0]!--
      if (this.#outputsFull() || track.run(this.#guard) === Progress.Blocked) {
        held[0]!++
        return Progress.Blocked
      }
    }
    return Progress.Done
  }

  nextProcessingTimeMs(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { operator } of this.operators) {
      if (operator.nextProcessingTimeMs !== undefined) next = Math.min(next, operator.nextProcessingTimeMs())
    }
    return next
  }

  advanceProcessingTime(nowMs: number): Progress {
    this.emptyStages()
    for (const chained of this.operators) {
      const { operator } = chained
      if (operator.nextProcessingTimeMs === undefined || operator.nextProcessingTimeMs() > nowMs) continue
      const progress = this.guard(chained, () => operator.advanceProcessingTime?.(nowMs))
      if (progress === Progress.Blocked) return Progress.Blocked
    }
    return Progress.Done
  }

  drain(): Progress {
    this.emptyStages()
    for (const chained of this.operators) {
      if (chained.operator.drain === undefined) continue
      if (this.guard(chained, () => chained.operator.drain!()) === Progress.Blocked) return Progress.Blocked
    }
    return Progress.Done
  }

  /** Records that wait before a keyed operator are processed. */
  emptyStages(): void {
    for (const stage of this.#code.stages.values()) stage.empty()
  }

  endOfBatch(): void {
    for (const stage of this.#code.stages.values()) {
      stage.empty()
      stage.adapt()
    }
    for (const chained of this.operators) {
      if (chained.operator.endOfBatch !== undefined) this.guard(chained, () => chained.operator.endOfBatch!())
    }
  }

  /** One of the head's two inputs has ended while the other goes on. */
  endHeadInput(input: 0 | 1): Progress {
    this.emptyStages()
    const head = this.operators[0]
    if (head?.node !== this.head) return Progress.Done
    return this.guard(head, () => head.operator.endInput?.(input)) ?? Progress.Done
  }

  /**
   * All inputs have ended: the last watermark, then every operator in order ends its inputs and finishes. Resumable.
   * `headEndedInputs` is a bit set of the inputs that `endHeadInput` was already called for.
   */
  finish(headEndedInputs: number, withMaxWatermark: boolean): Progress {
    this.emptyStages()
    if (this.resume() === Progress.Blocked) return Progress.Blocked
    if (withMaxWatermark && this.#advance(this.#inputTrack, maxWatermark) === Progress.Blocked) return Progress.Blocked
    for (; this.#finishPosition < this.operators.length; this.#finishPosition++, this.#endPosition = 0) {
      const chained = this.operators[this.#finishPosition]!
      if (this.resume() === Progress.Blocked) return Progress.Blocked
      if (this.#finishOperator(chained, chained.node === this.head ? headEndedInputs : 0) === Progress.Blocked) {
        return Progress.Blocked
      }
    }
    return this.resume()
  }

  /** Runs a call into an operator; what it throws names the operator. */
  guard<T>(chained: ChainedOperator, call: () => T): T {
    try {
      return call()
    } catch (error) {
      throw attributeFailure(error, { operator: chained.node.name, subtask: this.#parts.subtask })
    }
  }

  #finishOperator(chained: ChainedOperator, endedInputs: number): Progress {
    const { operator } = chained
    for (; this.#endPosition < operator.inputCount; this.#endPosition++) {
      if ((endedInputs >> this.#endPosition) & 1) continue
      const input = this.#endPosition as 0 | 1
      if (this.guard(chained, () => operator.endInput?.(input)) === Progress.Blocked) return Progress.Blocked
    }
    return this.guard(chained, () => operator.finish?.()) ?? Progress.Done
  }

  #advance(track: WatermarkTrack, timestampMs: number): Progress {
    this.emptyStages()
    if (timestampMs <= track.targetMs) return track.isUnderWay ? Progress.Blocked : Progress.Done
    track.targetMs = timestampMs
    if (track.isUnderWay) {
      track.position = 0
      return Progress.Blocked
    }
    track.isUnderWay = true
    if (track.run(this.#guard) === Progress.Done) return Progress.Done
    this.#code.held[0]!++
    this.#code.touch()
    return Progress.Blocked
  }

  #descend(node: StreamNode, track: WatermarkTrack, operators: ChainedOperator[]): void {
    let below = track
    const operator = this.#parts.operators.get(node.id)
    if (operator !== undefined) {
      if (!operator.relaysWatermarks) this.#tracks.push((below = new WatermarkTrack()))
      const chained = { node, operator, output: this.#outputOf(node, below), watermarkMs: minWatermark }
      operators.push(chained)
      track.steps.push({ kind: 'operator', chained })
    }
    for (const edge of node.outputs) {
      const output = this.#parts.outputs.get(edge)
      if (output !== undefined) below.steps.push({ kind: 'output', output })
      else this.#descend(edge.target, below, operators)
    }
  }

  #outputOf(node: StreamNode, track: WatermarkTrack): Output<unknown> {
    const { record } = this.#parts
    const sides = new Map<string, (value: unknown) => void>()
    for (const { sideOutput } of node.outputs) {
      if (sideOutput !== undefined) sides.set(sideOutput.id, this.#code.collector(node, sideOutput.id))
    }
    return {
      collect: this.#code.collector(node, undefined),
      collectAt: this.#code.collectorAt(node),
      collectSide<S>(tag: OutputTag<S>, value: S, timestampMs?: number) {
        const side = sides.get(tag.id)
        if (side === undefined) return
        const saved = record.timestampMs
        if (timestampMs !== undefined) record.timestampMs = timestampMs
        side(value)
        record.timestampMs = saved
      },
      emitWatermark: (timestampMs) => void this.#advance(track, timestampMs),
      emitStatus: (isIdle) => track.emitStatus(isIdle, this.#guard),
      isFull: this.#code.fullProbe(node),
    }
  }
}
