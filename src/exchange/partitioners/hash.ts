/** keyBy: records of one key group go to the subtask that owns it. */
import { hashKey, subtaskOfKeyGroup } from '../../data/key-groups.ts'
import type { Partitioner, PartitionerContext } from './partitioner.ts'

export function hash(keySelector: (value: never) => unknown, context: PartitionerContext): Partitioner {
  const { channels, maxParallelism } = context
  const byGroup = Array.from(
    { length: maxParallelism },
    (_, group) => channels[subtaskOfKeyGroup(group, channels.length, maxParallelism)],
  )
  return {
    bindings: { keySelector, hashKey, byGroup },
    // A number in the text: by a constant, V8 divides without a division.
    select: (names, value) =>
      `${names.byGroup}[(${names.hashKey}(${names.keySelector}(${value})) >>> 0) % ${Math.trunc(maxParallelism)}]`,
  }
}
