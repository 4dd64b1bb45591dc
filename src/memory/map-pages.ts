/**
 * Memory fresh from the system costs a page fault for every 4 KiB when it is first written to: half a second for a
 * gigabyte, and several where the machine is virtual and its host has to find the memory, too. The threads of the pool
 * can have the faults while this one does something else: reading zeros into a buffer writes to all of it.
 */
import { open } from 'node:fs/promises'
import { eachInLanes } from '../common/lanes.ts'

const zerosPath = '/dev/zero'
const pieceBytes = 4 * 1024 * 1024
/** Faults of one process hardly get in each other's way, but threads beyond the processors do. */
const lanes = 2
/** Below this asking the pool costs more. */
const pooledBytesMin = 16 * 1024 * 1024
const pageWords = 1024

/** Writes to every page of buffers of zeros. Until it resolves nobody else writes to them. */
export async function mapPages(buffers: readonly ArrayBuffer[]): Promise<void> {
  const bytes = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0)
  const zeros = bytes < pooledBytesMin ? undefined : await open(zerosPath, 'r').catch(() => undefined)
  if (zeros === undefined) return buffers.forEach(touchPages)
  try {
    await eachInLanes(piecesOf(buffers), lanes, (piece) => zeros.read(piece, 0, piece.byteLength, null))
  } finally {
    await zeros.close()
  }
}

/**
 * Each page of a buffer of zeros is written to once, in order: a page that is read before it is written to costs two
 * faults, as the first one maps the page of zeros that all share.
 */
export function touchPages(buffer: ArrayBuffer): void {
  const words = new Int32Array(buffer, 0, buffer.byteLength >>> 2)
  for (let word = 0; word < words.length; word += pageWords) words[word] = 0
}

function* piecesOf(buffers: readonly ArrayBuffer[]): Generator<Uint8Array, void> {
  for (const buffer of buffers) {
    for (let at = 0; at < buffer.byteLength; at += pieceBytes) {
      yield new Uint8Array(buffer, at, Math.min(pieceBytes, buffer.byteLength - at))
    }
  }
}
