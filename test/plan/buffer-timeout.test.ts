import { expect, it } from 'vitest'
import type { StreamExecutionEnvironment } from '../../src/api/environment.ts'
import { bufferTimeoutMs } from '../../src/plan/buffer-timeout.ts'
import { lines, plan } from './support.ts'

it('is the shortest of the job’s and its operators’', () => {
  const of = (build: (env: StreamExecutionEnvironment) => void): number => bufferTimeoutMs(plan(build))
  expect(of((env) => void env.source(lines()))).toBe(100)
  expect(of((env) => void env.setBufferTimeout(7).source(lines()))).toBe(7)
  expect(of((env) => void env.source(lines()).setBufferTimeout(0))).toBe(0)
  expect(of((env) => void env.setBufferTimeout(-1).source(lines()))).toBe(-1)
  expect(
    of(
      (env) =>
        void env
          .setBufferTimeout(-1)
          .source(lines())
          .map((x) => x)
          .setBufferTimeout(5),
    ),
  ).toBe(5)
})
