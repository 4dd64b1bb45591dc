/**
 * A pool of equal segments inside one SharedArrayBuffer.
 *
 *   byte 0                poolStart                                  poolStart + segmentCount * segmentBytes
 *   | control words … pad | segment 0 | segment 1 | …                |
 *
 * Invariants
 * 1. A segment starts on a page; control words that different threads write never share a cache line.
 * 2. Who may touch a segment's bytes is known by protocol (credits), never by looking at the bytes.
 */
import { MillraceError } from '../common/errors.ts'
import { alignUp } from './memory-views.ts'

/** Bytes between two control words of different owners. */
export const cacheLineBytes = 64
export const pageBytes = 4_096
export const segmentBytesMin = 4_096
export const segmentBytesMax = 16_777_216
/** A SharedArrayBuffer's bytes; int32 indices reach it. */
export const poolBytesMax: number = 8 * 2 ** 30

export interface SegmentPoolLayout {
  readonly poolStart: number
  readonly segmentBytes: number
  readonly segmentCount: number
  /** Bytes of the whole buffer. */
  readonly totalBytes: number
}

export function layOutSegments(controlBytes: number, segmentBytes: number, segmentCount: number): SegmentPoolLayout {
  if (!Number.isInteger(Math.log2(segmentBytes)) || segmentBytes < segmentBytesMin || segmentBytes > segmentBytesMax) {
    throw new MillraceError(
      'MR_CONFIG_INVALID_VALUE',
      `segmentBytes must be a power of two in ${segmentBytesMin} … ${segmentBytesMax}, got ${segmentBytes}`,
    )
  }
  const poolStart = alignUp(controlBytes, pageBytes)
  const totalBytes = poolStart + segmentBytes * segmentCount
  if (totalBytes > poolBytesMax) {
    throw new MillraceError(
      'MR_CONFIG_INVALID_VALUE',
      `the exchange needs ${totalBytes} bytes (${segmentCount} segments of ${segmentBytes}), the limit is ${poolBytesMax}; ` +
        'lower the parallelism, the segment size or the segments per channel',
    )
  }
  return { poolStart, segmentBytes, segmentCount, totalBytes }
}

/** First byte of a segment. */
export function segmentStart(layout: SegmentPoolLayout, segment: number): number {
  return layout.poolStart + segment * layout.segmentBytes
}
