/** q2: bids on some auctions. Check: the price. */
import { checkSink } from '../check-sink.ts'
import { bids } from '../generator.ts'
import type { Query } from '../workload.ts'

export const q2: Query = (env, workload) => {
  env
    .source(bids(workload, ['auction', 'bidder', 'price']))
    .filter((bid) => bid.auction % 123 === 0)
    .sinkTo(checkSink((bid) => bid.price))
}
