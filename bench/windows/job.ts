/** The jobs of `windows.ts`: `--window tumbling|sliding --function count|sum|reduce --events N`. */
import { type JobDefinition, job, milliseconds, seconds, sliding, tumbling, types } from '../../src/index.ts'
import { checkSink } from '../auctions/check-sink.ts'
import { count } from '../auctions/count.ts'
import { keyedEvents } from '../auctions/generator.ts'
import { workload } from '../auctions/workload.ts'

interface Sale {
  readonly key: number
  readonly amount: number
}

const add = (left: Sale, right: Sale): Sale => ({ key: left.key, amount: left.amount + right.amount })

const windows: JobDefinition = job('windows', (env) => {
  const load = workload({ events: env.parameters.getInt('events', 1_000_000), seed: 42, perMs: 100, disorder: 0 })
  const events = env.source(keyedEvents(load, { hash: 1, modulo: 10_000 }), load.watermarks())
  const assigner =
    env.parameters.required('window') === 'tumbling'
      ? tumbling.eventTime(seconds(10))
      : sliding.eventTime(seconds(10), milliseconds(500))
  const name = env.parameters.required('function')
  if (name === 'count') {
    const counts = events.keyBy((event) => event.key, types.int32()).window(assigner)
    counts.aggregate(count).sinkTo(checkSink((total) => total))
    return
  }
  const sales = events
    .map((event): Sale => ({ key: event.key, amount: 1 }))
    .keyBy((sale) => sale.key, types.int32())
    .window(assigner)
  const totals = name === 'sum' ? sales.sum('amount') : sales.reduce(add)
  totals.sinkTo(checkSink((sale) => sale.amount))
})

export default windows
