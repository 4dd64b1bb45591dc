/**
 * What surrounds an operator in its task: the context it sees, and the state it owns, with snapshot and restore. One
 * home per operator of the chain; the home is the owner that closes the state. Cold but for the context's getters.
 */
import type { Doors } from '../common/doors.ts'
import { localStateDirectory } from '../checkpoint/checkpoint-layout.ts'
import { Configuration } from '../common/configuration.ts'
import { configOptions } from '../common/config-options.ts'
import { minWatermark } from '../common/limits.ts'
import type { OperatorSnapshot } from '../checkpoint/checkpoint-metadata.ts'
import { type OperatorRestore, subtaskKey } from '../checkpoint/messages.ts'
import { Progress } from '../common/progress.ts'
import { prng } from '../common/prng.ts'
import { keyGroupRangeOf } from '../data/key-groups.ts'
import type { SubtaskMetrics } from '../metrics/shared-metrics.ts'
import type { Accumulators, CheckpointHooks, OperatorContext, RecordCell } from '../operators/operator.ts'
import type { JobGraph, JobVertex } from '../plan/job-graph.ts'
import type { StreamNode } from '../plan/stream-graph.ts'
import { createKeyedStateBackend } from '../state/create-keyed-state-backend.ts'
import { HeapOperatorState } from '../state/heap-operator-state.ts'
import type { KeyedStateBackend, SnapshotOptions } from '../state/keyed-state-backend.ts'
import type { SnapshotSink, SnapshotSource } from '../state/snapshot-store.ts'
import type { StateBudget } from '../state/state-budget.ts'
import type { ChainedOperator } from './chain.ts'
import type { RegionDeployment } from './deployment.ts'
import type { AsyncHolds } from './async-holds.ts'
import { SinkOperator } from './sink-operator.ts'
import type { SourceHead } from './source-head.ts'
import type { Mailbox } from './task.ts'

export interface OperatorHomesParts {
  readonly deployment: RegionDeployment
  readonly job: JobGraph
  readonly doors: Doors
  readonly holds: AsyncHolds
  readonly vertex: JobVertex
  readonly subtaskIndex: number
  readonly record: RecordCell
  readonly metrics: SubtaskMetrics
  readonly mailbox: Mailbox
  readonly accumulators: Accumulators
  /** Shared by all keyed state of the slot. */
  readonly stateBudget: StateBudget
}

export class OperatorHome {
  readonly node: StreamNode
  readonly operatorId: string
  readonly context: OperatorContext
  readonly keyedState: KeyedStateBackend | undefined
  readonly operatorState: HeapOperatorState = new HeapOperatorState()
  /** The chained operator, once it is known: its watermark is what the context tells. */
  chained: ChainedOperator | undefined
  /** User functions that want to know of checkpoints. */
  readonly #hooks: CheckpointHooks[] = []
  /** The reader, where the operator is a source. */
  source: SourceHead | undefined

  constructor(node: StreamNode, parts: OperatorHomesParts) {
    const { deployment, job, vertex, subtaskIndex } = parts
    const configuration = Configuration.of(job.configuration)
    this.node = node
    this.operatorId = job.operatorIds.get(node.id)!
    this.keyedState = isKeyed(node) ? createKeyedState(node, parts, configuration) : undefined
    this.context = {
      task: {
        jobName: job.jobName,
        operatorName: node.name,
        operatorId: this.operatorId,
        subtaskIndex,
        parallelism: vertex.parallelism,
        maxParallelism: vertex.maxParallelism,
        attempt: deployment.attempt,
      },
      clock: parts.doors.clock,
      timers: parts.doors.timers,
      fileSystem: parts.doors.fileSystem,
      prng: prng(subtaskIndex * 0x9e3779b1 + node.id),
      metrics: parts.metrics.group(this.operatorId, node.name, subtaskIndex),
      accumulators: parts.accumulators,
      record: parts.record,
      keyedState: this.keyedState,
      operatorState: this.operatorState,
      configuration: { get: (key) => configuration.text(key) },
      currentWatermarkMs: () => this.chained?.watermarkMs ?? minWatermark,
      post: (mail) => parts.mailbox.post(mail),
      holdAsync: () => parts.holds.hold(),
      onCheckpoint: (hooks) => void this.#hooks.push(hooks),
      isRestored: deployment.restore[subtaskKey({ vertexIndex: vertex.index, subtaskIndex })] !== undefined,
    }
  }

  /** Gives the operator back what a checkpoint holds for it; before `setup` of the operator. */
  async restore(restored: OperatorRestore, source: SnapshotSource): Promise<void> {
    if (restored.keyed.length > 0) await this.keyedState?.restore(restored.keyed, source)
    if (restored.operatorState !== undefined) this.operatorState.restore(restored.operatorState)
    this.source?.reader.addSplits(restored.splits)
    const operator = this.chained?.operator
    if (operator instanceof SinkOperator) operator.restore(restored.writerStates, restored.committables)
  }

