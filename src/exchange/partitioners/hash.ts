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
    bindings: { keySelector, hashKey, byGroup, groupCount: maxParallelism },
    select: 'const channel = byGroup[(hashKey(keySelector(value)) >>> 0) % groupCount]',
  }
}
