/**
 * The job of bench/checkpoints/recovery.ts: counters under `--keys` keys, in rows of `--fields` numbers. Says on stderr,
 * in ms since the epoch, when a subtask sees its first record, and when it has seen the last new key of its own.
 */
import { writeSync } from 'node:fs'
import { discard, generator, job, type JobDefinition, types, type ValueState } from 'millrace'

type Row = Record<string, number>

const recovery: JobDefinition = job('recovery', (env) => {
  const keys = env.parameters.getInt('keys', 1_000_000)
  const fields = env.parameters.getInt('fields', 1)
  const names = Array.from({ length: fields }, (_, i) => `f${i}`)
  const empty: Row = Object.fromEntries(names.map((name) => [name, 0]))
  const type = types.row(Object.fromEntries(names.map((name) => [name, types.float64()])))
  let state: ValueState<Row>
  let seen = 0
  let isFilled = false
  const last = [0, 0]
  env
    .source(generator({ make: (id) => ({ id, key: id % keys }) }))
    .keyBy((event) => event.key, types.int32())
    .process<number>({
      open(context) {
        state = context.getState({ kind: 'value', name: 'rows', type })
      },
      processElement(event, _context, out) {
        const row = state.value() ?? { ...empty }
        row['f0']!++
        state.update(row)
        const say = (what: string): void =>
          void writeSync(2, `${what} ${performance.timeOrigin + performance.now()} ${row['f0']}\n`)
        if (seen++ === 0) say('first')
        // One or two subtasks of the source, of which one may be far ahead of the other.
        last[event.id & 1] = event.id
        if (!isFilled && last[0]! >= keys && last[1]! >= keys) {
          isFilled = true
          say('filled')
        }
        out.collect(row['f0']!)
      },
    })
    .sinkTo(discard())
})
export default recovery
