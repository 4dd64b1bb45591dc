/** kcount: a running count for each of 1,000,000 keys, emitted with every event. Check: the count. */
import { type ValueState, types } from '../../../src/index.ts'
import { checkSink } from '../check-sink.ts'
import { keyedEvents } from '../generator.ts'
import type { Query } from '../workload.ts'

export const kcount: Query = (env, workload) => {
  let counts: ValueState<number>
  env
    .source(keyedEvents(workload, { hash: 2, modulo: 1_000_000 }))
    .keyBy((event) => event.key, types.int32())
    .process<number>({
      open(context) {
        counts = context.getState({ kind: 'value', name: 'count', type: types.float64() })
      },
      processElement(_event, _context, out) {
        const next = (counts.value() ?? 0) + 1
        counts.update(next)
        out.collect(next)
      },
    })
    .sinkTo(checkSink((total) => total))
}
