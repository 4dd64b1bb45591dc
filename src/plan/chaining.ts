/**
 * Which edges are chained: the target runs in the source's task and records pass by call. Flink's rules:
 * 1. chaining is enabled, and the edge is the target's only input;
 * 2. it is a forward edge between equal parallelisms, in one slot sharing group;
 * 3. the source's strategy is not `never`, the target's is `always`.
 * And one of our own: a hash edge between two operators of parallelism 1 counts as forward, since one subtask owns all
 * keys (`pipeline.operator-chaining.chain-hash-at-parallelism-one`), unless checkpoints are unaligned.
 */
import { configOptions } from '../common/config-options.ts'
import type { Configuration } from '../common/configuration.ts'
import type { StreamEdge } from './stream-graph.ts'

export function isChained(edge: StreamEdge, configuration: Configuration): boolean {
  const { source, target } = edge
  return (
    configuration.get(configOptions.chaining) &&
    target.inputs.length === 1 &&
    passesByCall(edge, configuration) &&
    source.parallelism === target.parallelism &&
    source.slotSharingGroup === target.slotSharingGroup &&
    source.chaining !== 'never' &&
    target.chaining === 'always'
  )
}

function passesByCall({ partitioning, source, target }: StreamEdge, configuration: Configuration): boolean {
  if (partitioning.kind === 'forward') return true
  const isAlone = source.parallelism === 1 && target.parallelism === 1
  // Records in flight that an unaligned checkpoint stored must find their channel again at any parallelism.
  const mayVanish =
    configuration.get(configOptions.chainHashAtParallelismOne) && !configuration.get(configOptions.unaligned)
  return isAlone && partitioning.kind === 'hash' && mayVanish
}
