/** Makes the tasks of a region in a slot from their deployment and the job graph that the slot has built. Cold. */
import type { Doors } from '../common/doors.ts'
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import { openSnapshotSink, openSnapshotSource } from '../checkpoint/snapshot-files.ts'
import { noTimestamp } from '../common/limits.ts'
import type { TypeInformation } from '../data/types.ts'
import { openEdgeWriter } from '../exchange/edge-writer.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { LatencyHistograms } from '../metrics/latency-histograms.ts'
import { SubtaskMetrics } from '../metrics/shared-metrics.ts'
import { AccumulatorTotals } from '../operators/accumulator-totals.ts'
import { TimestampsAndWatermarksOperator } from '../operators/timestamps-and-watermarks-operator.ts'
import type { Operator, RecordCell } from '../operators/operator.ts'
import { bufferTimeoutMs } from '../plan/buffer-timeout.ts'
import type { ChannelDescription, Subtask } from '../plan/execution-graph.ts'
import type { JobEdge, JobGraph, JobVertex } from '../plan/job-graph.ts'
import type { StreamEdge } from '../plan/stream-graph.ts'
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import type { StateBudget } from '../state/state-budget.ts'
import { BufferTimeouts } from './buffer-timeouts.ts'
import { Chain } from './chain.ts'
import { subtaskKey } from '../checkpoint/messages.ts'
import type { RegionDeployment } from './deployment.ts'
import type { EdgeOutput } from './edge-output.ts'
import { InputGate } from './input-gate.ts'
import { LatencyMarkers, sourceVertices } from './latency-markers.ts'
import { OperatorHomes } from './operator-home.ts'
import { replayInChain, restoreChannels } from './restore-channels.ts'
import { SinkOperator } from './sink-operator.ts'
import type { AsyncHolds } from './async-holds.ts'
import type { SlotPort } from './slot-runtime.ts'
import { SourceHead } from './source-head.ts'
import { SplitAlignment } from './split-alignment.ts'
import { Mailbox, Task } from './task.ts'
import { TaskCheckpoints } from './task-checkpoints.ts'
import { alignmentMembers, alignmentParamsOf, WatermarkAlignment } from './watermark-alignment.ts'

export interface TaskFactoryParts {
  readonly deployment: RegionDeployment
  readonly job: JobGraph
  readonly port: SlotPort
  readonly exchange: Exchange
  readonly holds: AsyncHolds
  readonly doors: Doors
  /** Shared by all keyed state of the slot. */
  readonly stateBudget: StateBudget
}

export interface CreatedTask {
  readonly task: Task
  /** Restores and opens operators and reader, in chain order. */
  open(): Promise<void>
}

export class TaskFactory {
  readonly #parts: TaskFactoryParts
  /** What the slot's operators of the region have added so far. */
  readonly accumulators: AccumulatorTotals = new AccumulatorTotals()

  constructor(parts: TaskFactoryParts) {
    this.#parts = parts
  }

  /** The subtasks of the region that this slot hosts. */
  subtasks(): readonly Subtask[] {
    const { executionGraph, region, slots } = this.#parts.deployment
    return executionGraph.regions[region]!.subtasks.filter(({ slot }) => slots.includes(slot))
  }

