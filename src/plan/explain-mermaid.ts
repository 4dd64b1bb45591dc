/** The plan as a Mermaid flow chart: one box per vertex around its chained operators. */
import type { JobGraph, JobVertex } from './job-graph.ts'
import { isAtMostOnce, isChainEdge, shipStrategy, streamNodes } from './plan-description.ts'
import type { StreamEdge, StreamNode } from './stream-graph.ts'

export function explainMermaid(job: JobGraph): string {
  const lines = ['flowchart LR', ...job.vertices.flatMap(vertexLines)]
  for (const node of streamNodes(job)) {
    for (const edge of node.inputs) lines.push(`  ${edgeLine(edge, isChainEdge(job, edge))}`)
  }
  return `${lines.join('\n')}\n`
}

function vertexLines(vertex: JobVertex): string[] {
  return [
    `  subgraph v${vertex.index}["${vertex.index}: parallelism ${vertex.parallelism}"]`,
    ...vertex.nodes.map((node) => `    n${node.id}${boxOf(node)}`),
    '  end',
  ]
}

function boxOf(node: StreamNode): string {
  const label = `"${escape(node.description ?? node.name)}${isAtMostOnce(node) ? '<br/>at most once' : ''}"`
  if (node.body.kind === 'source') return `([${label}])`
  return node.body.kind === 'sink' ? `[[${label}]]` : `[${label}]`
}

function edgeLine(edge: StreamEdge, isChained: boolean): string {
  const labels = [
    ...(isChained ? [] : [shipStrategy(edge.partitioning)]),
    ...(edge.sideOutput === undefined ? [] : [`side: ${edge.sideOutput.id}`]),
  ]
  const label = labels.length === 0 ? '' : `|"${escape(labels.join(', '))}"|`
  return `n${edge.source.id} ${isChained ? '-->' : '==>'}${label} n${edge.target.id}`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
