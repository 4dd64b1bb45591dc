/**
 * Question: how long from the start of the process `millrace run` to the first record, and from the last record to the
 * end of the process? Two slots, compile cache warm; the same for a bare `node` that does nothing, for comparison.
 *
 * Run: npm run bench:startup [-- --json]
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type Bench, type BenchSize, main, medianOf } from './harness.ts'

const runs: Readonly<Record<BenchSize, number>> = { small: 1, full: 15 }
const root = join(import.meta.dirname, '..')

interface Timing {
  readonly firstRecordMs: number
  readonly shutdownMs: number
  readonly totalMs: number
}

export const bench: Bench = {
  name: 'startup',
  question: 'process start to first record, last record to process end',
  runs: 1,
  prepare(size) {
    const timings: Timing[] = []
    const bare: number[] = []
    const command = [join(root, 'scripts', 'millrace.mjs'), 'run', join(import.meta.dirname, 'startup-job.ts')]
    return {
      items: runs[size],
      unit: 'runs',
      cases: [
        {
          name: 'millrace run',
          group: 'millrace',
          run: async () => {
            timings.length = 0
            for (let run = 0; run < runs[size]; run++) timings.push(await timeJob([...command, '--parallelism', '2']))
            return timings.length
          },
        },
        {
          name: 'node that does nothing',
          group: 'bare',
          run: async () => {
            bare.length = 0
            for (let run = 0; run < runs[size]; run++) bare.push((await runNode(['-e', '0'])).totalMs)
            return bare.length
          },
        },
      ],
      ratios: [],
      limits: () => [
        { name: 'start to first record', value: middle(timings, 'firstRecordMs'), max: 300, unit: 'ms' },
        { name: 'last record to end', value: middle(timings, 'shutdownMs'), max: 200, unit: 'ms' },
      ],
      extra: () => ({ 'a bare node, ms': Math.round(medianOf(bare)) }),
    }
  },
}

function middle(timings: readonly Timing[], field: keyof Timing): number {
  return medianOf(timings.map((timing) => timing[field]))
}

async function timeJob(args: readonly string[]): Promise<Timing> {
  const { startMs, endMs, totalMs, errors } = await runNode(args)
  const seen = [...errors.matchAll(/^(\d+) (\d+\.?\d*)$/gm)].map(([, , ms]) => Number(ms))
  if (seen.length < 2) throw new Error(`the job did not say when its records came:\n${errors}`)
  return { firstRecordMs: Math.min(...seen) - startMs, shutdownMs: endMs - Math.max(...seen), totalMs }
}

async function runNode(
  args: readonly string[],
): Promise<{ startMs: number; endMs: number; totalMs: number; errors: string }> {
  const startMs = performance.timeOrigin + performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${String(code)}\n${errors}`)
  const endMs = performance.timeOrigin + performance.now()
  return { startMs, endMs, totalMs: endMs - startMs, errors }
}

if (import.meta.main) await main(bench)
