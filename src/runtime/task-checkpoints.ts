/**
 * The checkpoints of one task: takes barriers from its channels (or, for a source, from the coordinator), aligns them,
 * snapshots the chain, passes the barrier on, and reports. Cold but for `step`, which looks for work once per step.
 *
 * Invariants
 * 1. Aligned: a channel whose barrier has arrived is held back until the barrier has arrived on all of them.
 * 2. The barrier enters the outputs between the last record that the snapshot contains and the first that it does not.
 * 3. Unaligned: the snapshot is taken when the first barrier is seen; what then still lies before the barrier, in a
 *    channel, in the batch at hand or held by a writer, is stored as channel state.
 * 4. One report per checkpoint: acknowledged once everything is stored, or declined.
 * 5. At least once: barriers of several checkpoints may have arrived in part. They are taken in their order; one of which
 *    a later one has arrived on every channel comes no more.
 */
import type { ChannelSnapshot, SubtaskSnapshot } from '../checkpoint/checkpoint-metadata.ts'
import type { CheckpointCommand, CheckpointReport } from '../checkpoint/messages.ts'
import { type ChannelPlace, writeChannelState } from '../checkpoint/channel-state-file.ts'
import type { Clock } from '../common/clock.ts'
import { toPlain } from '../common/errors.ts'
import { Progress } from '../common/progress.ts'
import type { BatchReader } from '../exchange/channel.ts'
import { encodeBatch } from '../exchange/encoded-batch.ts'
import type { CheckpointBarrier } from '../exchange/stream-event.ts'
import type { SnapshotSink } from '../state/snapshot-store.ts'
import type { GateChannel } from './input-gate.ts'
import { type OperatorHome, snapshotHomes } from './operator-home.ts'
import type { AsyncHolds } from './async-holds.ts'
import type { BarrierTaker, Task } from './task.ts'

export interface TaskCheckpointsParts {
  readonly task: Task
  readonly homes: readonly OperatorHome[]
  readonly clock: Clock
  readonly holds: AsyncHolds
  report(report: CheckpointReport): void
  /** Where the files of one operator (by id) or of the channels (`channels`) go. */
  openSink(checkpointId: number, owner: string): SnapshotSink
}

interface UnderWay {
  readonly barrier: CheckpointBarrier
  readonly startedMs: number
  readonly arrived: Set<GateChannel>
  isUnaligned: boolean
  stage: 'aligning' | 'preparing' | 'recording' | 'stored'
  operators: Promise<SubtaskSnapshot['operators']> | undefined
  /** Whether the task had finished when its state was frozen. */
  hadEnded: boolean
  syncMs: number
  alignmentMs: number
  /** Channel state so far: by channel of the gate, and of the outputs. */
  readonly inFlight: Map<GateChannel, Uint8Array[]>
  outputs: readonly OutputState[]
  /** The barrier went out in band and may still wait in a writer: it overtakes from there once its time is over. */
  awaitsOutputs: boolean
}

/** What had not left the writers of one output edge. */
interface OutputState {
  readonly edgeIndex: number
  readonly targetSubtask: number
  readonly batches: readonly Uint8Array[]
}

export class TaskCheckpoints implements BarrierTaker {
  readonly #parts: TaskCheckpointsParts
  readonly #triggers: CheckpointBarrier[] = []
  #current: UnderWay | undefined
  /** At least once: what has arrived in part while the one before is awaited. In the order of their ids. */
  #later: readonly UnderWay[] = []
  /** Barriers up to this one are over: completed here, or given up. */
  #passedId = 0
  /** Of later ones those that are aborted: between them others may still come. */
  readonly #aborted = new Set<number>()
  /** By checkpoint: what is being written. One at a time, but for what is written for nothing. */
  readonly #storing = new Map<number, Promise<void>>()
  /** Of these, the ones that are given up. */
  readonly #abandoned = new Set<number>()
  /** The savepoint for which the source reads no more. */
  #suspendingId: number | undefined
  /** The last barrier that went out in band and shall overtake if the checkpoint is not over in time. */
  #mayOvertake: CheckpointBarrier | undefined

  constructor(parts: TaskCheckpointsParts) {
    this.#parts = parts
  }

