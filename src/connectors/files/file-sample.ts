/** The beginning of a file, unpacked where it is gzip. Coordinator only; cold path. */
import { closeSync, openSync, readSync } from 'node:fs'
import { constants, gunzipSync } from 'node:zlib'
import { MillraceError } from '../../common/errors.ts'
import { isGzip } from './file-split.ts'
import { sourceError } from './source-error.ts'

export interface FileSample {
  /** Without a byte order mark. */
  readonly text: string
  /** The text is all that the file holds. */
  readonly isWhole: boolean
}

export function readSample(path: string, bytesMax: number): FileSample {
  const bytes = readStart(path, bytesMax)
  const unpacked = isGzip(path) ? unpack(path, bytes) : bytes
  return { text: unpacked.toString('utf8').replace(/^\uFEFF/, ''), isWhole: bytes.length < bytesMax }
}

function readStart(path: string, bytesMax: number): Buffer {
  try {
    const fd = openSync(path, 'r')
    try {
      const buffer = Buffer.alloc(bytesMax)
      let filled = 0
      for (let count = -1; count !== 0 && filled < bytesMax; filled += count) {
        count = readSync(fd, buffer, filled, bytesMax - filled, filled)
      }
      return buffer.subarray(0, filled)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw sourceError(path, error)
  }
}

function unpack(path: string, bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH })
  } catch (error) {
    const message = `broken gzip in ${path}: ${(error as Error).message}`
    throw new MillraceError('MR_SOURCE_CORRUPT', message, { cause: error, context: { file: path, offset: 0 } })
  }
}
