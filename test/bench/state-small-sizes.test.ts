/** The benches of state at a small size: they run, and count right. */
import { expect, test } from 'vitest'
import { managedFigures } from '../../bench/state/managed-state.ts'
import { manyKeysFigures } from '../../bench/state/many-keys.ts'
import { snapshotFigures } from '../../bench/state/snapshots.ts'
import { timerFigures } from '../../bench/state/timers.ts'

test('managed state counts what the hand-written loop counts, in under 40 bytes a key', async () => {
  for (const figures of await managedFigures(20_000, 40_000, 1)) {
    expect(figures.checksum).toBe(20_000 + 40_000)
    expect(figures.ownChecksum).toBe(figures.checksum)
    expect(figures.bytesPerKey).toBeLessThan(40)
  }
})

test.each(['heap', 'managed'] as const)('%s holds every key', async (kind) => {
  const figures = await manyKeysFigures(kind, 30_000)
  expect(figures.checksum).toBe(30_000)
})

test.each(['heap', 'managed'] as const)('incremental snapshots of %s write what changed', async (kind) => {
  const figures = await snapshotFigures(kind, 20_000)
  expect(figures.checksum).toBe(20_000 + 10 * 200)
  expect(figures.deltaBytesFraction).toBeLessThan(0.03)
})

test('every timer that is registered fires', () => {
  const [hour, year, windows, sessions] = timerFigures(20_000)
  expect(hour!.fired).toBeLessThanOrEqual(20_000)
  expect(hour!.fired).toBeGreaterThan(19_900)
  expect(year!.fired).toBe(20_000)
  expect(windows!.fired).toBeGreaterThan(10_000)
  expect(sessions!.fired).toBeLessThanOrEqual(10_000)
})
