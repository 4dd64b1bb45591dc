/**
 * Runs a sink's writer, and its committer where it has one, as the operator at the end of a chain. Hot in
 * processElement; thread: the slot's.
 *
 * Invariants
 * 1. Before a barrier the writer hands over everything (`flush`); what phase two must publish is prepared in the
 *    snapshot, and committed once the checkpoint is complete.
 * 2. Without checkpoints the end of input is the only commit.
 * 3. A snapshot that fails here fails the task, however many checkpoints may fail: what the writer has prepared is in no
 *    snapshot, and can only come again from the source.
 */
import type { CommittableBatch, OperatorSnapshot } from '../checkpoint/checkpoint-metadata.ts'
import { SinkCommitter } from '../checkpoint/sink-committer.ts'
import type { ConfigOption } from '../common/config-option.ts'
import { configOptions } from '../common/config-options.ts'
import { Progress } from '../common/progress.ts'
import { systemTimers } from '../common/timers.ts'
import type { Sink, SinkWriter } from '../connectors/sink.ts'
import type { Operator, OperatorContext, RecordCell } from '../operators/operator.ts'

export interface SinkOperatorOptions {
  /** Whether completed checkpoints will call for commits. */
  readonly hasCheckpoints: boolean
}

export class SinkOperator implements Operator<unknown, never> {
  readonly inputCount = 1
  readonly relaysWatermarks = true
  readonly sink: Sink<unknown>
  writer!: SinkWriter<unknown>
  readonly #options: SinkOperatorOptions
  #committer: SinkCommitter | undefined
  #record!: RecordCell
  #hasIsFull = false
  #restored: Pick<Required<OperatorSnapshot>, 'writerStates' | 'committables'> | undefined
  #lastCommit: 'none' | 'under way' | 'done' = 'none'
  #context!: OperatorContext

  constructor(sink: Sink<unknown>, options: SinkOperatorOptions) {
    this.sink = sink
    this.#options = options
  }

  setup(context: OperatorContext): void {
    this.#context = context
    this.#record = context.record
    this.writer = this.sink.createWriter(context)
    this.#hasIsFull = this.writer.isFull !== undefined
    const committer = this.sink.createCommitter?.(context)
    if (committer === undefined) return
    const settingOf = <T>(option: ConfigOption<T>): T => {
      const text = context.configuration.get(option.key)
      return text === undefined ? option.defaultValue : option.parse(text)
    }
    this.#committer = new SinkCommitter(committer, {
      sinkName: this.sink.name,
      retries: settingOf(configOptions.committerRetries),
      timeoutMs: settingOf(configOptions.checkpointTimeout),
      timers: context.timers ?? systemTimers,
    })
  }

  /** Called before `open` where the job was restored. */
  restore(writerStates: readonly unknown[], committables: readonly CommittableBatch[]): void {
    this.#restored = { writerStates, committables }
  }

  async open(): Promise<void> {
    if (this.#restored !== undefined) {
      await this.#committer?.restore(this.#restored.committables)
      this.writer.restoreState?.(this.#restored.writerStates)
    }
    await this.writer.open?.()
  }

  processElement(value: unknown): void {
    this.writer.write(value, this.#record.timestampMs)
  }

  /** Read by the chain's full probe: a writer whose buffer is full stops the loop as a full channel does. */
  isFull(): boolean {
    return this.#hasIsFull && this.writer.isFull!()
  }

  endOfBatch(): void {
    this.writer.endOfBatch?.()
  }

  advanceWatermark(timestampMs: number): Progress {
    this.writer.writeWatermark?.(timestampMs)
    return Progress.Done
  }

  prepareBarrier(): Progress {
    return this.writer.flush(false) === Progress.Blocked ? Progress.Blocked : Progress.Done
  }

  /** Called right after the barrier passed: the writer's state and the transactions that now wait for completion. */
  async snapshotSink(
    checkpointId: number,
    isSavepoint: boolean,
  ): Promise<Pick<OperatorSnapshot, 'writerStates' | 'committables'>> {
    try {
      const prepared = this.writer.prepareCommit?.(isSavepoint) ?? []
      const writerStates = structuredClone(this.writer.snapshotState?.(checkpointId))
      const committables = await prepared
      this.#committer?.add(checkpointId, committables)
      if (isSavepoint) await this.#committer?.keep()
      return {
        ...(writerStates !== undefined && { writerStates }),
        ...(this.#committer !== undefined && { committables: this.#committer.snapshot() }),
      }
    } catch (error) {
      this.#context.post(() => {
        throw error
      })
      throw error
    }
  }

  async notifyCheckpointComplete(checkpointId: number): Promise<void> {
    await this.#committer?.commitUpTo(checkpointId)
  }

  finish(): Progress {
    if (this.#lastCommit === 'done') return Progress.Done
    if (this.#lastCommit === 'under way') return Progress.Blocked
    if (this.writer.flush(true) === Progress.Blocked) return Progress.Blocked
    if (this.#committer === undefined || this.#options.hasCheckpoints) return Progress.Done
    this.#commitAtEnd(this.#committer)
    return Progress.Blocked
  }

  async close(): Promise<void> {
    await this.writer?.close?.()
    await this.#committer?.close()
  }

  #commitAtEnd(committer: SinkCommitter): void {
    this.#lastCommit = 'under way'
    const hold = this.#context.holdAsync()
    const commit = async (): Promise<void> => {
      committer.add(Number.MAX_SAFE_INTEGER, (await this.writer.prepareCommit?.()) ?? [])
      await committer.commitUpTo(Number.POSITIVE_INFINITY)
    }
    const done = (failure?: unknown): void => {
      this.#context.post(() => {
        if (failure !== undefined) throw failure
        this.#lastCommit = 'done'
      })
      hold.release()
    }
    commit().then(() => done(), done)
  }
}
