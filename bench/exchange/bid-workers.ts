/** A producer and a consumer of bids: seven fields, three of them strings, about 150 bytes; objects in, objects out. */
import { noTimestamp } from '../../src/common/limits.ts'
import { Polled } from '../../src/exchange/channel.ts'
import { openEdgeWriter } from '../../src/exchange/edge-writer.ts'
import { openExchange } from '../../src/exchange/exchange.ts'
import { drainFully, pollWaiting } from './waiting.ts'
import { serve, type Work } from './worker-pair.ts'

interface Bid {
  readonly auction: number
  readonly bidder: number
  readonly price: number
  readonly channel: string
  readonly url: string
  readonly dateTime: number
  readonly extra: string
}

/** Parsed from JSON, as a source would: flat strings, one shape. A power of two, small enough for the cache. */
const bidCount = 1_024
const bids: readonly Bid[] = JSON.parse(
  JSON.stringify(
    Array.from({ length: bidCount }, (_, i) => ({
      auction: 1_000 + ((i * 7) % 900),
      bidder: 2_000 + ((i * 13) % 5_000),
      price: 100 + ((i * 31) % 10_000) / 4,
      channel: `channel-${(i * 17) % 100}`,
      url: `https://www.example.com/${(i * 7919) % 100_000}/item.htm?query=1`,
      dateTime: 1_700_000_000_000 + i,
      extra: 'abcdefghijklmnopqrstuvwxyz0123456789'.slice(i % 16) + i,
    })),
  ),
)

const send: Work = ({ items, description }) => {
  const exchange = openExchange(description, [0])
  const edge = openEdgeWriter(exchange, { kind: 'forward' }, [{ id: 0, targetSubtask: 0 }], { maxParallelism: 128 })
  for (let i = 0; i < items; i++) {
    edge.emit(bids[i & (bidCount - 1)], noTimestamp)
    if (edge.isFull()) drainFully(exchange, edge)
  }
  edge.emitEvent({ type: 'endOfInput' })
  drainFully(exchange, edge)
  return 0
}

const receive: Work = ({ description }) => {
  const exchange = openExchange(description, [1])
  const reader = exchange.reader(0)
  // Records are kept for a while, so that they have to be made.
  const kept: Bid[] = Array.from({ length: 256 })
  let sum = 0
  while (pollWaiting(exchange, reader) === Polled.Batch) {
    const { batch } = reader
    for (let i = 0; i < batch.count; i++) {
      const bid = batch.read(i) as Bid
      kept[i & 255] = bid
      sum += bid.auction + bid.bidder + bid.price + (bid.dateTime % 1_000)
      sum += bid.channel.length + bid.url.charCodeAt(bid.url.length - 1) + bid.extra.charCodeAt(bid.extra.length - 1)
    }
  }
  return sum
}

serve({ bids: send }, { bids: receive })
