/** Every bench runs at its small size, so that none can rot; the harness compares the checksums of its cases. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Bench, medianOf, runBench } from '../../bench/harness.ts'
import { read, root, trackedFiles } from '../support/repository.ts'

const files = trackedFiles('bench').filter((path) => /^export const bench: Bench\b/m.test(read(path)))

test('there are benches', () => {
  expect(readdirSync(join(root, 'bench'))).toContain('harness.ts')
  expect(files.length).toBeGreaterThan(0)
})

test.each(files)('%s runs at its small size', { timeout: 60_000 }, async (path) => {
  const { bench } = (await import(join(root, path))) as { bench: Bench }
  const report = await runBench(bench, 'small', 0)
  expect(report.rows.length).toBeGreaterThan(0)
  for (const row of report.rows) expect(row.seconds, row.name).toBeGreaterThan(0)
  expect(JSON.parse(JSON.stringify(report))).toMatchObject({ bench: bench.name, size: 'small' })
})

test('a case that computes something else is refused', async () => {
  const bench: Bench = {
    name: 'wrong',
    question: '?',
    runs: 1,
    prepare: () => ({
      items: 1,
      unit: 'items',
      cases: [
        { name: 'a', run: () => 1 },
        { name: 'b', run: () => 2 },
      ],
      ratios: [],
    }),
  }
  await expect(runBench(bench, 'small')).rejects.toThrow('b computed 2, but a computed 1')
})

test('the median of an even count is the mean of the middle two', () => {
  expect(medianOf([4, 1, 3, 2])).toBe(2.5)
  expect(medianOf([9, 1, 5])).toBe(5)
})
