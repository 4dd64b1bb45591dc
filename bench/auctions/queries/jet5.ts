/** jet5: events of 10,000 keys, counted per key over the last 10 s, every 500 ms. Check: the count. */
import { milliseconds, seconds, sliding, types } from '../../../src/index.ts'
import { checkSink } from '../check-sink.ts'
import { count } from '../count.ts'
import { keyedEvents } from '../generator.ts'
import type { Query } from '../workload.ts'

export const jet5: Query = (env, workload) => {
  env
    .source(keyedEvents(workload, { hash: 1, modulo: 10_000 }), workload.watermarks())
    .keyBy((event) => event.key, types.int32())
    .window(sliding.eventTime(seconds(10), milliseconds(500)))
    .aggregate(count)
    .sinkTo(checkSink((total) => total))
}
