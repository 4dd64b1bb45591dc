/** q5: the auctions with the most bids in the last 10 s, every 2 s. Check: auction and count. */
import { seconds, sliding, tumbling, types } from '../../../src/index.ts'
import { checkSink } from '../check-sink.ts'
import { count } from '../count.ts'
import { bids } from '../generator.ts'
import type { Query } from '../workload.ts'

interface Hot {
  readonly bids: number
  readonly auctions: readonly number[]
}

export const q5: Query = (env, workload) => {
  env
    .source(bids(workload, ['auction']), workload.watermarks())
    .keyBy((bid) => bid.auction, types.int32())
    .window(sliding.eventTime(seconds(10), seconds(2)))
    .aggregate(
      count,
      (auction, _context, [bidCount], out: { collect(value: { auction: number; bids: number }): void }) =>
        out.collect({ auction, bids: bidCount! }),
    )
    .windowAll(tumbling.eventTime(seconds(2)))
    .aggregate<{ bids: number; auctions: number[] }, Hot>({
      createAccumulator: () => ({ bids: 0, auctions: [] }),
      add: ({ auction, bids: bidCount }, hot) => {
        if (bidCount > hot.bids) return { bids: bidCount, auctions: [auction] }
        if (bidCount === hot.bids) hot.auctions.push(auction)
        return hot
      },
      getResult: (hot) => hot,
      merge: (left, right) => {
        if (right.bids > left.bids) return right
        if (right.bids === left.bids) left.auctions.push(...right.auctions)
        return left
      },
      accumulatorType: types.row({ bids: types.float64(), auctions: types.list(types.int32()) }),
    })
    .flatMap((hot) => hot.auctions.map((auction) => ({ auction, bids: hot.bids })))
    .sinkTo(checkSink((row) => row.auction + row.bids))
}
