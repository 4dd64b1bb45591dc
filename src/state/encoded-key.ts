/**
 * Keys that are not primitives (rows, arrays, dates, bytes) are compared by value: by their canonical bytes, which are
 * one JavaScript string here (a character a byte), so that a Map can hold them.
 */
import { ByteReader, ByteWriter } from '../data/bytes.ts'
import { keyCodecFor } from '../data/value-codec.ts'

const codec = keyCodecFor(undefined)
const writer = new ByteWriter(256)
const reader = new ByteReader()

export function isEncodedKey(key: unknown): boolean {
  return typeof key === 'object'
}

export function encodedKey(key: unknown): string {
  writer.reset()
  codec.encode(key, writer)
  return writer.buffer.latin1Slice(0, writer.position)
}

export function decodedKey(encoded: string): unknown {
  reader.reset(Buffer.from(encoded, 'latin1'))
  return codec.decode(reader)
}
