/** q8: every person who registered and opened an auction within the same 10 s. Check: the person's id. */
import { type AggregateFunction, seconds, tumbling, types } from '../../../src/index.ts'
import { checkSink } from '../check-sink.ts'
import { auctionEvents } from '../generator.ts'
import type { Query } from '../workload.ts'

const registered = 1
const sold = 2

const deeds: AggregateFunction<{ readonly kind: 'person' | 'auction' }, number, number> = {
  createAccumulator: () => 0,
  add: (event, done) => done | (event.kind === 'person' ? registered : sold),
  getResult: (done) => done,
  merge: (left, right) => left | right,
  accumulatorType: types.int32(),
}

export const q8: Query = (env, workload) => {
  env
    .source(auctionEvents(workload, { person: ['id'], auction: ['seller'] }), workload.watermarks())
    .keyBy((event) => (event.kind === 'person' ? event.id : event.seller), types.int32())
    .window(tumbling.eventTime(seconds(10)))
    .aggregate(deeds, (person, _context, [done], out: { collect(value: number): void }) => {
      if (done === (registered | sold)) out.collect(person)
    })
    .sinkTo(checkSink((person) => person))
}
