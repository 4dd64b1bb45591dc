/**
 * q11: how many bids a bidder makes in a session, where a pause of more than 10 s ends it (a pause of exactly 10 s still
 * joins: sessions that touch are one). Check: bidder and count.
 */
import { seconds, session, types } from '../../../src/index.ts'
import { checkSink } from '../check-sink.ts'
import { count } from '../count.ts'
import { bids } from '../generator.ts'
import type { Query } from '../workload.ts'

export const q11: Query = (env, workload) => {
  env
    .source(bids(workload, ['bidder']), workload.watermarks())
    .keyBy((bid) => bid.bidder, types.int32())
    .window(session.eventTime(seconds(10)))
    .aggregate(count, (bidder, _context, [bidCount], out: { collect(value: { bidder: number; bids: number }): void }) =>
      out.collect({ bidder, bids: bidCount! }),
    )
    .sinkTo(checkSink((row) => row.bidder + row.bids))
}
