/** A job whose sink takes 1,000 records a second, while its source makes as many as it can. */
import { customSink, generator, job, type JobDefinition } from '../../src/index.ts'

const recordsPerSecond = 1_000

export const backpressured: JobDefinition = job('backpressured', (env) => {
  let begunMs = 0
  let written = 0
  env
    .source(generator({ make: (id) => ({ id, key: id % 100, text: `record ${id}` }) }))
    .keyBy('key')
    .reduce((_, record) => record)
    .rebalance()
    .sinkTo(
      customSink({
        write() {
          if (begunMs === 0) begunMs = performance.now()
          const waitMs = begunMs + (++written * 1000) / recordsPerSecond - performance.now()
          return waitMs <= 1 ? undefined : new Promise<void>((resolve) => setTimeout(resolve, waitMs))
        },
      }),
    )
    .setParallelism(1)
})

export default backpressured
