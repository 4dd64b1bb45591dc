/**
 * A running sum per key that survives any crash:
 * `millrace run examples/exactly-once.ts --job-dir STATE -- --input DIR --output DIR`
 *
 * The input holds lines `{"id","key","value","ts"}`; each gives one line `{"id","key","sum"}`. Kill the process as often as
 * you like, SIGKILL included, and start the same command again: it goes on from its last checkpoint, and in the end the
 * output holds every id once and every sum is right. `--interval` sets the milliseconds between checkpoints.
 */
import {
  type Collector,
  fileSink,
  job,
  type KeyedProcessContext,
  type KeyedProcessFunction,
  ndjson,
  run,
  type RuntimeContext,
  types,
  type ValueState,
  valueState,
} from 'millrace'

interface Change {
  id: string | number
  key: string
  value: number
}
interface Echo {
  id: string | number
  key: string
  sum: number
}

class RunningSum implements KeyedProcessFunction<string, Change, Echo> {
  #sum!: ValueState<number>

  open(context: RuntimeContext): void {
    this.#sum = context.getState(valueState('sum', types.float64()))
  }

  processElement({ id, key, value }: Change, _context: KeyedProcessContext<string>, out: Collector<Echo>): void {
    const sum = (this.#sum.value() ?? 0) + value
    this.#sum.update(sum)
    out.collect({ id, key, sum })
  }
}

export default job('exactly-once', (env) => {
  const { parameters } = env
  env
    .enableCheckpointing(parameters.getInt('interval', 1_000))
    .source(ndjson<Change>(parameters.required('input')))
    .uid('changes')
    .keyBy('key')
    .process(new RunningSum())
    .uid('running-sum')
    .sinkTo(fileSink(parameters.required('output'), { format: 'ndjson', partSuffix: '.ndjson' }))
    .uid('output')
})

if (import.meta.main) await run(import.meta)
