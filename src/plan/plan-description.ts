/**
 * A JobGraph as comparable plain data. The coordinator and every slot describe the graph that they built; where the
 * fingerprints differ, `firstDifference` names the node.
 */
import { MillraceError } from '../common/errors.ts'
import type { JobGraph, JobVertex } from './job-graph.ts'
import { digest } from './operator-id.ts'
import type { Partitioning, StreamEdge, StreamNode } from './stream-graph.ts'

export interface PlanDescription {
  /** 32 hex digits. */
  readonly fingerprint: string
  readonly nodes: readonly NodeDescription[]
}

export interface NodeDescription {
  readonly name: string
  /** Everything that must agree, one line each. */
  readonly facts: readonly string[]
}

export function describePlan(job: JobGraph): PlanDescription {
  const nodes = job.vertices
    .flatMap((vertex) => vertex.nodes.map((node) => ({ id: node.id, ...describeNode(node, vertex, job) })))
    .sort((left, right) => left.id - right.id)
    .map(({ name, facts }) => ({ name, facts }))
  const settings = { name: `job '${job.jobName}'`, facts: [`mode ${job.mode}`, ...configurationFacts(job)] }
  const all = [settings, ...nodes]
  return { fingerprint: digest(JSON.stringify(all)), nodes: all }
}

function configurationFacts(job: JobGraph): string[] {
  return Object.entries(job.configuration).map(([key, value]) => `${key} = ${value}`)
}

function describeNode(node: StreamNode, vertex: JobVertex, job: JobGraph): NodeDescription {
  const type = node.outputType === undefined ? 'undeclared' : JSON.stringify(node.outputType.dataType)
  return {
    name: `'${node.name}' (node ${node.id})`,
    facts: [
      `name '${node.name}'`,
      `kind ${kindOf(node)}`,
      `operator id ${job.operatorIds.get(node.id)}`,
      `parallelism ${node.parallelism}`,
      `max parallelism ${vertex.maxParallelism}`,
      `slot sharing group '${node.slotSharingGroup}'`,
      `vertex ${vertex.index}`,
      `type ${type}`,
      ...node.inputs.map(
        (edge) =>
          `input ${edge.inputIndex} from node ${edge.source.id}` +
          `${edge.sideOutput === undefined ? '' : ` side output '${edge.sideOutput.id}'`}, ${edge.partitioning.kind}`,
      ),
    ],
  }
}

function kindOf({ body }: StreamNode): string {
  if (body.kind === 'inline') return body.stage.kind
  if (body.kind === 'source') return `source ${body.source.name}, ${body.source.boundedness}`
  return body.kind === 'sink' ? `sink ${body.sink.name}` : 'operator'
}

/** A sentence that names the first node in which two plans differ; undefined where they are equal. */
export function firstDifference(expected: PlanDescription, found: PlanDescription): string | undefined {
  if (expected.fingerprint === found.fingerprint) return undefined
  for (let index = 0; index < Math.max(expected.nodes.length, found.nodes.length); index++) {
    const left = expected.nodes[index]
    const right = found.nodes[index]
    if (left === undefined) return `node ${right!.name} is only in the second plan`
    if (right === undefined) return `node ${left.name} is only in the first plan`
    for (let fact = 0; fact < Math.max(left.facts.length, right.facts.length); fact++) {
      if (left.facts[fact] === right.facts[fact]) continue
      return `${left.name}: ${left.facts[fact] ?? 'nothing'} in the first plan, ${right.facts[fact] ?? 'nothing'} in the second`
    }
  }
  return 'the plans differ in a way that no node shows'
}

/** The stream nodes of a job graph, in order of creation; combiners come last. */
export function streamNodes(job: JobGraph): StreamNode[] {
  return job.vertices.flatMap((vertex) => vertex.nodes).sort((left, right) => left.id - right.id)
}

/** True for a source that cannot read again what it read before a failure. */
export function isAtMostOnce({ body }: StreamNode): boolean {
  return body.kind === 'source' && body.source.delivery === 'at-most-once'
}

/** True where the edge is a call within a task, not an exchange. */
export function isChainEdge(job: JobGraph, edge: StreamEdge): boolean {
  return !job.edges.some((jobEdge) => jobEdge.edge === edge)
}

/** Flink's names of ship strategies. */
export function shipStrategy(partitioning: Partitioning): string {
  return partitioning.kind.toUpperCase()
}

/** MR_PLAN_MISMATCH, naming the first differing node, where `job` is not the plan that was described. */
export function checkSamePlan(expected: PlanDescription, job: JobGraph, where: string): void {
  const difference = firstDifference(expected, describePlan(job))
  if (difference === undefined) return
  throw new MillraceError('MR_PLAN_MISMATCH', `${where} built another graph than the coordinator: ${difference}`)
}
