/**
 * How near does each query of the auction workload, as a user writes it, come to a hand-written loop over columns? And
 * what do a second slot and checkpoints cost or bring?
 *
 *   npm run bench:auctions -- [--events N] [--checkpoint-events N] [--slot-events N] [--runs N] [--queries q5,q7] [--json]
 *
 * Every turn runs, one after another, the loop (limit.mjs) and one slot; then one slot with and without an exactly-once
 * checkpoint every second, with as many events as `--checkpoint-events` says (q3, q8: 8 times as many), since a short
 * run would measure the last checkpoint only; then one slot, two slots, and two jobs of one slot each at the same time, with as
 * many events as `--slot-events` says, since for a second or so of a run each slot compiles the same code. The two jobs
 * share nothing: what they reach is what the machine's cores give at that moment.
 *
 * Quotients are taken within a turn, and of them the median over the turns: machines change their speed from minute to
 * minute. Answers must be equal.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
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
/** Queries that look at few of the events: this many times as many, so that a run sees several checkpoints. */
const checkpointTimes: Readonly<Record<string, number>> = { q3: 8, q8: 8 }

interface Answer {
  readonly rows: number
  readonly sum: number
  readonly seconds: number
}

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    'checkpoint-events': { type: 'string', default: '40000000' },
    'slot-events': { type: 'string', default: '120000000' },
    runs: { type: 'string', default: '3' },
    queries: { type: 'string', default: Object.keys(floors).join(',') },
    json: { type: 'boolean', default: false },
  },
})
const { events, 'checkpoint-events': checkpointEvents, 'slot-events': slotEvents } = values
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

function answerOf(args: readonly string[]): Answer {
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Answer
}

const engineArgs = (query: string, count: string, ...more: string[]): string[] => [
  here('main.ts'),
  query,
  '--events',
  count,
  '--json',
  ...more,
]
const engine = (...args: Parameters<typeof engineArgs>): Answer => answerOf(engineArgs(...args))

function checkpointed(query: string, ...more: string[]): Answer {
  return engine(query, String(Number(checkpointEvents) * (checkpointTimes[query] ?? 1)), ...more)
}

function withCheckpoints(query: string): Answer {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-auctions-'))
  try {
    return checkpointed(query, '--checkpoint-ms', '1000', '--job-dir', directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Two jobs that know nothing of each other; the slower one counts, and as half of its time, since both do all the work. */
async function twoJobs(query: string): Promise<Answer> {
  const job = async (): Promise<Answer> => {
    const { stdout } = await promisify(execFile)(process.execPath, engineArgs(query, slotEvents), { encoding: 'utf8' })
    return JSON.parse(stdout) as Answer
  }
  const [one, other] = await Promise.all([job(), job()])
  return { ...one, seconds: Math.max(one.seconds, other.seconds) / 2 }
}

type Measure = (query: string) => Answer | Promise<Answer>

/** The cases of a group take turns, and give one answer. */
const groups: readonly { readonly cases: Readonly<Record<string, Measure>>; readonly queries?: ReadonlySet<string> }[] =
  [
    {
      cases: {
        limit: (query) => answerOf([here('limit.mjs'), query, events]),
        'one slot': (query) => engine(query, events),
      },
    },
    { cases: { 'no checkpoints': (query) => checkpointed(query), checkpoints: withCheckpoints } },
    {
      cases: {
        'one slot, long': (query) => engine(query, slotEvents),
        'two slots, long': (query) => engine(query, slotEvents, '--parallelism', '2'),
        'two jobs, long': twoJobs,
      },
      queries: twoSlotQueries,
    },
  ]

async function compare(query: string): Promise<Record<string, number | string | boolean>> {
  const seconds: Record<string, number[]> = {}
  for (const { cases, queries } of groups) {
    if (queries?.has(query) === false) continue
    let expected: Answer | undefined
    for (let run = 0; run < Number(values.runs); run++) {
      for (const [name, measure] of Object.entries(cases)) {
        const answer = await measure(query)
        expected ??= answer
        if (answer.rows !== expected.rows || answer.sum !== expected.sum) {
          throw new Error(`${query}, ${name}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(answer)}`)
        }
        ;(seconds[name] ??= []).push(answer.seconds)
      }
    }
  }
  const rate = (name: string): number => Number((Number(events) / medianOf(seconds[name]!) / 1e6).toFixed(1))
  const quotient = (of: string, against: string): number =>
    Number(medianOf(seconds[of]!.map((inTurn, turn) => seconds[against]![turn]! / inTurn)).toFixed(2))
  const ratio = quotient('one slot', 'limit')
  const checkpoints = quotient('checkpoints', 'no checkpoints')
  const slots = (of: string): number => quotient(of, 'one slot, long')
  return {
    query,
    'limit M/s': rate('limit'),
    'one slot M/s': rate('one slot'),
    ratio,
    floor: floors[query]!,
    met: ratio >= floors[query]!,
    ...(twoSlotQueries.has(query) && {
      'two slots': slots('two slots, long'),
      'two slots met': slots('two slots, long') >= twoSlotBar,
      'two jobs': slots('two jobs, long'),
    }),
    'checkpoints 1 s': checkpoints,
    'checkpoints met': checkpoints >= checkpointBar,
  }
}

const rows: Record<string, number | string | boolean>[] = []
for (const query of values.queries.split(',')) {
  const row = await compare(query)
  rows.push(row)
  if (!values.json) console.log(JSON.stringify(row))
}
if (values.json) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.versions.node }
  console.log(JSON.stringify({ bench: 'auctions', events: Number(events), runs: Number(values.runs), machine, rows }))
} else console.table(rows)
