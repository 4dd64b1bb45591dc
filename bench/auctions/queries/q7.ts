/**
 * q7: every bid whose price is the largest of its 10 s. In two steps, so that the first runs in parallel: the best bids
 * of each of some groups of auctions, then the best of those. Check: auction, bidder and price.
 */
import { type AggregateFunction, seconds, tumbling, types } from '../../../src/index.ts'
import { checkSink } from '../check-sink.ts'
import { bids } from '../generator.ts'
import type { Query } from '../workload.ts'

interface PricedBid {
  readonly auction: number
  readonly bidder: number
  readonly price: number
}

const groups = 64

/** The bids with the largest price. */
const best: AggregateFunction<PricedBid, PricedBid[], PricedBid[]> = {
  createAccumulator: () => [],
  add: (bid, top) => {
    const price = top.length === 0 ? -1 : top[0]!.price
    if (bid.price < price) return top
    if (bid.price > price) top.length = 0
    top.push(bid)
    return top
  },
  getResult: (top) => top,
  merge: (left, right) => {
    for (const bid of right) best.add(bid, left)
    return left
  },
  accumulatorType: types.list(types.row({ auction: types.int32(), bidder: types.int32(), price: types.int32() })),
}

export const q7: Query = (env, workload) => {
  env
    .source(bids(workload, ['auction', 'bidder', 'price']), workload.watermarks())
    .keyBy((bid) => bid.auction % groups, types.int32())
    .window(tumbling.eventTime(seconds(10)))
    .aggregate(best)
    .flatMap((top) => top)
    .windowAll(tumbling.eventTime(seconds(10)))
    .aggregate(best)
    .flatMap((top) => top)
    .sinkTo(checkSink((bid) => bid.auction + bid.bidder + bid.price))
}
