/**
 * Runs one query of the auction workload in worker slots and prints its checked result.
 *
 *   npm run --silent auctions -- QUERY --events N --seed S --per-ms R --disorder D --parallelism P --json
 *
 * Further options: --checkpoint-ms MS, --mode exactly-once|unaligned|at-least-once, --backend heap|managed|rocksdb|leveldb,
 * --job-dir DIR (the same command again resumes), -D key=value, --local (in this thread: for --cpu-prof).
 */
import { parseArgs } from 'node:util'
import type { ConfigurationValues } from '../../src/index.ts'
import { executeJob } from '../../src/coordinator/execute.ts'
import job from './job.ts'
import { queries } from './queries/index.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    events: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '42' },
    'per-ms': { type: 'string', default: '100' },
    disorder: { type: 'string', default: '0' },
    parallelism: { type: 'string', default: '1' },
    'checkpoint-ms': { type: 'string' },
    mode: { type: 'string', default: 'exactly-once' },
    backend: { type: 'string' },
    'job-dir': { type: 'string' },
    define: { type: 'string', short: 'D', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    local: { type: 'boolean', default: false },
  },
})

const query = positionals[0]
if (query === undefined || queries[query] === undefined) {
  console.error(`usage: auctions QUERY [--events N] …; queries: ${Object.keys(queries).join(', ')}`)
  process.exit(2)
}

function configuration(): ConfigurationValues {
  const given: Record<string, string | boolean> = {}
  if (values['checkpoint-ms'] !== undefined) {
    given['execution.checkpointing.interval'] = `${values['checkpoint-ms']} ms`
    given['execution.checkpointing.mode'] = values.mode === 'at-least-once' ? 'at-least-once' : 'exactly-once'
    given['execution.checkpointing.unaligned.enabled'] = values.mode === 'unaligned'
  }
  if (values.backend !== undefined) given['state.backend.type'] = values.backend
  for (const definition of values.define) {
    const at = definition.indexOf('=')
    given[definition.slice(0, at)] = definition.slice(at + 1)
  }
  return given
}

const { events, seed, 'per-ms': perMs, disorder } = values
const result = await executeJob({
  definition: job,
  moduleUrl: values.local ? undefined : new URL('./job.ts', import.meta.url).href,
  parameters: {
    named: { query: [query], events: [events], seed: [seed], 'per-ms': [perMs], disorder: [disorder] },
    positional: [],
  },
  configuration: configuration(),
  parallelism: Number(values.parallelism),
  jobDir: values['job-dir'],
})
const summary = {
  query,
  rows: result.accumulators['rows'] ?? 0,
  sum: result.accumulators['sum'] ?? 0,
  events: Number(events),
  seconds: Math.round(result.netRuntimeMs) / 1000,
}
if (values.json) console.log(JSON.stringify(summary))
else
  console.log(
    `${query}: ${summary.rows} rows, sum ${summary.sum}, ${(summary.events / summary.seconds / 1e6).toFixed(2)} M events/s`,
  )
