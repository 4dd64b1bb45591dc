/** rebalance and rescale: one channel after the other; producers begin at different ones. */
import type { Partitioner, PartitionerContext } from './partitioner.ts'

export function roundRobin({ channels, subtaskIndex }: PartitionerContext): Partitioner {
  return {
    bindings: { count: channels.length, first: subtaskIndex % channels.length },
    state: 'let next = first',
    select: 'const channel = channels[next]; next = next + 1 === count ? 0 : next + 1',
  }
}
