/**
 * The job of bench/latency.ts: `--rate R --seconds S --warm-up S`. Each record carries the moment it was due at the rate
 * asked for, so that a source that falls behind counts as latency, too. The sink keeps a histogram of how late records come
 * to it, after the warm-up, and gives it out as accumulators: `late N` for bucket N.
 */
import { generator, job, type JobDefinition, type Sink, types, type ValueState } from '../src/index.ts'
import { Progress } from '../src/common/progress.ts'
import { bucketCount, bucketOf } from './latency-buckets.ts'

const keys = 1_000

interface Ping {
  readonly key: number
  /** In ms since the epoch. */
  readonly dueMs: number
}

const latency: JobDefinition = job('latency', (env) => {
  const rate = env.parameters.getInt('rate', 1_000_000)
  const count = rate * env.parameters.getInt('seconds', 10)
  const fromIndex = rate * env.parameters.getInt('warm-up', 2)
  // When record 0 was due: no record is made before it is due, so the earliest that any record of the warm-up tells of.
  let firstMs = Number.POSITIVE_INFINITY
  const make = (index: number): Ping => {
    const afterFirstMs = (index / rate) * 1_000
    if (index < fromIndex) firstMs = Math.min(firstMs, wallMs() - afterFirstMs)
    return { key: index % keys, dueMs: index < fromIndex ? 0 : firstMs + afterFirstMs }
  }
  let counts: ValueState<number>
  env
    .source(
      generator({ count, make, ratePerSecond: rate, type: types.row({ key: types.int32(), dueMs: types.float64() }) }),
    )
    .keyBy((ping) => ping.key, types.int32())
    .process<number>({
      open(context) {
        counts = context.getState({ kind: 'value', name: 'count', type: types.float64() })
      },
      processElement({ dueMs }, _context, out) {
        counts.update((counts.value() ?? 0) + 1)
        out.collect(dueMs)
      },
    })
    .sinkTo(latencySink())
})

function wallMs(): number {
  return performance.timeOrigin + performance.now()
}

function latencySink(): Sink<number, never, never> {
  return {
    name: 'latency',
    createWriter({ accumulators }) {
      const buckets = new Float64Array(bucketCount)
      let records = 0
      return {
        write(dueMs) {
          records++
          if (dueMs > 0) buckets[bucketOf(wallMs() - dueMs)]!++
        },
        flush(endOfInput) {
          if (!endOfInput) return Progress.Done
          accumulators.add('records', records)
          buckets.forEach((count, bucket) => {
            if (count > 0) accumulators.add(`late ${bucket}`, count)
          })
          return Progress.Done
        },
      }
    },
  }
}

export default latency
