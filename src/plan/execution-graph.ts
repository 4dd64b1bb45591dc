/**
 * The ExecutionGraph: subtasks, the slots that host them, and the channels between them, as plain data. The coordinator
 * computes it from the JobGraph and sends it to the slots; slots find the functions in the JobGraph they built.
 *
 * Slot i of a slot sharing group hosts subtask i of every vertex of the group; groups take slots one after the other.
 */
import { unreachable } from '../common/assert.ts'
import type { JobEdge, JobGraph, JobVertex } from './job-graph.ts'
import { type PipelinedRegion, pipelinedRegions } from './regions.ts'

export interface Subtask {
  readonly vertexIndex: number
  readonly subtaskIndex: number
  readonly slot: number
}

export interface ChannelDescription {
  /** Position in the execution graph's list of channels. */
  readonly id: number
  readonly edgeIndex: number
  readonly sourceSubtask: number
  readonly targetSubtask: number
  readonly producerSlot: number
  readonly consumerSlot: number
}

export interface ExecutionGraph {
  readonly slotCount: number
  /** By vertex, then by index. */
  readonly subtasks: readonly Subtask[]
  /** By edge, then by source subtask, then by target subtask. */
  readonly channels: readonly ChannelDescription[]
  readonly regions: readonly PipelinedRegion[]
}

export function executionGraph(job: JobGraph): ExecutionGraph {
  const firstSlots = placeGroups(job)
  const slotOf = (vertex: JobVertex, subtask: number): number => firstSlots.get(vertex.slotSharingGroup)! + subtask
  const subtasks = job.vertices.flatMap((vertex) =>
    Array.from({ length: vertex.parallelism }, (_, subtaskIndex) => ({
      vertexIndex: vertex.index,
      subtaskIndex,
      slot: slotOf(vertex, subtaskIndex),
    })),
  )
  const channels: ChannelDescription[] = []
  for (const edge of job.edges) {
    for (let sourceSubtask = 0; sourceSubtask < edge.source.parallelism; sourceSubtask++) {
      for (const targetSubtask of targetsOf(edge, sourceSubtask)) {
        channels.push({
          id: channels.length,
          edgeIndex: edge.index,
          sourceSubtask,
          targetSubtask,
          producerSlot: slotOf(edge.source, sourceSubtask),
          consumerSlot: slotOf(edge.target, targetSubtask),
        })
      }
    }
  }
  const slotCount = Math.max(...subtasks.map((subtask) => subtask.slot)) + 1
  return { slotCount, subtasks, channels, regions: pipelinedRegions(subtasks, channels, job.edges) }
}

/** The first slot of each group, by name, in order of first use. */
function placeGroups(job: JobGraph): ReadonlyMap<string, number> {
  const widths = new Map<string, number>()
  for (const { slotSharingGroup, parallelism } of job.vertices) {
    widths.set(slotSharingGroup, Math.max(widths.get(slotSharingGroup) ?? 0, parallelism))
  }
  const firstSlots = new Map<string, number>()
  let next = 0
  for (const [group, width] of widths) {
    firstSlots.set(group, next)
    next += width
  }
  return firstSlots
}

/** The target subtasks that a source subtask has a channel to, ascending. */
export function targetsOf(edge: JobEdge, sourceSubtask: number): readonly number[] {
  const { kind } = edge.edge.partitioning
  switch (kind) {
    case 'forward':
      return [sourceSubtask]
    case 'rescale':
      return rescaleTargets(sourceSubtask, edge.source.parallelism, edge.target.parallelism)
    case 'rebalance':
    case 'shuffle':
    case 'broadcast':
    case 'global':
    case 'hash':
    case 'custom':
      return range(0, edge.target.parallelism)
    default:
      return unreachable(kind)
  }
}

/** Pointwise: producers and consumers are cut into groups of neighbours. */
function rescaleTargets(source: number, sources: number, targets: number): readonly number[] {
  if (sources >= targets) return [Math.floor((source * targets) / sources)]
  return range(Math.ceil((source * targets) / sources), Math.ceil(((source + 1) * targets) / sources))
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)