  take(command: CheckpointCommand): void {
    switch (command.type) {
      case 'triggerCheckpoint':
        this.#triggers.push(command.barrier)
        return
      case 'checkpointComplete':
        return this.#complete(command.checkpointId, command.commit)
      case 'checkpointAborted':
        return this.#abort(command.checkpointId)
    }
  }

  takeBarrier(channel: GateChannel, barrier: CheckpointBarrier): void {
    if (this.#isForLater(barrier)) return this.#arriveLater(channel, barrier)
    const current = this.#beginOrJoin(barrier)
    if (current === undefined) return
    this.#arrive(current, channel)
    if (current.stage === 'aligning' && barrier.mode === 'aligned') channel.isHeldBack = true
    this.#goOnIfAllArrived(current)
  }

  ended(): void {
    const { task, report } = this.#parts
    report({ type: 'subtaskEnded', vertexIndex: task.vertex.index, subtaskIndex: task.subtask })
  }

  recordBatch(channel: GateChannel, batch: BatchReader): void {
    const current = this.#current
    if (current?.stage !== 'recording' || current.arrived.has(channel)) return
    this.#inFlightOf(current, channel).push(encodeBatch(batch, 0))
  }

  step(): Progress {
    if (this.#current === undefined && this.#triggers.length > 0) this.#startAtSource()
    if (this.#current === undefined && this.#later.length > 0) this.#takeLater()
    this.#takeAnnounced()
    if (this.#mayOvertake !== undefined) this.#overtakeInTime(this.#mayOvertake)
    const current = this.#current
    if (current === undefined) return Progress.Done
    if (current.stage === 'aligning') this.#checkAlignTimeout(current)
    if (current.stage !== 'preparing') return Progress.Done
    return this.#prepare(current)
  }

  #startAtSource(): void {
    const { task } = this.#parts
    const barrier = this.#triggers[0]!
    if (this.#isOver(barrier)) {
      this.#triggers.shift()
      return
    }
    if (barrier.kind === 'stop-drain' && !task.hasEnded) {
      task.endSource(true)
      return
    }
    this.#triggers.shift()
    if (barrier.kind === 'stop-suspend') {
      task.isSuspended = true
      this.#suspendingId = barrier.checkpointId
    }
    this.#current = this.#begin(barrier)
    this.#current.stage = 'preparing'
  }

  #takeAnnounced(): void {
    for (const channel of this.#parts.task.gate?.channels ?? []) {
      const barrier = channel.reader.pollPriority()
      if (barrier === undefined) continue
      const current = this.#beginOrJoin(barrier)
      if (current === undefined) continue
      current.isUnaligned = true
      if (current.stage === 'aligning') current.stage = 'preparing'
      if (!current.arrived.has(channel))
        this.#inFlightOf(current, channel).push(...channel.reader.snapshotInFlight(barrier))
      this.#arrive(current, channel)
      this.#goOnIfAllArrived(current)
    }
  }

  #isForLater(barrier: CheckpointBarrier): boolean {
    const current = this.#current?.barrier
    if (this.#isOver(barrier)) return false
    if (current === undefined) return this.#later.length > 0
    return current.mode === 'at-least-once' && current.checkpointId < barrier.checkpointId
  }

  #arriveLater(channel: GateChannel, barrier: CheckpointBarrier): void {
    const { checkpointId } = barrier
    const later = this.#later.find((one) => one.barrier.checkpointId === checkpointId) ?? this.#begin(barrier)
    this.#later = [...this.#later.filter((one) => one !== later), later].toSorted(
      (a, b) => a.barrier.checkpointId - b.barrier.checkpointId,
    )
    this.#arrive(later, channel)
    if (barrier.mode === 'aligned') channel.isHeldBack = true
    const all = this.#parts.task.gate!.channels.length
    if (later.arrived.size < all) return
    for (const one of [this.#current, ...this.#later]) {
      const isOlder = one !== undefined && one.barrier.checkpointId < checkpointId
      if (isOlder && one.arrived.size < all) this.#giveUp(one.barrier.checkpointId, barrier)
    }
  }

  #takeLater(): void {
    const next = this.#later[0]!
    this.#later = this.#later.slice(1)
    this.#current = next
    this.#goOnIfAllArrived(next)
  }

