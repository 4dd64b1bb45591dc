import { expect, it } from 'vitest'
import type { StreamExecutionEnvironment } from '../../src/api/environment.ts'
import { describePlan, firstDifference } from '../../src/plan/plan-description.ts'
import { lines, nowhere, plan } from './support.ts'

const program = (env: StreamExecutionEnvironment): void => {
  env
    .source(lines())
    .map((x) => x)
    .keyBy('word')
  env.source(lines()).filter(Boolean).sinkTo(nowhere())
}
const ids = (graph: ReturnType<typeof plan>) => [...graph.operatorIds.values()]

it('operator ids are 32 hex digits, distinct, and do not change with parallelism, names or chaining', () => {
  const expected = ids(plan(program, 2))
  expect(new Set(expected).size).toBe(expected.length)
  for (const id of expected) expect(id).toMatch(/^[0-9a-f]{32}$/)
  expect(ids(plan(program, 1))).toEqual(expected)
  expect(ids(plan(program, 3, { 'pipeline.operator-chaining.enabled': false }))).toEqual(expected)
})

it('a uid decides alone, wherever the operator stands', () => {
  const before = plan(
    (env) =>
      void env
        .source(lines())
        .map((x) => x)
        .uid('kept'),
  )
  const after = plan(
    (env) =>
      void env
        .source(lines())
        .filter(Boolean)
        .map((x) => x)
        .uid('kept'),
  )
  expect(ids(after)[2]).toBe(ids(before)[1])
})

it('equal programs have equal fingerprints; the first differing node is named', () => {
  const left = describePlan(plan(program))
  expect(describePlan(plan(program)).fingerprint).toBe(left.fingerprint)
  expect(firstDifference(left, describePlan(plan(program)))).toBeUndefined()
  const renamed = plan((env) => {
    env
      .source(lines())
      .map((x) => x)
      .name('Other')
      .keyBy('word')
    env.source(lines()).filter(Boolean).sinkTo(nowhere())
  })
  expect(firstDifference(left, describePlan(renamed))).toContain("'Map' (node 2)")
  const longer = plan((env) => {
    program(env)
    env.source(lines())
  })
  expect(firstDifference(left, describePlan(longer))).toContain('only in the second plan')
  expect(firstDifference(left, describePlan(plan(program, 3)))).toContain('parallelism 2')
})
