/**
 * Operator ids: 128 bits as 32 hex digits, stable over restarts, by which state finds its operator again. From the uid
 * where one is set; otherwise from the structure: the node's position in creation order and its inputs' ids. Names,
 * functions, parallelism and chaining do not count: a job may be rescaled, or its functions changed, and keep its state.
 * (Flink also counts chained outputs, so that a changed parallelism may change ids; we keep them out.)
 */
import { hash } from 'node:crypto'
import type { StreamNode } from './stream-graph.ts'

export function operatorIds(nodes: readonly StreamNode[]): Map<number, string> {
  const ids = new Map<number, string>()
  let position = 0
  for (const node of nodes) {
    const inputs = node.inputs.map(
      (edge) => `${ids.get(edge.source.id)!}.${edge.inputIndex}.${edge.sideOutput?.id ?? ''}`,
    )
    const text = node.uid === undefined ? `position ${position} inputs ${inputs.join(' ')}` : `uid ${node.uid}`
    ids.set(node.id, digest(text))
    position++
  }
  return ids
}

/** 32 hex digits. */
export function digest(text: string): string {
  return hash('md5', text)
}
