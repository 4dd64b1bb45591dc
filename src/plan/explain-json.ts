/** The plan in the JSON of Flink's `getExecutionPlan()`, which its plan visualiser reads. */
import { isAtMostOnce, shipStrategy } from './plan-description.ts'
import { executionGraph } from './execution-graph.ts'
import type { StreamNode } from './stream-graph.ts'
import type { JobGraph } from './job-graph.ts'
import { streamNodes } from './plan-description.ts'

export interface PlanJson {
  readonly nodes: readonly PlanJsonNode[]
  /** Not in Flink's: what starts again together after a failure. */
  readonly regions: readonly PlanJsonRegion[]
}

/** Subtasks of a pipelined region, by the id of their chain's first node. */
export interface PlanJsonRegion {
  readonly id: number
  readonly subtasks: readonly { readonly node: number; readonly subtask: number }[]
}

export interface PlanJsonNode {
  readonly id: number
  readonly type: string
  readonly pact: 'Data Source' | 'Operator' | 'Data Sink'
  readonly contents: string
  readonly parallelism: number
  readonly predecessors?: readonly { readonly id: number; readonly ship_strategy: string; readonly side: string }[]
}

export function explainJson(job: JobGraph): PlanJson {
  const regions = executionGraph(job).regions.map(({ index, subtasks }) => ({
    id: index,
    subtasks: subtasks.map(({ vertexIndex, subtaskIndex }) => ({
      node: job.vertices[vertexIndex]!.nodes[0]!.id,
      subtask: subtaskIndex,
    })),
  }))
  return { nodes: streamNodes(job).map(nodeJson), regions }
}

function nodeJson(node: StreamNode): PlanJsonNode {
  const json = {
    id: node.id,
    type: node.name,
    pact: pactOf(node),
    contents: `${node.description ?? node.name}${isAtMostOnce(node) ? ' (at most once)' : ''}`,
    parallelism: node.parallelism,
  } as const
  if (node.inputs.length === 0) return json
  // Flink's side: `first` only where a second input exists.
  const sides = node.inputs.some((edge) => edge.inputIndex === 1) ? ['first', 'second'] : ['second']
  return {
    ...json,
    predecessors: node.inputs.map((edge) => ({
      id: edge.source.id,
      ship_strategy: shipStrategy(edge.partitioning),
      side: sides[edge.inputIndex]!,
    })),
  }
}

function pactOf({ body }: StreamNode): PlanJsonNode['pact'] {
  if (body.kind === 'source') return 'Data Source'
  return body.kind === 'sink' ? 'Data Sink' : 'Operator'
}
