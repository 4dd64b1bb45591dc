/** Types through keyed, windowed and two-input operators. Compiled, never run. */
import {
  type DataStream,
  outputTag,
  seconds,
  session,
  sliding,
  type StreamExecutionEnvironment,
  TimeWindow,
  tumbling,
  types,
} from '../../src/index.ts'
import type { Source } from '../../src/index.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function same<A, B>(equal: Equal<A, B>): void
type RecordOf<S> = S extends DataStream<infer T> ? T : never
declare const env: StreamExecutionEnvironment
declare const bidSource: Source<{ auction: number; price: number; channel: string }>
declare const ruleSource: Source<{ channel: string; limit: number }>
const bids = env.source(bidSource)
const rules = env.source(ruleSource)
type Bid = RecordOf<typeof bids>

// Windows keep the record's type; assigners take it from the stream.
const sums = bids
  .keyBy('channel')
  .window(tumbling.processingTime(seconds(5)))
  .sum('price')
same<RecordOf<typeof sums>, Bid>(true)
const averages = bids
  .keyBy((bid) => bid.channel)
  .window(sliding.eventTime(seconds(10), seconds(2)))
  .allowedLateness(seconds(1))
  .sideOutputLateData(outputTag<Bid>('late'))
  .aggregate(
    {
      createAccumulator: () => ({ sum: 0, count: 0 }),
      add: (bid, { sum, count }) => ({ sum: sum + bid.price, count: count + 1 }),
      getResult: ({ sum, count }) => sum / count,
    },
    (channel, context, [average], out) => out.collect({ channel, average: average!, end: context.window.endMs }),
  )
const longest = bids
  .keyBy('channel')
  .window(session.dynamicEventTime((bid) => bid.price))
  .process<[string, number]>((channel, { window }, elements, out) => {
    out.collect([channel, [...elements].length + window.endMs])
  })
same<RecordOf<typeof longest>, [string, number]>(true)
bids.windowAll(tumbling.eventTime(1000)).max('price')
bids.countWindowAll(10).process<number>((_, elements, out) => out.collect([...elements].length))
bids.keyBy('channel').countWindow(10, 5).minBy('price')
void [sums, averages, TimeWindow, types]

// @ts-expect-error a misspelt field in a window
bids.keyBy('channel').window(tumbling.eventTime(5)).sum('cuont')
// @ts-expect-error text cannot be summed
bids.keyBy('channel').window(tumbling.eventTime(5)).sum('channel')
// @ts-expect-error a gap of something that is no number
bids.keyBy('channel').window(session.dynamicEventTime((bid) => bid.channel))
// @ts-expect-error no field of that name
bids.windowAll(tumbling.eventTime(5)).reduce((left, right) => ({ ...left, price: left.price + right.amount }))

// Keyed processing: the key's type.
bids.keyBy('channel').process<string>({
  processElement: (bid, context, out) => {
    same<ReturnType<typeof context.getCurrentKey>, string>(true)
    context.timerService().registerEventTimeTimer(bid.price)
    out.collect(context.getCurrentKey())
  },
  onTimer: (timeMs, context, out) => out.collect(`${context.getCurrentKey()} ${timeMs}`),
})

// Two inputs.
const joined = bids
  .join(rules)
  .where('channel')
  .equalTo((rule) => rule.channel)
  .window(tumbling.eventTime(seconds(1)))
  .apply((bid, rule) => bid.price > rule.limit)
same<RecordOf<typeof joined>, boolean>(true)
const grouped = bids
  .coGroup(rules)
  .where((bid) => bid.channel)
  .equalTo('channel')
  .window(tumbling.eventTime(seconds(1)))
  .apply<number>((left, right, out) => out.collect(left.length + right.length))
same<RecordOf<typeof grouped>, number>(true)
bids
  .keyBy('channel')
  .intervalJoin(rules.keyBy('channel'))
  .between(-5, 5)
  .upperBoundExclusive()
  .process<number>((bid, rule, context, out) => out.collect(bid.price + rule.limit + context.getTimestamp()))
const limits = { kind: 'map', name: 'limits', keyType: types.text(), valueType: types.float64() } as const
bids
  .keyBy('channel')
  .connect(rules.broadcast(limits))
  .process<Bid>({
    processElement: (bid, context, out) => {
      if (bid.price > (context.getBroadcastState(limits).get(bid.channel) ?? 0)) out.collect(bid)
    },
    processBroadcastElement: (rule, context) => context.getBroadcastState(limits).put(rule.channel, rule.limit),
  })

// @ts-expect-error keys of different types do not meet
bids.join(rules).where('auction').equalTo('channel')
// @ts-expect-error an interval join needs equal key types
bids.keyBy('auction').intervalJoin(rules.keyBy('channel'))
// @ts-expect-error no such field in the second stream
bids.join(rules).where('channel').equalTo('chanel')
// @ts-expect-error connected keyed streams need equal key types
bids.keyBy('auction').connect(rules.keyBy('channel')).process({})

// Keys of connected streams: functions, or fields of one type.
bids
  .connect(rules)
  .keyBy(
    (bid) => bid.channel,
    (rule) => rule.channel,
  )
  .process<string>({
    processElement1: (bid, context, out) => out.collect(bid.channel + context.getCurrentKey()),
    processElement2: (rule, context, out) => out.collect(rule.channel + context.getCurrentKey()),
  })
bids.connect(rules).keyBy('auction', 'limit')
bids.partitionCustom((channel: string, count) => channel.length % count, 'channel')
bids.partitionCustom(
  (channel: string, count) => channel.length % count,
  (bid) => bid.channel,
)
bids.fullWindowPartition().sortPartition((bid) => bid.price)
// @ts-expect-error fields of different types
bids.connect(rules).keyBy('auction', 'channel')
// @ts-expect-error a partitioner of text over a field of numbers
bids.partitionCustom((channel: string, count) => channel.length % count, 'auction')
