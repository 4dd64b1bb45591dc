/** What checkpoints need to know of a job: its subtasks, their operators and the edges, by stable names. */
import type { JobGraph, JobVertex } from '../plan/job-graph.ts'
import { isChainEdge } from '../plan/plan-description.ts'
import type { StreamEdge } from '../plan/stream-graph.ts'
import {
  type ChannelSnapshot,
  type CheckpointMetadata,
  checkpointFormatVersion,
  type EdgeMetadata,
  type OperatorMetadata,
  type OperatorSnapshot,
  type SubtaskSnapshot,
} from './checkpoint-metadata.ts'
import type { SubtaskAddress } from './messages.ts'

export interface CheckpointPlan {
  readonly jobName: string
  readonly fingerprint: string
  readonly vertices: readonly PlannedVertex[]
  readonly edges: readonly PlannedEdge[]
  /** Edges within chains: what another parallelism or program had as an exchange. */
  readonly chainedEdges?: readonly PlannedEdge[]
}

export interface PlannedVertex {
  readonly index: number
  readonly name: string
  readonly parallelism: number
  readonly maxParallelism: number
  readonly isSource: boolean
  readonly operators: readonly PlannedOperator[]
}

export interface PlannedOperator {
  readonly operatorId: string
  readonly name: string
  readonly uid: string | undefined
}

type StoredChannel = EdgeMetadata['channels'][number]

export type PlannedEdge = Omit<EdgeMetadata, 'channels'>

export function checkpointPlan(job: JobGraph): CheckpointPlan {
  const idOf = (nodeId: number): string => job.operatorIds.get(nodeId) as string
  return {
    jobName: job.jobName,
    fingerprint: job.fingerprint,
    vertices: job.vertices.map((vertex) => ({
      index: vertex.index,
      name: vertex.name,
      parallelism: vertex.parallelism,
      maxParallelism: vertex.maxParallelism,
      isSource: vertex.inputs.length === 0,
      operators: vertex.nodes.map(({ id, name, uid }) => ({ operatorId: idOf(id), name, uid })),
    })),
    edges: job.edges.map(({ edge, source, target }) => plannedEdge(edge, idOf, source, target)),
    chainedEdges: job.vertices.flatMap((vertex) =>
      vertex.nodes.flatMap(({ outputs }) =>
        outputs.filter((edge) => isChainEdge(job, edge)).map((edge) => plannedEdge(edge, idOf, vertex, vertex)),
      ),
    ),
  }
}

function plannedEdge(
  edge: StreamEdge,
  idOf: (nodeId: number) => string,
  source: JobVertex,
  target: JobVertex,
): PlannedEdge {
  return {
    sourceOperatorId: idOf(edge.source.id),
    targetOperatorId: idOf(edge.target.id),
    inputIndex: edge.inputIndex,
    sideOutput: edge.sideOutput?.id,
    partitioning: edge.partitioning.kind,
    sourceParallelism: source.parallelism,
    targetParallelism: target.parallelism,
  }
}

/** Every subtask of the plan, by vertex and index. */
export function subtasksOf(plan: CheckpointPlan): SubtaskAddress[] {
  return plan.vertices.flatMap(({ index, parallelism }) =>
    Array.from({ length: parallelism }, (_, subtaskIndex) => ({ vertexIndex: index, subtaskIndex })),
  )
}

/** `vertexIndex:subtaskIndex`, as in deployments. */
export const subtaskKeyOf = ({ vertexIndex, subtaskIndex }: SubtaskAddress): string => `${vertexIndex}:${subtaskIndex}`

export type MetadataHead = Pick<CheckpointMetadata, 'checkpointId' | 'kind' | 'mode' | 'triggeredMs' | 'jobId'>

/**
 * Puts the subtasks' parts together. `splitPools`: by vertex index the splits of this execution, of which subtasks have
 * claimed some.
 */
export function assembleMetadata(
  plan: CheckpointPlan,
  head: MetadataHead,
  snapshots: ReadonlyMap<string, SubtaskSnapshot>,
  splitPools: Readonly<Record<number, readonly unknown[]>>,
): CheckpointMetadata {
  const snapshotOf = (vertexIndex: number, subtaskIndex: number): SubtaskSnapshot | undefined =>
    snapshots.get(subtaskKeyOf({ vertexIndex, subtaskIndex }))
  const operators = plan.vertices.flatMap((vertex) => {
    const parts = Array.from({ length: vertex.parallelism }, (_, index) => snapshotOf(vertex.index, index))
    return vertex.operators.map(({ operatorId, name, uid }, position): OperatorMetadata => {
      const subtasks = parts.map((part) => part?.operators[operatorId])
      const pool = position === 0 && vertex.isSource ? splitPools[vertex.index] : undefined
      return {
        operatorId,
        name,
        uid,
        parallelism: vertex.parallelism,
        maxParallelism: vertex.maxParallelism,
        subtasks: subtasks.map(withoutClaims),
        ended: parts.map((part) => part?.ended ?? false),
        ...(pool && { unassignedSplits: unclaimed(pool, subtasks) }),
      }
    })
  })
  const channels = [...snapshots.values()].flatMap((snapshot) => snapshot.channels)
  const edges = plan.edges.map((edge, index): EdgeMetadata => ({
    ...edge,
    channels: channels.filter((one) => one.edgeIndex === index).map(withoutEdgeIndex),
  }))
  const { jobName, fingerprint } = plan
  return { formatVersion: checkpointFormatVersion, ...head, jobName, fingerprint, operators, edges }
}

function unclaimed(pool: readonly unknown[], subtasks: readonly (OperatorSnapshot | undefined)[]): unknown[] {
  const claimed = new Set(subtasks.flatMap((subtask) => subtask?.claimedSplits ?? []))
  return pool.filter((_, index) => !claimed.has(index))
}

function withoutEdgeIndex({ sourceSubtask, targetSubtask, side, file, batchCount }: ChannelSnapshot): StoredChannel {
  return { sourceSubtask, targetSubtask, side, file, batchCount }
}

function withoutClaims(snapshot: OperatorSnapshot | undefined): OperatorSnapshot | undefined {
  if (snapshot?.claimedSplits === undefined) return snapshot
  const rest: { -readonly [K in keyof OperatorSnapshot]: OperatorSnapshot[K] } = { ...snapshot }
  delete rest.claimedSplits
  return rest
}

/** What a region starts again from: the newest checkpoint that its sinks may commit. */
export interface LastCompleted {
  readonly checkpointId: number
  /** Indices of the splits that each source subtask had claimed, by `vertexIndex:subtaskIndex`. */
  readonly claimedSplits: ReadonlyMap<string, readonly number[]>
}

/** By `vertexIndex:subtaskIndex`. */
export function claimedSplitsOf(snapshots: ReadonlyMap<string, SubtaskSnapshot>): Map<string, readonly number[]> {
  const claimed = [...snapshots].map(([key, { operators }]) => {
    const ofSubtask = Object.values(operators).flatMap((operator) => operator.claimedSplits ?? [])
    return [key, ofSubtask] as const
  })
  return new Map(claimed.filter(([, indices]) => indices.length > 0))
}
