/** What the compiler must infer, and what it must refuse, in programs on DataStreams. Compiled, never run. */
import {
  type DataStream,
  type KeyedStream,
  outputTag,
  type StreamExecutionEnvironment,
  types,
} from '../../src/index.ts'
import type { Sink, Source } from '../../src/index.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function same<A, B>(equal: Equal<A, B>): void
type RecordOf<S> = S extends DataStream<infer T> ? T : never
declare const env: StreamExecutionEnvironment

interface Bid {
  auction: number
  price: bigint
  channel: string
  extra: { note: string; score: number; more?: { depth: number } }
  tags: string[]
  at: Date | null
}
declare const bidSource: Source<Bid>
declare const lineSource: Source<string>
const bids = env.source(bidSource)
const words = env
  .source(lineSource)
  .flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? [])
  .map((word) => ({ word, count: 1 }))

// Inference through the chain.
same<RecordOf<typeof words>, { word: string; count: number }>(true)
const counted = words.keyBy((record) => record.word).sum('count')
same<RecordOf<typeof counted>, { word: string; count: number }>(true)
const byField = bids.keyBy('channel')
same<typeof byField, KeyedStream<Bid, string>>(true)
const narrowed = env
  .source(lineSource)
  .map((line): string | number => line)
  .filter((value) => typeof value === 'number')
same<RecordOf<typeof narrowed>, number>(true)
const rich = bids.map({ open: (context) => void context.task.subtaskIndex, map: (bid: Bid) => bid.auction })
same<RecordOf<typeof rich>, number>(true)
const processed = bids.process<string>((bid, context, out) => {
  context.output(outputTag<number>('auctions'), bid.auction)
  out.collect(bid.channel)
})
same<RecordOf<typeof processed>, string>(true)
const connected = bids.connect(words).map({ map1: (bid) => bid.channel, map2: (word) => word.word })
same<RecordOf<typeof connected>, string>(true)
const side = processed.getSideOutput(outputTag<number>('auctions'))
same<RecordOf<typeof side>, number>(true)

// Fields by name: flat, nested, tuple index.
bids.keyBy('auction').sum('price')
bids.keyBy('auction').sum('extra.score')
bids.keyBy('auction').max('extra.more.depth')
bids.keyBy('auction').maxBy('at')
bids.keyBy('auction').minBy('channel', 'last')
bids
  .map((bid): [string, number] => [bid.channel, 1])
  .keyBy((pair) => pair[0])
  .sum(1)
bids
  .map((bid) => bid.auction)
  .keyBy((auction) => auction)
  .sum()

// @ts-expect-error a misspelt field
words.keyBy('word').sum('cuont')
// @ts-expect-error text cannot be added up
words.keyBy('word').sum('word')
// @ts-expect-error a misspelt key
words.keyBy('wrod')
// @ts-expect-error a misspelt field in a key selector
words.keyBy((record) => record.wrod)
// @ts-expect-error a nested field that is not there
bids.keyBy('auction').sum('extra.scor')
// @ts-expect-error a nested field that is no number
bids.keyBy('auction').sum('extra.note')
// @ts-expect-error a list cannot be compared
bids.keyBy('auction').max('tags')
// @ts-expect-error a whole object cannot be summed without a field
bids.keyBy('auction').sum()
const pairs = bids.map((bid): [string, number] => [bid.channel, 1]).keyBy((pair) => pair[0])
// @ts-expect-error the text of a tuple cannot be summed
pairs.sum(0)
// @ts-expect-error a map over a field that is not there
bids.map((bid) => bid.amount)
// @ts-expect-error a filter must answer a boolean
bids.filter((bid) => bid.channel)
// @ts-expect-error union of streams of different records
bids.union(words)
// @ts-expect-error reduce must keep the type
bids.keyBy('auction').reduce((left, right) => left.price + right.price)
// @ts-expect-error a keyed stream has no second keyBy
bids.keyBy('auction').keyBy('channel')
// @ts-expect-error a declared type that is another
words.returns(types.row({ word: types.int32(), count: types.int32() }))

declare const numberSink: Sink<number>
bids.map((bid) => bid.auction).sinkTo(numberSink)
// @ts-expect-error a sink for other records
bids.sinkTo(numberSink)
