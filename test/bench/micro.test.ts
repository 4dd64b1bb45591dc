import { expect, test } from 'vitest'
import { microFigures } from '../../bench/micro/micro.ts'

test('every micro bench runs at its small size', async () => {
  const figures = await microFigures('small')
  expect(figures.length).toBeGreaterThan(8)
  for (const { name, nsPerItem, turns } of figures) {
    expect(nsPerItem, name).toBeGreaterThan(0)
    expect(turns, name).toBeGreaterThan(0)
  }
})
