/** shuffle: a channel at random, by the job's seeded generator. */
import type { Partitioner, PartitionerContext } from './partitioner.ts'

export function shuffle({ channels, prng }: PartitionerContext): Partitioner {
  return {
    bindings: { count: channels.length, prng },
    select: (names) => `${names.channels}[${names.prng}.nextBelow(${names.count})]`,
  }
}
