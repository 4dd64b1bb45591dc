/**
 * q9: the winning bid of every auction: among the bids from its start to before its end that reach the reserve, the
 * first by (price descending, time, bidder), once event time has passed the end. A bid may arrive before its auction; it
 * waits until event time has passed the bid, when the auction can no longer come. Check: price and bidder.
 */
import { type ListState, type ValueState, types } from '../../../src/index.ts'
import { checkSink } from '../check-sink.ts'
import { auctionEvents } from '../generator.ts'
import type { Query } from '../workload.ts'

const openAuction = types.row({
  startMs: types.timestamp(),
  endMs: types.timestamp(),
  reserve: types.float64(),
  price: types.float64(),
  bidMs: types.timestamp(),
  bidder: types.int32(),
})
const earlyBid = types.row({ price: types.float64(), bidMs: types.timestamp(), bidder: types.int32() })

interface OpenAuction {
  startMs: number
  endMs: number
  reserve: number
  /** Of the best bid so far; -1: none. */
  price: number
  bidMs: number
  bidder: number
}
interface EarlyBid {
  readonly price: number
  readonly bidMs: number
  readonly bidder: number
}

function take(auction: OpenAuction, { price, bidMs, bidder }: EarlyBid): boolean {
  if (bidMs < auction.startMs || bidMs >= auction.endMs || price < auction.reserve) return false
  const isBetter =
    price > auction.price ||
    (price === auction.price && (bidMs < auction.bidMs || (bidMs === auction.bidMs && bidder < auction.bidder)))
  if (!isBetter) return false
  auction.price = price
  auction.bidMs = bidMs
  auction.bidder = bidder
  return true
}

export const q9: Query = (env, workload) => {
  let open: ValueState<OpenAuction>
  let early: ListState<EarlyBid>
  env
    .source(
      auctionEvents(workload, {
        auction: ['id', 'reserve', 'ts', 'expires'],
        bid: ['auction', 'bidder', 'price', 'ts'],
      }),
      workload.watermarks(),
    )
    .keyBy((event) => (event.kind === 'auction' ? event.id : event.auction), types.int32())
    .process<{ price: number; bidder: number }>({
      open(context) {
        open = context.getState({ kind: 'value', name: 'auction', type: openAuction })
        early = context.getListState({ kind: 'list', name: 'early bids', type: earlyBid })
      },
      processElement(event, context) {
        if (event.kind === 'bid') {
          const bid = { price: event.price, bidMs: event.ts, bidder: event.bidder }
          const auction = open.value()
          if (auction !== undefined) {
            if (take(auction, bid)) open.update(auction)
          } else if (event.ts > context.currentWatermark()) {
            early.add(bid)
            context.timerService().registerEventTimeTimer(event.ts)
          }
          return
        }
        const auction = {
          startMs: event.ts,
          endMs: event.expires,
          reserve: event.reserve,
          price: -1,
          bidMs: 0,
          bidder: 0,
        }
        for (const bid of early.get()) take(auction, bid)
        early.clear()
        open.update(auction)
        context.timerService().registerEventTimeTimer(event.expires - 1)
      },
      onTimer(timeMs, _context, out) {
        const auction = open.value()
        if (auction === undefined) return early.clear()
        if (timeMs !== auction.endMs - 1) return
        if (auction.price >= 0) out.collect({ price: auction.price, bidder: auction.bidder })
        open.clear()
      },
    })
    .sinkTo(checkSink((row) => row.price + row.bidder))
}