  /** A newer barrier ends the wait for an older one, which can no longer complete here. */
  #beginOrJoin(barrier: CheckpointBarrier): UnderWay | undefined {
    if (this.#isOver(barrier)) return undefined
    const current = this.#current
    if (current !== undefined && current.barrier.checkpointId > barrier.checkpointId) return undefined
    if (current?.barrier.checkpointId === barrier.checkpointId) return current
    if (current !== undefined) this.#giveUp(current.barrier.checkpointId, barrier)
    return (this.#current = this.#begin(barrier))
  }

  #giveUp(checkpointId: number, overtakenBy: CheckpointBarrier): void {
    this.#decline(checkpointId, new Error(`checkpoint ${overtakenBy.checkpointId} overtook it`))
    this.#releaseOf(checkpointId)
  }

  #begin(barrier: CheckpointBarrier): UnderWay {
    return {
      barrier,
      startedMs: this.#parts.clock.monotonicMs(),
      arrived: new Set(),
      isUnaligned: barrier.mode === 'unaligned',
      stage: 'aligning',
      operators: undefined,
      hadEnded: false,
      syncMs: 0,
      alignmentMs: 0,
      inFlight: new Map(),
      outputs: [],
      awaitsOutputs: false,
    }
  }

  #arrive(current: UnderWay, channel: GateChannel): void {
    current.arrived.add(channel)
  }

  #goOnIfAllArrived(current: UnderWay): void {
    const channels = this.#parts.task.gate?.channels ?? []
    if (current.arrived.size < channels.length) {
      // Unaligned without announcement (in band, from a producer that had nothing to overtake): do not wait either.
      if (current.isUnaligned && current.stage === 'aligning') current.stage = 'preparing'
      return
    }
    if (current.stage === 'aligning') {
      current.alignmentMs = this.#parts.clock.monotonicMs() - current.startedMs
      current.stage = 'preparing'
    } else if (current.stage === 'recording') this.#storeIfWhole(current)
  }

  #storeIfWhole(current: UnderWay): void {
    const channelCount = this.#parts.task.gate?.channels.length ?? 0
    if (current.arrived.size >= channelCount && !current.awaitsOutputs) this.#store(current)
  }

  /** Its time counts from the trigger, so that it is not spent anew in every task on the way. */
  #isOverdue({ mode, alignTimeoutMs, timestampMs }: CheckpointBarrier): boolean {
    return mode === 'aligned' && this.#parts.clock.nowMs() - timestampMs >= alignTimeoutMs
  }

  /** A barrier that went out in band: out of the writers it needs no more of us, else it overtakes in time. */
  #overtakeInTime(barrier: CheckpointBarrier): void {
    const { task } = this.#parts
    const current = this.#current?.awaitsOutputs === true ? this.#current : undefined
    const isOverdue = this.#isOverdue(barrier)
    if (isOverdue) {
      this.#mayOvertake = undefined
      const outputs = this.#announce(barrier)
      if (current !== undefined) current.outputs = outputs
    }
    if (current === undefined || (!isOverdue && !task.outputs.every((output) => output.drain()))) return
    current.awaitsOutputs = false
    this.#storeIfWhole(current)
  }

  #checkAlignTimeout(current: UnderWay): void {
    if (!this.#isOverdue(current.barrier)) return
    // From here on as unaligned: the channels that are still awaited are recorded until their barrier comes.
    current.isUnaligned = true
    current.stage = 'preparing'
    for (const channel of current.arrived) channel.isHeldBack = false
  }

  /** Flushes what must be before the barrier, passes the barrier on, and takes the synchronous part. Resumable. */
  #prepare(current: UnderWay): Progress {
    const { task, homes, clock } = this.#parts
    const { barrier } = current
    // Not blocked: the task has to go on finishing.
    if (task.isBetweenSnapshots) return Progress.Done
    if (!current.isUnaligned && task.chain.resume() === Progress.Blocked) return Progress.Blocked
    task.chain.emptyStages()
    for (const home of homes) {
      const prepared = home.prepareBarrier(barrier.checkpointId)
      if (prepared !== Progress.Blocked) continue
      // An unaligned barrier waits for no watermark; but one that is held up in the chain keeps it full for ever.
      task.chain.resume()
      return Progress.Blocked
    }
    if (this.#abandoned.size > 0) {
      this.#decline(barrier.checkpointId, new Error('the snapshot before it, given up, is still being written'))
      this.#passBarrierOn(current)
      this.#release(current)
      return Progress.Working
    }
    // With several checkpoints at a time: this one's turn comes, or its time-out.
    if (this.#storing.size > 0) return Progress.Blocked
    const startedMs = clock.monotonicMs()
    this.#passBarrierOn(current)
    if (current.isUnaligned) this.#recordBatchAtHand(current)
    const isSavepoint = barrier.kind !== 'checkpoint' && barrier.kind !== 'final'
    const openSink = (operatorId: string): SnapshotSink => this.#parts.openSink(barrier.checkpointId, operatorId)
    current.operators = snapshotHomes(homes, barrier.checkpointId, openSink, { isSavepoint })
    current.operators.catch(() => {})
    current.hadEnded = task.hasFinished
    current.syncMs = clock.monotonicMs() - startedMs
    for (const channel of current.arrived) channel.isHeldBack = false
    current.stage = 'recording'
    this.#storeIfWhole(current)
    return Progress.Working
  }

  #passBarrierOn(current: UnderWay): void {
    const { barrier } = current
    if (current.isUnaligned && barrier.mode !== 'at-least-once') {
      current.outputs = this.#announce(barrier)
      return
    }
    const { outputs } = this.#parts.task
    for (const output of outputs) {
      output.emitEvent({ type: 'barrier', barrier })
      output.flush()
    }
    if (barrier.mode !== 'aligned' || barrier.alignTimeoutMs === Number.POSITIVE_INFINITY) return
    this.#mayOvertake = barrier
    current.awaitsOutputs = outputs.length > 0
  }

  /** Lets a barrier overtake; answers what had not left the writers. */
  #announce(aligned: CheckpointBarrier): OutputState[] {
    const { outputs, vertex } = this.#parts.task
    const barrier: CheckpointBarrier = { ...aligned, mode: 'unaligned' }
    return outputs.flatMap((output, i) =>
      output.announceBarrier(barrier).map(({ targetSubtask, batches }) => ({
        edgeIndex: vertex.outputs[i]!.index,
        targetSubtask,
        batches,
      })),
    )
  }

  #recordBatchAtHand(current: UnderWay): void {
    const atHand = this.#parts.task.batchAtHand()
    if (atHand === undefined) return
    this.#inFlightOf(current, atHand.channel).unshift(encodeBatch(atHand.batch, atHand.from))
  }

  #inFlightOf(current: UnderWay, channel: GateChannel): Uint8Array[] {
    let batches = current.inFlight.get(channel)
    if (batches === undefined) current.inFlight.set(channel, (batches = []))
    return batches
  }

  /** Everything is frozen: what is left is writing, off the task's steps. */
  #store(current: UnderWay): void {
    current.stage = 'stored'
    this.#pass(current.barrier)
    this.#current = undefined
    this.#track(current.barrier, this.#write(current, this.#parts.clock.monotonicMs()))
  }

  #track({ checkpointId }: CheckpointBarrier, writing: Promise<void>): void {
    const hold = this.#parts.holds.hold()
    const storing = writing
      .catch((error: unknown) => this.#decline(checkpointId, error))
      .finally(() => {
        this.#storing.delete(checkpointId)
        this.#abandoned.delete(checkpointId)
        hold.release()
      })
    this.#storing.set(checkpointId, storing)
  }

  async settled(): Promise<void> {
    await Promise.all(this.#storing.values())
  }

  async #write(current: UnderWay, startedMs: number): Promise<void> {
    const { task, report, clock } = this.#parts
    const { checkpointId, timestampMs } = current.barrier
    const operators = await current.operators!
    const channels = await this.#writeChannels(current)
    report({
      type: 'acknowledgeCheckpoint',
      checkpointId,
      vertexIndex: task.vertex.index,
      subtaskIndex: task.subtask,
      snapshot: { operators, channels, ended: current.hadEnded },
      metrics: {
        alignmentMs: current.alignmentMs,
        startDelayMs: Math.max(0, clock.nowMs() - timestampMs - (clock.monotonicMs() - current.startedMs)),
        syncMs: current.syncMs,
        asyncMs: clock.monotonicMs() - startedMs,
        overtakenBytes: channels.reduce((sum, { file }) => sum + file.bytes, 0),
      },
    })
  }

  async #writeChannels(current: UnderWay): Promise<ChannelSnapshot[]> {
    const { task, openSink } = this.#parts
    const sink = openSink(current.barrier.checkpointId, `channels-${task.vertex.id}`)
    const write = async (place: ChannelPlace, batches: readonly Uint8Array[]): Promise<ChannelSnapshot> => {
      return { ...place, file: await writeChannelState(sink, place, batches), batchCount: batches.length }
    }
    const inputs = [...current.inFlight].map(([{ edgeIndex, sourceSubtask }, batches]) => {
      return { place: { edgeIndex, sourceSubtask, targetSubtask: task.subtask, side: 'input' as const }, batches }
    })
    const outputs = current.outputs.map(({ edgeIndex, targetSubtask, batches }) => {
      return { place: { edgeIndex, sourceSubtask: task.subtask, targetSubtask, side: 'output' as const }, batches }
    })
    const filled = [...inputs, ...outputs].filter(({ batches }) => batches.length > 0)
    return await Promise.all(filled.map(({ place, batches }) => write(place, batches)))
  }

  #complete(checkpointId: number, commit: boolean): void {
    this.#overtakeNoMore(checkpointId)
    const { homes, holds, report, task } = this.#parts
    const hold = holds.hold()
    void (async () => {
      for (const home of homes) await home.checkpointComplete(checkpointId, commit)
      if (commit)
        report({
          type: 'checkpointCommitted',
          checkpointId,
          vertexIndex: task.vertex.index,
          subtaskIndex: task.subtask,
        })
    })()
      .catch((error: unknown) => task.failLater(error))
      .finally(() => hold.release())
  }

  #abort(checkpointId: number): void {
    const { homes, task } = this.#parts
    if (this.#mayOvertake?.checkpointId === checkpointId) this.#mayOvertake = undefined
    if (checkpointId > this.#passedId) this.#aborted.add(checkpointId)
    this.#releaseOf(checkpointId)
    if (this.#storing.has(checkpointId)) this.#abandoned.add(checkpointId)
    if (this.#suspendingId === checkpointId) task.isSuspended = false
    for (const home of homes) home.checkpointAborted(checkpointId)
  }

  #overtakeNoMore(checkpointId: number): void {
    if (this.#mayOvertake !== undefined && this.#mayOvertake.checkpointId <= checkpointId) this.#mayOvertake = undefined
  }

  #releaseOf(checkpointId: number): void {
    const current = this.#current
    if (current?.barrier.checkpointId === checkpointId) return this.#release(current)
    const later = this.#later.find(({ barrier }) => barrier.checkpointId === checkpointId)
    if (later === undefined) return
    for (const channel of later.arrived) channel.isHeldBack = false
    this.#later = this.#later.filter((one) => one !== later)
  }

  #release(current: UnderWay): void {
    for (const channel of current.arrived) channel.isHeldBack = false
    this.#pass(current.barrier)
    if (this.#current === current) this.#current = undefined
    if (current.operators === undefined) return
    const giveUp = (): never => {
      throw new Error('it was given up')
    }
    // The coordinator removes what comes of it.
    this.#track(current.barrier, current.operators.then(giveUp))
    this.#abandoned.add(current.barrier.checkpointId)
  }

  #isOver({ checkpointId }: CheckpointBarrier): boolean {
    return checkpointId <= this.#passedId || this.#aborted.has(checkpointId)
  }

  #pass({ checkpointId }: CheckpointBarrier): void {
    this.#passedId = Math.max(this.#passedId, checkpointId)
    for (const aborted of this.#aborted) if (aborted <= this.#passedId) this.#aborted.delete(aborted)
  }

  #decline(checkpointId: number, error: unknown): void {
    const { task, report } = this.#parts
    report({
      type: 'declineCheckpoint',
      checkpointId,
      reason: toPlain(error),
      vertexIndex: task.vertex.index,
      subtaskIndex: task.subtask,
    })
  }
}
