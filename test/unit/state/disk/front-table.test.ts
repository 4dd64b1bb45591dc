import { expect, test } from 'vitest'
import { FrontTable } from '../../../../src/state/disk/front-table.ts'
import { valueLayoutOf } from '../../../../src/state/disk/value-layout.ts'

const numbers = valueLayoutOf({ kind: 'float64' })

test('every key is found at every moment of growth, and none that was not added', () => {
  const table = new FrontTable(numbers)
  let wrong = 0
  for (let key = 0; key < 700_000; key++) {
    table.add(key, key & 127, key)
    // Keys of all ages, so that some stand in the index before it grew.
    const seen = (Math.imul(key, 0x9e3779b1) >>> 0) % (key + 1)
    if (table.find(seen) !== seen || table.find(key + 1) !== -1) wrong++
  }
  expect(wrong).toBe(0)
  expect(table.count).toBe(700_000)
  // Rows of 16 bytes with a quarter to spare, group and state, an index of 2^21 words.
  expect(table.bytes).toBeLessThan(700_000 * 1.25 * 19 + 2 ** 23)
})

test('a table that knows its memory is not copied any more once it is large, and counts what it uses', () => {
  const table = new FrontTable(numbers, 0, 64 * 2 ** 20)
  for (let key = 0; key < 200_000; key++) table.add(key, 0, key)
  const rows = table.f64
  for (let key = 200_000; key < 600_000; key++) table.add(key, 0, key)
  expect(table.f64).toBe(rows)
  expect(rows.byteLength).toBe(2 ** 17 * 16 * 16)
  expect(table.bytes).toBeLessThan((600_000 + 8192) * 19 + 2 ** 23)
  expect(table.find(599_999)).toBe(599_999)
})

test('growth is announced before it happens', () => {
  const table = new FrontTable(numbers, 1024)
  for (let key = 0; key < 1023; key++) table.add(key, 0, 0)
  const before = table.bytes
  expect(table.growthBytes(1)).toBe(0)
  table.add(1023, 0, 0)
  const announced = table.growthBytes(1)
  expect(announced).toBeGreaterThan(0)
  expect(table.growthBytes(5000)).toBeGreaterThan(announced)
  table.add(1024, 0, 0)
  expect(table.bytes - before).toBe(announced)
})

test('growth counts what stands twice for a moment', () => {
  const table = new FrontTable(numbers)
  let mostBytes = 0
  for (let key = 0; key < 400_000; key++) {
    const announced = table.bytes + table.growthBytes(1)
    table.add(key, 0, key)
    if (table.bytes > announced) throw new Error(`${table.bytes} bytes at ${key}, ${announced} announced`)
    mostBytes = Math.max(mostBytes, announced)
  }
  // The index of 2^20 words beside the one before it, rows beside those that they are copied to.
  expect(mostBytes).toBeGreaterThan(table.bytes)
})

test('a released table knows no key, one that is walked stays', () => {
  const table = new FrontTable(numbers)
  for (let key = 0; key < 100_000; key++) table.add(key, 0, key)
  const walk = { next: 0, count: table.count }
  table.walks.add(walk)
  table.release()
  expect(table.find(99_999)).toBe(99_999)
  table.walks.delete(walk)
  table.release()
  expect([table.find(99_999), table.count]).toEqual([-1, 0])
})
