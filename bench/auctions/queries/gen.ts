/** gen: every event made, whole, and dropped. Check: the bids' prices. */
import { checkSink } from '../check-sink.ts'
import { auctionEvents } from '../generator.ts'
import type { Query } from '../workload.ts'

export const gen: Query = (env, workload) => {
  env.source(auctionEvents(workload)).sinkTo(checkSink((event) => (event.kind === 'bid' ? event.price : 0)))
}
