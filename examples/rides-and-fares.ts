/**
 * Joins taxi rides with their fares, whichever comes first:
 * `millrace run examples/rides-and-fares.ts -- --rides FILE --fares FILE --output DIR`
 *
 * Rides are lines `{"rideId","driver","timeMs"}`, fares `{"rideId","total","timeMs"}`, each in order of time. The one that
 * comes first waits in keyed state; a timer gives it up after an hour of event time and reports it on standard error.
 */
import {
  type Collector,
  fileSink,
  hours,
  job,
  type KeyedCoProcessFunction,
  type KeyedProcessContext,
  ndjson,
  type OnTimerContext,
  outputTag,
  run,
  type RuntimeContext,
  types,
  type ValueState,
  valueState,
  WatermarkStrategy,
} from 'millrace'

interface Ride {
  rideId: number
  driver: string
  timeMs: number
}
interface Fare {
  rideId: number
  total: number
  timeMs: number
}
interface PaidRide {
  rideId: number
  driver: string
  total: number
}

const rideType = types.row({ rideId: types.int32(), driver: types.text(), timeMs: types.float64() })
const fareType = types.row({ rideId: types.int32(), total: types.float64(), timeMs: types.float64() })
const alone = outputTag<string>('alone')

class Match implements KeyedCoProcessFunction<number, Ride, Fare, PaidRide> {
  #ride!: ValueState<Ride>
  #fare!: ValueState<Fare>

  open(context: RuntimeContext): void {
    this.#ride = context.getState(valueState('ride', rideType))
    this.#fare = context.getState(valueState('fare', fareType))
  }

  processElement1(ride: Ride, context: KeyedProcessContext<number>, out: Collector<PaidRide>): void {
    const fare = this.#fare.value()
    if (fare !== undefined) return this.#found(ride, fare, fare.timeMs, context, out)
    this.#ride.update(ride)
    context.timerService().registerEventTimeTimer(ride.timeMs + hours(1))
  }

  processElement2(fare: Fare, context: KeyedProcessContext<number>, out: Collector<PaidRide>): void {
    const ride = this.#ride.value()
    if (ride !== undefined) return this.#found(ride, fare, ride.timeMs, context, out)
    this.#fare.update(fare)
    context.timerService().registerEventTimeTimer(fare.timeMs + hours(1))
  }

  onTimer(_timeMs: number, context: OnTimerContext<number>): void {
    const missing = this.#ride.value() === undefined ? 'ride' : 'fare'
    context.output(alone, `no ${missing} for ${context.getCurrentKey()}`)
    this.#ride.clear()
    this.#fare.clear()
  }

  #found(
    { rideId, driver }: Ride,
    { total }: Fare,
    waitingSinceMs: number,
    context: KeyedProcessContext<number>,
    out: Collector<PaidRide>,
  ): void {
    context.timerService().deleteEventTimeTimer(waitingSinceMs + hours(1))
    this.#ride.clear()
    this.#fare.clear()
    out.collect({ rideId, driver, total })
  }
}

const inOrder = <T extends { timeMs: number }>(): WatermarkStrategy<T> =>
  WatermarkStrategy.forMonotonousTimestamps<T>().withTimestampAssigner((one) => one.timeMs)

export default job('rides-and-fares', (env) => {
  const { parameters } = env
  const rides = env.source(ndjson(parameters.required('rides'), { type: rideType }), inOrder<Ride>(), 'rides')
  const fares = env.source(ndjson(parameters.required('fares'), { type: fareType }), inOrder<Fare>(), 'fares')
  const paid = rides.keyBy('rideId').connect(fares.keyBy('rideId')).process(new Match())
  paid.sinkTo(fileSink(parameters.required('output'), { format: 'ndjson' }))
  paid.getSideOutput(alone).printToErr()
})

if (import.meta.main) await run(import.meta)
