/**
 * What do checkpoints, and backends on disk, cost the auction workload? Bars: with an exactly-once checkpoint every second
 * at least 0.9 of the throughput without; rocksdb at least 0.5 of managed, both with checkpoints.
 *
 *   npm run bench:checkpoint-cost -- [--backend managed|rocksdb|leveldb] [--queries q5,q7] [--seconds S] [--runs N] [--json]
 *
 * Each query gets as many events as one slot takes in `--seconds`, so that a run holds several checkpoints. Every turn
 * runs the cases one after another; a ratio is the median of the turns' ratios, `from` and `to` are the extremes: a machine
 * that others use is as fast as it likes from one minute to the next. Answers must be equal in all of them.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { medianOf } from '../harness.ts'

const allQueries = 'gen,q0,q1,q2,q3,q5,q7,q8,q9,q11,jet5,kcount'
/** Queries that keep no state under keys: nothing to compare between backends. */
const stateless = new Set(['gen', 'q0', 'q1', 'q2'])
const checkpointBar = 0.9
const rocksdbBar = 0.5
const probeEvents = 4_000_000
const probeSecondsMin = 2

interface Answer {
  readonly rows: number
  readonly sum: number
  readonly seconds: number
}

const { values } = parseArgs({
  options: {
    backend: { type: 'string', default: 'managed' },
    queries: { type: 'string', default: allQueries },
    seconds: { type: 'string', default: '6' },
    events: { type: 'string' },
    runs: { type: 'string', default: '5' },
    mode: { type: 'string', default: 'exactly-once' },
    json: { type: 'boolean', default: false },
  },
})
const main = fileURLToPath(new URL('main.ts', import.meta.url))

function run(query: string, events: number, ...more: string[]): Answer {
  const args = [main, query, '--events', String(events), '--json', ...more]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Answer
}

function withCheckpoints(query: string, events: number, backend: string): Answer {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-checkpoint-cost-'))
  const { mode } = values
  try {
    return run(query, events, '--backend', backend, '--checkpoint-ms', '1000', '--mode', mode, '--job-dir', directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Told by runs that are long enough: code is slow before it is compiled, and a fast query takes few events for a start. */
function eventsFor(query: string): number {
  if (values.events !== undefined) return Number(values.events)
  const wanted = Number(values.seconds)
  for (let events = probeEvents; ; events *= 4) {
    const { seconds } = run(query, events)
    if (seconds < Math.min(wanted, probeSecondsMin)) continue
    return Math.max(1, Math.round(((events / seconds) * wanted) / 1e6)) * 1_000_000
  }
}

const { backend } = values
const cases: Readonly<Record<string, (query: string, events: number) => Answer>> =
  backend === 'managed'
    ? {
        without: (query, events) => run(query, events, '--backend', 'managed'),
        with: (query, events) => withCheckpoints(query, events, 'managed'),
      }
    : {
        managed: (query, events) => withCheckpoints(query, events, 'managed'),
        without: (query, events) => run(query, events, '--backend', backend),
        with: (query, events) => withCheckpoints(query, events, backend),
      }

function measure(query: string): Record<string, number | string | boolean> {
  const events = eventsFor(query)
  const seconds: Record<string, number[]> = {}
  let expected: Answer | undefined
  for (let turn = 0; turn < Number(values.runs); turn++) {
    for (const [name, each] of Object.entries(cases)) {
      const answer = each(query, events)
      expected ??= answer
      if (answer.rows !== expected.rows || answer.sum !== expected.sum) {
        throw new Error(`${query}, ${name}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(answer)}`)
      }
      if (process.env.VERBOSE) console.error(query, name, answer.seconds)
      ;(seconds[name] ??= []).push(answer.seconds)
    }
  }
  const median = (name: string): number => medianOf(seconds[name]!)
  const rate = (name: string): number => Number((events / median(name) / 1e6).toFixed(2))
  const ratios = (name: string): number[] => seconds[name]!.map((each, turn) => each / seconds['with']![turn]!)
  const ratio = rounded(medianOf(ratios('without')))
  const toManaged = backend === 'managed' ? undefined : rounded(medianOf(ratios('managed')))
  return {
    query,
    'M events': events / 1e6,
    'without M/s': rate('without'),
    'with M/s': rate('with'),
    'checkpoints 1 s': ratio,
    from: rounded(Math.min(...ratios('without'))),
    to: rounded(Math.max(...ratios('without'))),
    met: ratio >= checkpointBar,
    ...(toManaged !== undefined && {
      'managed M/s': rate('managed'),
      [`${backend} : managed`]: toManaged,
      'backend met': toManaged >= rocksdbBar,
    }),
  }
}

function rounded(ratio: number): number {
  return Number(ratio.toFixed(3))
}

const wanted = values.queries.split(',').filter((query) => backend === 'managed' || !stateless.has(query))
const rows = wanted.map((query) => {
  const row = measure(query)
  if (!values.json) console.log(JSON.stringify(row))
  return row
})
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.versions.node }
if (values.json)
  console.log(JSON.stringify({ bench: 'checkpoint-cost', backend, runs: Number(values.runs), machine, rows }))
else console.table(rows)
