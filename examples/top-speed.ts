/**
 * The top speed of each car over its last ten seconds, told whenever it has gone another fifty metres:
 * `millrace run examples/top-speed.ts -- [--input CARS.csv] [--count 1000]`
 *
 * The input has the columns car, kmh, metres, timeMs; without one, two cars are made up. A global window per car, a trigger
 * by distance and an evictor by time. Prints lines of JSON.
 */
import {
  csv,
  deltaTrigger,
  generator,
  globalWindows,
  job,
  run,
  seconds,
  timeEvictor,
  types,
  WatermarkStrategy,
} from 'millrace'

interface Reading {
  car: number
  kmh: number
  metres: number
  timeMs: number
}

const reading = types.row({
  car: types.int32(),
  kmh: types.float64(),
  metres: types.float64(),
  timeMs: types.float64(),
})

/** Two cars that take turns, a reading every 100 ms, speeding up and slowing down. */
function made(index: number): Reading {
  const turn = Math.floor(index / 2)
  const car = index % 2
  const kmh = 60 + 40 * Math.sin((turn + car * 7) / 10)
  return { car, kmh: Math.round(kmh), metres: turn * 2, timeMs: turn * 100 }
}

export default job('top-speed', (env) => {
  const { parameters } = env
  const input = parameters.get('input')
  const count = parameters.getInt('count', 1_000)
  const byTime = WatermarkStrategy.forMonotonousTimestamps<Reading>().withTimestampAssigner((one) => one.timeMs)
  const source = input === undefined ? generator({ count, make: made, type: reading }) : csv(input, { type: reading })
  env
    .source<Reading, unknown>(source, byTime, 'cars')
    .keyBy('car')
    .window(globalWindows())
    .evictor(timeEvictor(seconds(10)))
    .trigger(deltaTrigger(50, (before, now) => now.metres - before.metres))
    .maxBy('kmh')
    .print()
})

if (import.meta.main) await run(import.meta)
