/** The three graphs as text, for people. */
import { executionGraph, type Subtask } from './execution-graph.ts'
import type { JobEdge, JobGraph, JobVertex } from './job-graph.ts'
import { isAtMostOnce, isChainEdge, shipStrategy, streamNodes } from './plan-description.ts'
import type { StreamNode } from './stream-graph.ts'

export function explainText(job: JobGraph): string {
  const lines = [
    `Job '${job.jobName}', ${job.mode} mode, fingerprint ${job.fingerprint}`,
    ...Object.entries(job.configuration).map(([key, value]) => `  ${key} = ${value}`),
    '',
    `Stream graph: ${counted(streamNodes(job).length, 'operator')}`,
    ...streamNodes(job).map((node) => `  ${streamLine(node)}`),
    '',
    `Job graph: ${counted(job.vertices.length, 'vertex', 'vertices')}, ${counted(job.edges.length, 'exchange')}`,
    ...job.vertices.flatMap((vertex) => vertexLines(vertex, job)),
    '',
    ...executionLines(job),
  ]
  return `${lines.join('\n')}\n`
}

function streamLine(node: StreamNode): string {
  const inputs = node.inputs.map((edge) => {
    const side = edge.sideOutput === undefined ? '' : ` side output '${edge.sideOutput.id}'`
    return `${edge.source.id}${side} ${edge.partitioning.kind}`
  })
  const from = inputs.length === 0 ? '' : ` <- ${inputs.join(', ')}`
  const description = node.description === undefined ? '' : ` "${node.description}"`
  const delivery = isAtMostOnce(node) ? ' (at most once)' : ''
  return `${node.id}: ${node.name}${delivery}${description}${from}`
}

function vertexLines(vertex: JobVertex, job: JobGraph): string[] {
  const group = vertex.slotSharingGroup === 'default' ? '' : `, group '${vertex.slotSharingGroup}'`
  return [
    `  vertex ${vertex.index}: parallelism ${vertex.parallelism} of ${vertex.maxParallelism}${group}, id ${vertex.id}`,
    ...vertex.inputs.map((edge) => `    <= vertex ${edge.source.index}, ${exchangeOf(edge)}`),
    ...chainLines(vertex.nodes[0]!, vertex, job, 2),
  ]
}

/** A chained operator stands below the one that calls it, one step to the right. */
function chainLines(node: StreamNode, vertex: JobVertex, job: JobGraph, depth: number): string[] {
  const uid = node.uid === undefined ? '' : ` (uid ${node.uid})`
  const chained = node.outputs.filter((edge) => isChainEdge(job, edge))
  return [
    `${'  '.repeat(depth)}${depth === 2 ? '' : '└ '}${node.name}${uid}`,
    ...chained.flatMap((edge) => chainLines(edge.target, vertex, job, depth + 1)),
  ]
}

function exchangeOf({ edge }: JobEdge): string {
  const side = edge.sideOutput === undefined ? '' : `, side output '${edge.sideOutput.id}'`
  const input = edge.inputIndex === 1 ? ', second input' : ''
  return `${shipStrategy(edge.partitioning).toLowerCase()}${side}${input}`
}

function executionLines(job: JobGraph): string[] {
  const { slotCount, subtasks, channels, regions } = executionGraph(job)
  const named = (hosted: readonly Subtask[]): string =>
    hosted.map((subtask) => `${subtask.vertexIndex}[${subtask.subtaskIndex}]`).join(' ')
  const slots = Array.from({ length: slotCount }, (_, slot) => {
    const hosted = subtasks.filter((subtask) => subtask.slot === slot)
    return `  slot ${slot}: ${named(hosted)}`
  })
  const between = channels.filter((channel) => channel.producerSlot !== channel.consumerSlot).length
  return [
    `Execution graph: ${counted(subtasks.length, 'subtask')} in ${counted(slotCount, 'slot')}, ${counted(channels.length, 'channel')} (${between} between slots)`,
    ...slots,
    ...(regions.length === 1
      ? ['Failover: one pipelined region, the whole job']
      : [
          `Failover: ${regions.length} pipelined regions`,
          ...regions.map((region) => `  region ${region.index}: ${named(region.subtasks)}`),
        ]),
  ]
}

const counted = (count: number, one: string, many: string = `${one}s`): string => `${count} ${count === 1 ? one : many}`
