/**
 * Question: how long from the start of a process until a job with large state processes its first record again, after it
 * was killed? With rocksdb and 10 M keys (bar 0.5 s), with a gigabyte of managed state (bar 3 s), and at 4 slots what was
 * written by 2 (rocksdb, 10 M keys; bar 1 s, the slowest slot counts). The job is filled, killed after a checkpoint, and
 * started again with the same command; medians.
 *
 * Run: npm run bench:recovery -- [--json] [--only rocksdb|managed|rescale] [--runs N] (minutes, 3 GB of memory and disk).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { medianOf } from '../harness.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    runs: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
  },
})
const root = join(import.meta.dirname, '..', '..')
const scale = Number(values.scale)

interface Case {
  readonly name: string
  readonly backend: 'rocksdb' | 'managed'
  readonly keys: number
  readonly fields: number
  readonly slots: number
  readonly slotsAfter: number
  readonly barSeconds: number
}

const cases: readonly Case[] = [
  { name: 'rocksdb', backend: 'rocksdb', keys: 10e6 * scale, fields: 1, slots: 1, slotsAfter: 1, barSeconds: 0.5 },
  { name: 'managed', backend: 'managed', keys: 8e6 * scale, fields: 8, slots: 1, slotsAfter: 1, barSeconds: 3 },
  { name: 'rescale', backend: 'rocksdb', keys: 10e6 * scale, fields: 1, slots: 2, slotsAfter: 4, barSeconds: 1 },
]

interface Running {
  readonly child: ChildProcess
  readonly startMs: number
  /** Resolves with the lines of so many subtasks. */
  lines(what: string, count: number): Promise<{ ms: number; value: number }[]>
}

function start(each: Case, directory: string, slots: number): Running {
  const options = { 'state.backend.type': each.backend, 'taskmanager.memory.managed.size': '6 gb' }
  const definitions = Object.entries({ ...options, 'execution.checkpointing.interval': '3 s' })
  const startMs = performance.timeOrigin + performance.now()
  const child = spawn(
    process.execPath,
    [
      join(root, 'scripts', 'millrace.mjs'),
      'run',
      join(import.meta.dirname, 'recovery-job.ts'),
      '--parallelism',
      String(slots),
      '--job-dir',
      directory,
      '--quiet',
      ...definitions.flatMap(([key, value]) => ['-D', `${key}=${value}`]),
      '--',
      '--keys',
      String(each.keys),
      '--fields',
      String(each.fields),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let errors = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text))
  return {
    child,
    startMs,
    async lines(what, count) {
      for (;;) {
        const found = [...errors.matchAll(new RegExp(`^${what} (\\S+) (\\d+)$`, 'gm'))]
        if (found.length >= count) return found.map(([, ms, value]) => ({ ms: Number(ms), value: Number(value) }))
        if (child.exitCode !== null) throw new Error(`the job ended before it said '${what}':\n${errors}`)
        await sleep(20)
      }
    },
  }
}

async function kill(child: ChildProcess): Promise<void> {
  const closed = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await closed
}

function completed(directory: string): number {
  const checkpoints = join(directory, 'checkpoints')
  const ids = readdirSync(checkpoints).filter((name) => existsSync(join(checkpoints, name, '_metadata')))
  return Math.max(0, ...ids.map((name) => Number(name.replace('chk-', ''))))
}

async function fill(each: Case, directory: string): Promise<void> {
  const running = start(each, directory, each.slots)
  try {
    await running.lines('filled', each.slots)
    const before = completed(directory)
    while (completed(directory) < before + 2) await sleep(50)
  } finally {
    await kill(running.child)
  }
}

async function measure(each: Case): Promise<Record<string, number | string | boolean>> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-recovery-'))
  try {
    await fill(each, directory)
    const seconds: number[] = []
    for (let run = 0; run < Number(values.runs); run++) {
      const running = start(each, directory, each.slotsAfter)
      const first = await running.lines('first', each.slotsAfter)
      await kill(running.child)
      if (first.some(({ value }) => value < 2)) throw new Error('a first record found no state')
      seconds.push((Math.max(...first.map(({ ms }) => ms)) - running.startMs) / 1000)
    }
    const median = Number(medianOf(seconds).toFixed(3))
    return { case: each.name, keys: each.keys, seconds: median, bar: each.barSeconds, met: median <= each.barSeconds }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const rows: Record<string, number | string | boolean>[] = []
for (const each of cases) if (values.only === undefined || values.only === each.name) rows.push(await measure(each))
if (values.json) console.log(JSON.stringify({ bench: 'recovery', node: process.version, rows }))
else console.table(rows)