  create(subtask: Subtask): CreatedTask {
    const { job, exchange, holds, doors } = this.#parts
    const vertex = job.vertices[subtask.vertexIndex]!
    const { subtaskIndex } = subtask
    const record: RecordCell = { timestampMs: noTimestamp }
    const metrics = this.#metricsOf(subtask)
    const mailbox = new Mailbox(() => holds.wake())
    const operators = createOperators(vertex, this.#parts.deployment.checkpointing !== undefined)
    const outputs = new Map<StreamEdge, EdgeOutput>()
    for (const edge of vertex.outputs) {
      outputs.set(
        edge.edge,
        openEdgeWriter(exchange, edge.edge.partitioning, this.#channelsFrom(edge, subtaskIndex), {
          maxParallelism: edge.target.maxParallelism,
          subtaskIndex,
          type: typeOf(edge.edge)?.dataType,
        }),
      )
    }
    const homes = new OperatorHomes({
      ...this.#parts,
      vertex,
      subtaskIndex,
      record,
      metrics,
      mailbox,
      accumulators: this.accumulators,
    })
    const keyedStates = new Map<number, KeyedStateBackend>()
    for (const node of vertex.nodes) {
      const { keyedState } = homes.ofNode(node)
      if (keyedState !== undefined) keyedStates.set(node.id, keyedState)
    }
    const chain = new Chain({ vertex, subtask: subtaskIndex, record, metrics, operators, keyedStates, outputs })
    const source = this.#sourceOf(vertex, subtaskIndex, homes, chain)
    const gate = vertex.inputs.length === 0 ? undefined : this.#gateOf(vertex, subtaskIndex)
    const task = new Task({
      vertex,
      subtask: subtaskIndex,
      chain,
      gate,
      source: source?.head,
      alignment: source && this.#alignmentOf(vertex, subtask, source.head, homes),
      outputs: [...outputs.values()],
      bufferTimeouts: new BufferTimeouts(
        [...outputs.values()],
        [...outputs.keys()].map((edge) => bufferTimeoutMs(job, edge)),
      ),
      latency: this.#latencyOf(vertex, subtask, [...outputs.values()]),
      metrics,
      clock: doors.clock,
      mailbox,
      homes: vertex.nodes.map((node) => homes.ofNode(node)),
    })
    for (const chained of chain.operators) homes.of(chained)
    this.#takeCheckpoints(task, homes)
    const restore = this.#parts.deployment.restore[subtaskKey(subtask)]
    const open = async (): Promise<void> => {
      const from = restore && openSnapshotSource(restore.directory, doors.fileSystem)
      for (const home of homes.all()) {
        const restored = restore?.operators[home.operatorId]
        if (restored !== undefined) await home.restore(restored, from!)
      }
      if (gate !== undefined && restore !== undefined) {
        await restoreChannels({ channels: gate.channels, edges: job.edges, subtaskIndex }, restore.channels, from!)
      }
      if (restore?.chained !== undefined) {
        const nodeOf = (operatorId: string) => vertex.nodes.find(({ id }) => job.operatorIds.get(id) === operatorId)!
        task.inFlight = await replayInChain(restore.chained, (id) => chain.entry(nodeOf(id)), from!)
      }
      for (const chained of chain.operators) {
        chained.operator.setup(homes.of(chained).context, chained.output)
        await chained.operator.open?.()
      }
      await source?.head.reader.open?.()
      if (restore?.ended === true) task.restoreAsEnded()
    }
    return { task, open }
  }

