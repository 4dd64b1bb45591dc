/**
 * The engine inside an ordinary Node program: `node examples/embedded.ts`
 *
 * The job runs in this thread, so that its functions may use what the program has at hand, and its results come back as
 * an async iteration. Leaving the loop ends the job.
 */
import { StreamExecutionEnvironment } from 'millrace'

interface Reading {
  sensor: string
  celsius: number
}

/** Any async iterable will do: a Readable, a web stream, a queue's consumer. */
async function* readings(): AsyncGenerator<Reading> {
  const values = [19.5, 21, 20.5, 35, 22, 36.5, 18, 34]
  for (const [index, celsius] of values.entries()) yield { sensor: index % 2 === 0 ? 'cellar' : 'attic', celsius }
}

const limits = new Map([
  ['cellar', 21],
  ['attic', 34],
])

const env = StreamExecutionEnvironment.getExecutionEnvironment()
const hottest = env
  .fromAsyncIterable(readings)
  .filter(({ sensor, celsius }) => celsius > (limits.get(sensor) ?? Infinity))
  .keyBy('sensor')
  .maxBy('celsius')

for await (const { sensor, celsius } of hottest.collect()) console.log(`${sensor}: ${celsius} °C`)
