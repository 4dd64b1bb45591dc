import { expect, it } from 'vitest'
import { codeOf } from '../../../src/common/errors.ts'
import { MemoryBudget } from '../../../src/memory/memory-budget.ts'

it('refuses what exceeds the limit, and charges nothing then', () => {
  const budget = new MemoryBudget('state of the slot', 100)
  expect(budget.tryCharge(60)).toBe(true)
  expect(budget.tryCharge(41)).toBe(false)
  expect(budget.usedBytes).toBe(60)
  try {
    budget.charge(50, 'a table of counts')
    expect.unreachable()
  } catch (error) {
    expect(codeOf(error)).toBe('MR_STATE_OVER_BUDGET')
    expect((error as Error).message).toBe(
      'cannot allocate 50 bytes for a table of counts: 60 of 100 bytes of state of the slot are in use',
    )
  }
  budget.release(30)
  budget.charge(70, 'more')
  expect(budget).toMatchObject({ usedBytes: 100, freeBytes: 0, peakBytes: 100 })
})

it("holds children to their own limit and to the parent's", () => {
  const parent = new MemoryBudget('slot', 100)
  const [left, right] = [parent.child('left', 80), parent.child('right')]
  expect(left.tryCharge(81)).toBe(false)
  left.charge(70, 'x')
  expect(right.freeBytes).toBe(30)
  expect(right.tryCharge(31)).toBe(false)
  expect(parent.usedBytes).toBe(70)
  left.release(70)
  expect(right.tryCharge(100)).toBe(true)
})

it('notices when more is released than was charged', () => {
  expect(() => new MemoryBudget('slot', 10).release(1)).toThrow('released 1 bytes of 0 charged')
})
