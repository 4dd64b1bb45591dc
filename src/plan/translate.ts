/** StreamGraph → JobGraph: resolves the runtime mode, chains nodes into vertices, turns the other edges into exchanges. */
import { configOptions } from '../common/config-options.ts'
import { Configuration } from '../common/configuration.ts'
import { maxParallelismMax } from '../common/limits.ts'
import { isChained } from './chaining.ts'
import { rewriteGraph } from './graph-rewrite.ts'
import type { JobEdge, JobGraph, JobVertex } from './job-graph.ts'
import { defaultMaxParallelism } from './max-parallelism.ts'
import { operatorIds } from './operator-id.ts'
import { describePlan } from './plan-description.ts'
import { checkParallelism } from './stream-graph-builder.ts'
import type { StreamGraph, StreamNode } from './stream-graph.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
type DraftVertex = Mutable<Omit<JobVertex, 'nodes' | 'inputs' | 'outputs'>> & {
  nodes: StreamNode[]
  inputs: JobEdge[]
  outputs: JobEdge[]
}

export function translate(given: StreamGraph): JobGraph {
  const configuration = Configuration.of(given.configuration)
  const mode = runtimeMode(given)
  const graph = rewriteGraph(given, mode, configuration)
  const ids = operatorIds(given.nodes)
  nameCombiners(graph, ids)

  const vertexOf = new Map<StreamNode, DraftVertex>()
  const vertices: DraftVertex[] = []
  for (const node of graph.nodes) {
    const edge = node.inputs[0]
    const vertex =
      edge !== undefined && isChained(edge, configuration)
        ? vertexOf.get(edge.source)!
        : newVertex(node, ids.get(node.id)!, vertices)
    vertex.nodes.push(node)
    vertexOf.set(node, vertex)
  }
  for (const vertex of vertices) {
    vertex.name = chainName(vertex)
    vertex.maxParallelism = vertexMaxParallelism(vertex, configuration)
  }
  const edges = connect(graph, vertexOf)
  const job: Mutable<JobGraph> = {
    jobName: given.jobName,
    mode,
    configuration: given.configuration,
    vertices,
    edges,
    fingerprint: '',
    operatorIds: ids,
  }
  job.fingerprint = describePlan(job).fingerprint
  return job
}

/** Batch where asked for, or where `automatic` finds every source bounded. */
function runtimeMode(graph: StreamGraph): 'streaming' | 'batch' {
  if (graph.runtimeMode !== 'automatic') return graph.runtimeMode
  const isBounded = graph.nodes.every(({ body }) => body.kind !== 'source' || body.source.boundedness === 'bounded')
  return isBounded ? 'batch' : 'streaming'
}

/** Combiners keep no state over restarts; their id is made from their target's, so that other ids stay as they are. */
function nameCombiners(graph: StreamGraph, ids: Map<number, string>): void {
  for (const node of graph.nodes) {
    if (ids.has(node.id)) continue
    const target = ids.get(node.outputs[0]!.target.id)!
    ids.set(node.id, target.replace(/^.{8}/, node.id.toString(16).padStart(8, 'c')))
  }
}

function newVertex(head: StreamNode, id: string, vertices: DraftVertex[]): DraftVertex {
  const vertex: DraftVertex = {
    id,
    index: vertices.length,
    name: head.name,
    parallelism: head.parallelism,
    maxParallelism: 0,
    slotSharingGroup: head.slotSharingGroup,
    nodes: [],
    inputs: [],
    outputs: [],
  }
  vertices.push(vertex)
  return vertex
}

/** Flink's form: `Source -> Map -> (Filter, Sink)`. */
function chainName(vertex: DraftVertex): string {
  const members = new Set(vertex.nodes)
  const nameFrom = (node: StreamNode): string => {
    const chained = node.outputs.filter((edge) => members.has(edge.target) && edge.target.inputs[0] === edge)
    if (chained.length === 0) return node.name
    const names = chained.map((edge) => nameFrom(edge.target))
    return `${node.name} -> ${names.length === 1 ? names[0] : `(${names.join(', ')})`}`
  }
  return nameFrom(vertex.nodes[0]!)
}

/** The smallest that an operator of the chain asks for, else the job's, else by rule. */
function vertexMaxParallelism(vertex: DraftVertex, configuration: Configuration): number {
  const asked = vertex.nodes.flatMap((node) => node.maxParallelism ?? [])
  const max =
    asked.length > 0
      ? Math.min(...asked)
      : (configuration.get(configOptions.maxParallelism) ?? defaultMaxParallelism(vertex.parallelism))
  checkParallelism(vertex.parallelism, Math.min(max, maxParallelismMax), `'${vertex.name}'`)
  return max
}

function connect(graph: StreamGraph, vertexOf: ReadonlyMap<StreamNode, DraftVertex>): JobEdge[] {
  const edges: JobEdge[] = []
  for (const node of graph.nodes) {
    const target = vertexOf.get(node)!
    if (target.nodes[0] !== node) continue
    for (const edge of node.inputs) {
      const source = vertexOf.get(edge.source)!
      const jobEdge: JobEdge = { index: edges.length, source, target, edge }
      edges.push(jobEdge)
      source.outputs.push(jobEdge)
      target.inputs.push(jobEdge)
    }
  }
  return edges
}
