/**
 * How near does each query of the auction workload, as a user writes it, come to a hand-written loop over columns? And
 * what do a second slot and checkpoints cost or bring?
 *
 *   npm run bench:auctions -- [--events N] [--slot-events N] [--runs N] [--queries q5,q7] [--json]
 *
 * Every turn runs, one after another, the loop (limit.mjs), one slot, and one slot with an exactly-once checkpoint every
 * second; then one slot and two slots with as many events as `--slot-events` says, since for a second or so of a run
 * each slot compiles the same code. Medians over the turns. Answers must be equal.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { medianOf } from '../harness.ts'

/** Share of the loop's speed that one slot is to reach. */
const floors: Readonly<Record<string, number>> = {
  gen: 0.6,
  q0: 0.6,
  q1: 0.3,
  q2: 0.3,
  q3: 0.2,
  q5: 0.4,
  q7: 0.3,
  q8: 0.2,
  q9: 0.4,
  q11: 0.3,
  jet5: 0.4,
  kcount: 0.4,
}
const twoSlotBar = 1.6
/** The queries with a bar for two slots. */
const twoSlotQueries = new Set(['q5', 'q7', 'q11', 'kcount'])
const checkpointBar = 0.9

interface Answer {
  readonly rows: number
  readonly sum: number
  readonly seconds: number
}

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    'slot-events': { type: 'string', default: '120000000' },
    runs: { type: 'string', default: '3' },
    queries: { type: 'string', default: Object.keys(floors).join(',') },
    json: { type: 'boolean', default: false },
  },
})
const { events, 'slot-events': slotEvents } = values
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

function answerOf(args: readonly string[]): Answer {
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Answer
}

const limit = (query: string): Answer => answerOf([here('limit.mjs'), query, events])
const engine = (query: string, count: string, ...more: string[]): Answer =>
  answerOf([here('main.ts'), query, '--events', count, '--json', ...more])

function withCheckpoints(query: string): Answer {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-auctions-'))
  try {
    return engine(query, events, '--checkpoint-ms', '1000', '--job-dir', directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The cases of a group give one answer. */
const groups: readonly Readonly<Record<string, (query: string) => Answer>>[] = [
  { limit, 'one slot': (query) => engine(query, events), checkpoints: withCheckpoints },
  {
    'one slot, long': (query) => engine(query, slotEvents),
    'two slots, long': (query) => engine(query, slotEvents, '--parallelism', '2'),
  },
]

function compare(query: string): Record<string, number | string | boolean> {
  const seconds: Record<string, number[]> = {}
  for (const [i, cases] of groups.entries()) {
    if (i === 1 && !twoSlotQueries.has(query)) continue
    let expected: Answer | undefined
    for (let run = 0; run < Number(values.runs); run++) {
      for (const [name, measure] of Object.entries(cases)) {
        const answer = measure(query)
        expected ??= answer
        if (answer.rows !== expected.rows || answer.sum !== expected.sum) {
          throw new Error(`${query}, ${name}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(answer)}`)
        }
        ;(seconds[name] ??= []).push(answer.seconds)
      }
    }
  }
  const median = (name: string): number => medianOf(seconds[name]!)
  const quotient = (of: string, against: string): number => Number((median(against) / median(of)).toFixed(2))
  return {
    query,
    'limit M/s': Number((Number(events) / median('limit') / 1e6).toFixed(1)),
    'one slot M/s': Number((Number(events) / median('one slot') / 1e6).toFixed(1)),
    ratio: quotient('one slot', 'limit'),
    floor: floors[query]!,
    met: quotient('one slot', 'limit') >= floors[query]!,
    ...(twoSlotQueries.has(query) && {
      'two slots': quotient('two slots, long', 'one slot, long'),
      'two slots met': quotient('two slots, long', 'one slot, long') >= twoSlotBar,
    }),
    'checkpoints 1 s': quotient('checkpoints', 'one slot'),
    'checkpoints met': quotient('checkpoints', 'one slot') >= checkpointBar,
  }
}

const rows = values.queries.split(',').map((query) => {
  const row = compare(query)
  if (!values.json) console.log(JSON.stringify(row))
  return row
})
if (values.json) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.versions.node }
  console.log(JSON.stringify({ bench: 'auctions', events: Number(events), runs: Number(values.runs), machine, rows }))
} else console.table(rows)
