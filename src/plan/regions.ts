/**
 * Pipelined regions (Flink's failover unit): subtasks that are connected by channels. Records flow within a region only,
 * so that one can be started again from a checkpoint while the others go on. Pure.
 */
import type { ChannelDescription, Subtask } from './execution-graph.ts'
import type { JobEdge } from './job-graph.ts'

export interface PipelinedRegion {
  /** Position among the regions, which are in order of their first subtasks. */
  readonly index: number
  /** By vertex, then by index. */
  readonly subtasks: readonly Subtask[]
  /** Those that host a subtask, ascending. */
  readonly slots: readonly number[]
  /** Ids of its channels, ascending. */
  readonly channels: readonly number[]
}

/** The connected components of the execution graph: every channel is pipelined. */
export function pipelinedRegions(
  subtasks: readonly Subtask[],
  channels: readonly ChannelDescription[],
  edges: readonly JobEdge[],
): readonly PipelinedRegion[] {
  const positions = new Map(subtasks.map((one, position) => [`${one.vertexIndex}:${one.subtaskIndex}`, position]))
  const sources = channels.map((one) => positions.get(`${edges[one.edgeIndex]!.source.index}:${one.sourceSubtask}`)!)
  const targets = channels.map((one) => positions.get(`${edges[one.edgeIndex]!.target.index}:${one.targetSubtask}`)!)
  const rootOf = unite(subtasks.length, sources, targets)

  const members = new Map<number, { readonly subtasks: Subtask[]; readonly channels: number[] }>()
  for (const [position, subtask] of subtasks.entries()) {
    const root = rootOf(position)
    const found = members.get(root)
    if (found === undefined) members.set(root, { subtasks: [subtask], channels: [] })
    else found.subtasks.push(subtask)
  }
  for (const [index, { id }] of channels.entries()) members.get(rootOf(sources[index]!))!.channels.push(id)
  return [...members.values()].map((region, index) => ({ index, ...region, slots: slotsOf(region.subtasks) }))
}

const slotsOf = (subtasks: readonly Subtask[]): number[] =>
  [...new Set(subtasks.map(({ slot }) => slot))].toSorted((a, b) => a - b)

/** Union-find; a component's root is its smallest member. */
function unite(count: number, sources: readonly number[], targets: readonly number[]): (member: number) => number {
  const parents = Array.from({ length: count }, (_, member) => member)
  const rootOf = (member: number): number => {
    let root = member
    while (parents[root] !== root) {
      parents[root] = parents[parents[root]!]!
      root = parents[root]!
    }
    return root
  }
  for (const [index, source] of sources.entries()) {
    const one = rootOf(source)
    const other = rootOf(targets[index]!)
    parents[Math.max(one, other)] = Math.min(one, other)
  }
  return rootOf
}
