import { describe, expect, it } from 'vitest'
import { batchRecordsMax } from '../../../src/common/limits.ts'
import { StepBudget } from '../../../src/runtime/step-budget.ts'

describe('StepBudget', () => {
  it('grows while full steps are quick', () => {
    const budget = new StepBudget()
    for (let i = 0; i < 20; i++) budget.took(budget.records, 0.1)
    expect(budget.records).toBe(batchRecordsMax)
  })

  it('grows for a source that passes some of its records over', () => {
    const budget = new StepBudget()
    for (let i = 0; i < 20; i++) budget.took(Math.floor(budget.records * 0.9), 0.1)
    expect(budget.records).toBe(batchRecordsMax)
  })

  it('learns nothing from steps that found little to do', () => {
    const budget = new StepBudget()
    const before = budget.records
    for (let i = 0; i < 20; i++) budget.took(1, 0.01)
    expect(budget.records).toBe(before)
  })

  it('shrinks so that a step of slow records lasts a few milliseconds', () => {
    const budget = new StepBudget()
    budget.took(64, 640)
    expect(budget.records).toBe(1)
  })
})
