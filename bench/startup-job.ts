/** The job of bench/startup.ts: says when its first record is mapped and when its last, in ms since the epoch. */
import { writeSync } from 'node:fs'
import { discard, job, type JobDefinition, sequence } from 'millrace'

const records = 1_000

const startup: JobDefinition = job('startup', (env) => {
  env
    .source(sequence(1, records))
    .rebalance()
    .map((n) => {
      if (n === 1 || n === records) writeSync(2, `${n} ${performance.timeOrigin + performance.now()}\n`)
      return n
    })
    .sinkTo(discard())
})
export default startup
