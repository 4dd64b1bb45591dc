/** q0: all bids pass, whole. Check: price and the lengths of channel, url and extra. */
import { checkSink } from '../check-sink.ts'
import { bids } from '../generator.ts'
import type { Query } from '../workload.ts'

export const q0: Query = (env, workload) => {
  env
    .source(bids(workload))
    .map((bid) => bid)
    .sinkTo(checkSink((bid) => bid.price + bid.channel.length + bid.url.length + bid.extra.length))
}
