import { expect, it } from 'vitest'
import type { StreamExecutionEnvironment } from '../../src/api/environment.ts'
import { bufferTimeoutMs } from '../../src/plan/buffer-timeout.ts'
import { lines, nowhere, plan } from './support.ts'

/** Of every exchange, in order. */
const timeouts = (build: (env: StreamExecutionEnvironment) => void): number[] => {
  const job = plan(build, 2)
  return job.edges.map(({ edge }) => bufferTimeoutMs(job, edge))
}

it('is the job’s where the operator before the exchange sets none', () => {
  expect(timeouts((env) => void env.source(lines()).rebalance().sinkTo(nowhere()))).toEqual([100])
  expect(timeouts((env) => void env.setBufferTimeout(7).source(lines()).rebalance().sinkTo(nowhere()))).toEqual([7])
  expect(timeouts((env) => void env.setBufferTimeout(-1).source(lines()).rebalance().sinkTo(nowhere()))).toEqual([-1])
})

it('is the one of the operator whose records cross, for its exchange only', () => {
  const found = timeouts((env) => {
    env
      .source(lines())
      .setBufferTimeout(0)
      .rebalance()
      .map((line) => line)
      .setBufferTimeout(-1)
      .rebalance()
      .map((line) => line)
      .setBufferTimeout(3)
      .map((line) => line)
      .rebalance()
      .sinkTo(nowhere())
  })
  expect(found).toEqual([0, -1, 100])
})

it('is refused where it is no time', () => {
  for (const timeoutMs of [-2, Number.NaN]) {
    expect(() => timeouts((env) => void env.source(lines()).setBufferTimeout(timeoutMs))).toThrow(
      expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE' }),
    )
  }
})