  /** What the operator must emit or hand over before the barrier. Blocked: call again. */
  prepareBarrier(checkpointId: number): Progress {
    return this.chained?.operator.prepareBarrier?.(checkpointId) ?? Progress.Done
  }

  /** Freezes now; resolves once everything is stored. Undefined where the operator holds nothing. */
  async snapshot(
    checkpointId: number,
    sink: SnapshotSink,
    options: SnapshotOptions,
  ): Promise<OperatorSnapshot | undefined> {
    const operator = this.chained?.operator
    for (const hooks of this.#hooks) hooks.snapshotState?.(checkpointId)
    operator?.snapshotState?.(checkpointId)
    const keyed = this.keyedState?.snapshot(checkpointId, sink, options)
    const operatorState = this.operatorState.snapshot()
    // A reader may go on with the objects that it answered, long before they are stored.
    const splits = this.source && structuredClone(this.source.reader.snapshot())
    const claimedSplits = this.source?.claimedSplits()
    const sinkPart =
      operator instanceof SinkOperator ? operator.snapshotSink(checkpointId, options.isSavepoint === true) : undefined
    return {
      ...(keyed !== undefined && { keyed: [await keyed] }),
      ...(operatorState !== undefined && { operatorState }),
      ...(splits !== undefined && { splits, claimedSplits }),
      ...(await sinkPart),
    }
  }

  /** `commit` false: a plain savepoint, from which nothing is recovered; backends may not build on it. */
  async checkpointComplete(checkpointId: number, commit: boolean): Promise<void> {
    if (!commit) return this.keyedState?.notifyCheckpointAborted(checkpointId)
    this.keyedState?.notifyCheckpointComplete(checkpointId)
    this.source?.reader.notifyCheckpointComplete?.(checkpointId)
    for (const hooks of this.#hooks) await hooks.notifyCheckpointComplete?.(checkpointId)
    await this.chained?.operator.notifyCheckpointComplete?.(checkpointId)
  }

  checkpointAborted(checkpointId: number): void {
    this.keyedState?.notifyCheckpointAborted(checkpointId)
    for (const hooks of this.#hooks) hooks.notifyCheckpointAborted?.(checkpointId)
    this.chained?.operator.notifyCheckpointAborted?.(checkpointId)
  }

  /** A promise where state must catch up before more input is taken. */
  settle(): Promise<void> | undefined {
    return this.keyedState?.settle?.()
  }

  async close(): Promise<void> {
    await this.keyedState?.close()
  }
}

function isKeyed({ body }: StreamNode): boolean {
  return body.kind === 'operator' && body.keySelectors !== undefined
}

function createKeyedState(
  node: StreamNode,
  parts: OperatorHomesParts,
  configuration: Configuration,
): KeyedStateBackend {
  const { vertex, subtaskIndex, doors, holds, deployment } = parts
  const { checkpointing } = deployment
  return createKeyedStateBackend(configuration.get(configOptions.stateBackend), {
    keyGroupRange: keyGroupRangeOf(subtaskIndex, vertex.parallelism, vertex.maxParallelism),
    maxParallelism: vertex.maxParallelism,
    keyType: node.body.kind === 'operator' ? node.body.keyType : undefined,
    clock: doors.clock,
    budget: parts.stateBudget,
    localDirectory:
      configuration.get(configOptions.rocksdbLocalDir) ??
      (checkpointing && localStateDirectory(checkpointing.directory)),
    holdEventLoop: () => holds.hold(),
  })
}

/**
 * Freezes all of a task's operators now; resolves with what they have stored, by operator. One that fails does not end the
 * wait: what the others still prepare must be in the next snapshot.
 */
export async function snapshotHomes(
  homes: readonly OperatorHome[],
  checkpointId: number,
  openSink: (operatorId: string) => SnapshotSink,
  options: SnapshotOptions,
): Promise<Record<string, OperatorSnapshot>> {
  const snapshots = homes.map((home) => home.snapshot(checkpointId, openSink(home.operatorId), options))
  await Promise.allSettled(snapshots)
  const found = await Promise.all(snapshots)
  return Object.fromEntries(
    found.flatMap((snapshot, i) => (snapshot === undefined ? [] : [[homes[i]!.operatorId, snapshot]])),
  )
}

/** The homes of a task's operators, by node. */
export class OperatorHomes {
  readonly #parts: OperatorHomesParts
  readonly #homes = new Map<StreamNode, OperatorHome>()

  constructor(parts: OperatorHomesParts) {
    this.#parts = parts
  }

  ofNode(node: StreamNode): OperatorHome {
    let home = this.#homes.get(node)
    if (home === undefined) this.#homes.set(node, (home = new OperatorHome(node, this.#parts)))
    return home
  }

  of(chained: ChainedOperator): OperatorHome {
    const home = this.ofNode(chained.node)
    home.chained = chained
    return home
  }

  all(): readonly OperatorHome[] {
    return [...this.#homes.values()]
  }
}
