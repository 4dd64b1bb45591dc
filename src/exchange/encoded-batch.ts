/** INTERIM: bytes of a batch for channel state; the exchange's owner replaces this file. */
import { MillraceError } from '../common/errors.ts'
import type { BatchReader } from './channel.ts'

export function encodeBatch(_batch: BatchReader, _from: number): Uint8Array {
  throw new MillraceError('MR_INTERNAL', 'channel state is not there yet')
}
