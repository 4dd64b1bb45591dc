/** q1: bids in euros. Check: the new price. */
import { checkSink } from '../check-sink.ts'
import { bids } from '../generator.ts'
import type { Query } from '../workload.ts'

export const q1: Query = (env, workload) => {
  env
    .source(bids(workload, ['auction', 'bidder', 'price']))
    .map(({ auction, bidder, price }) => ({ auction, bidder, price: Math.floor((price * 908) / 1000) }))
    .sinkTo(checkSink((bid) => bid.price))
}