  #takeCheckpoints(task: Task, homes: OperatorHomes): void {
    const { deployment, doors, holds, port } = this.#parts
    const { checkpointing } = deployment
    if (checkpointing === undefined) return
    task.lingers = true
    task.barriers = new TaskCheckpoints({
      task,
      homes: homes.all(),
      clock: doors.clock,
      holds,
      report: (report) => port.post({ type: 'checkpoint', report }),
      openSink: (checkpointId, operatorId) =>
        openSnapshotSink({
          ...checkpointing,
          checkpointId,
          operatorId,
          subtaskIndex: task.subtask,
          fileSystem: doors.fileSystem,
        }),
    })
  }

  #metricsOf(subtask: Subtask): SubtaskMetrics {
    const { deployment, port } = this.#parts
    return new SubtaskMetrics(deployment.metrics, this.#positionOf(subtask), (registration) =>
      port.post({ type: 'metric', registration }),
    )
  }

  #positionOf({ vertexIndex, subtaskIndex }: Subtask): number {
    return this.#parts.deployment.executionGraph.subtasks.findIndex(
      (other) => other.vertexIndex === vertexIndex && other.subtaskIndex === subtaskIndex,
    )
  }

  #latencyOf(vertex: JobVertex, subtask: Subtask, outputs: readonly EdgeOutput[]): LatencyMarkers | undefined {
    const { deployment, job, doors } = this.#parts
    if (deployment.latency === undefined) return undefined
    const sources = sourceVertices(job)
    return new LatencyMarkers({
      intervalMs: Configuration.of(job.configuration).get(configOptions.latencyInterval),
      clock: doors.clock,
      histograms: new LatencyHistograms(deployment.latency, sources.length),
      sourceIds: sources.map(({ id }) => id),
      position: this.#positionOf(subtask),
      origin: sources.includes(vertex) ? { operatorId: vertex.id, subtaskIndex: subtask.subtaskIndex } : undefined,
      outputs,
    })
  }

  #alignmentOf(
    vertex: JobVertex,
    subtask: Subtask,
    source: SourceHead,
    homes: OperatorHomes,
  ): WatermarkAlignment | undefined {
    const params = alignmentParamsOf(vertex)
    if (params === undefined) return undefined
    const { deployment, job, doors } = this.#parts
    const head = vertex.nodes[0]!
    const watermarks = source.watermarks!
    return new WatermarkAlignment({
      params,
      cells: new Float64Array(deployment.alignment),
      position: this.#positionOf(subtask),
      members: alignmentMembers(job, deployment.executionGraph, params.group),
      source: watermarks,
      splits: new SplitAlignment({ splits: () => watermarks.splits, reader: source.reader }),
      clock: doors.clock,
      drift: homes.ofNode(head).context.metrics.gauge('watermarkAlignmentDrift'),
    })
  }

  #channelsFrom(edge: JobEdge, subtask: number): readonly ChannelDescription[] {
    return this.#parts.deployment.executionGraph.channels.filter(
      ({ edgeIndex, sourceSubtask }) => edgeIndex === edge.index && sourceSubtask === subtask,
    )
  }

  #gateOf(vertex: JobVertex, subtask: number): InputGate {
    const { exchange, deployment } = this.#parts
    return new InputGate(
      vertex.inputs.flatMap((edge) =>
        deployment.executionGraph.channels
          .filter(({ edgeIndex, targetSubtask }) => edgeIndex === edge.index && targetSubtask === subtask)
          .map((channel) => ({
            input: edge.edge.inputIndex,
            reader: exchange.reader(channel.id),
            edgeIndex: edge.index,
            sourceSubtask: channel.sourceSubtask,
            producer: `${edge.source.name}[${channel.sourceSubtask}]`,
          })),
      ),
    )
  }

  #sourceOf(
    vertex: JobVertex,
    subtask: number,
    homes: OperatorHomes,
    chain: Chain,
  ): { readonly head: SourceHead } | undefined {
    const { body } = vertex.nodes[0]!
    if (body.kind !== 'source') return undefined
    const home = homes.ofNode(vertex.nodes[0]!)
    const { splitPools, owned } = this.#parts.deployment
    home.source = new SourceHead({
      source: body.source,
      reader: body.source.createReader(home.context),
      chain,
      pool: splitPools[vertex.index]!,
      subtask,
      parallelism: vertex.parallelism,
      owned: owned[subtaskKey({ vertexIndex: vertex.index, subtaskIndex: subtask })],
    })
    return { head: home.source }
  }
}

/** Declared type of the records on an edge. */
function typeOf({ source, sideOutput }: StreamEdge): TypeInformation<unknown> | undefined {
  return sideOutput === undefined ? source.outputType : sideOutput.type
}

function createOperators(vertex: JobVertex, hasCheckpoints: boolean): ReadonlyMap<number, Operator> {
  const operators = new Map<number, Operator>()
  for (const { id, body } of vertex.nodes) {
    if (body.kind === 'operator') operators.set(id, body.create())
    else if (body.kind === 'source' && body.watermarks !== undefined) {
      const emitsPerBatch = body.watermarks.alignment !== undefined
      operators.set(id, new TimestampsAndWatermarksOperator(body.watermarks, { emitsPerBatch }))
    } else if (body.kind === 'sink') operators.set(id, new SinkOperator(body.sink, { hasCheckpoints }))
  }
  return operators
}
