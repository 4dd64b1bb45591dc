/** partitionCustom: the user's function names the channel. */
import { MillraceError } from '../../common/errors.ts'
import type { RecordPort } from '../record-port.ts'
import type { Partitioner, PartitionerContext } from './partitioner.ts'

export function custom(
  keySelector: (value: never) => unknown,
  partition: (key: never, channelCount: number) => number,
  { channels }: PartitionerContext,
): Partitioner {
  const count = channels.length
  const channelFor = (value: never): RecordPort => {
    const index = partition(keySelector(value) as never, count)
    const channel = channels[index]
    if (channel !== undefined) return channel
    throw new MillraceError(
      'MR_USER_FUNCTION_FAILED',
      `a custom partitioner must give a whole number in 0 … ${count - 1}, got ${String(index)}`,
    )
  }
  return { bindings: { channelFor }, select: (names, value) => `${names.channelFor}(${value})` }
}
