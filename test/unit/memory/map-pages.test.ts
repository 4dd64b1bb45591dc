import { expect, test } from 'vitest'
import { mapPages } from '../../../src/memory/map-pages.ts'

const mebibyte = 1024 * 1024

test.each([
  ['none', []],
  ['small ones', [8, 24, 4096, 100_000]],
  ['large ones', [9 * mebibyte + 8, 5 * mebibyte, 8, 4 * mebibyte]],
])('buffers of zeros still are: %s', async (_, sizes) => {
  const buffers = sizes.map((bytes) => new ArrayBuffer(bytes))
  await mapPages(buffers)
  for (const buffer of buffers) expect(new Uint8Array(buffer).every((byte) => byte === 0)).toBe(true)
})

test('large buffers are written to, all of them', async () => {
  const buffers = [9 * mebibyte + 8, 5 * mebibyte, 4 * mebibyte, 16].map((bytes) => new ArrayBuffer(bytes))
  // Not zeros, as nobody would have them: they show what was written.
  for (const buffer of buffers) new Uint8Array(buffer).fill(7)
  await mapPages(buffers)
  for (const buffer of buffers) expect(new Uint8Array(buffer).every((byte) => byte === 0)).toBe(true)
})
