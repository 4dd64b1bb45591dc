/**
 * Question: how much faster is a word count on two slots than on one, how does one slot compare with the obvious Node
 * program (readline and a Map), and does memory stay flat as the input grows? 512 MB of text; each run is a process of
 * its own, start-up included.
 *
 * Run: npm run bench:word-count [-- --json]
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Bench, type BenchSize, main } from '../harness.ts'
import { makeText } from '../make-text.ts'

const bytes: Readonly<Record<BenchSize, number>> = { small: 1 << 20, full: 512 << 20 }
const rssSampleMs = 20
const root = fileURLToPath(new URL('../..', import.meta.url))

export const bench: Bench = {
  name: 'word-count',
  question: 'word count over a text file: one slot, two slots, readline and a Map',
  runs: 3,
  prepare(size) {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
    const input = makeText(bytes[size])
    const quarter = makeText(bytes[size] / 4)
    const rss = new Map<string, number>()
    const measured = async (name: string, args: readonly string[], output: string) => {
      rss.set(name, Math.max(rss.get(name) ?? 0, await runProcess(args)))
      const checksum = checksumOf(output)
      rmSync(output, { recursive: true, force: true })
      return checksum
    }
    const millrace = (slots: number, path: string) => {
      const output = join(directory, `slots-${slots}`)
      const job = [join(root, 'scripts', 'millrace.mjs'), 'run', join(root, 'examples', 'word-count.ts')]
      return { args: [...job, '--parallelism', String(slots), '--', '--input', path, '--output', output], output }
    }
    const engine = (name: string, slots: number, path: string, group = '') => ({
      name,
      group,
      run: () => {
        const { args, output } = millrace(slots, path)
        return measured(name, args, output)
      },
    })
    return {
      items: bytes[size],
      unit: 'bytes',
      cases: [
        {
          name: 'readline and a Map',
          run: () => {
            const output = join(directory, 'readline')
            return measured(
              'readline and a Map',
              [join(import.meta.dirname, 'word-count-readline.ts'), input, output],
              output,
            )
          },
        },
        engine('one slot', 1, input),
        engine('two slots', 2, input),
        engine('two slots, a quarter of the text', 2, quarter, 'quarter'),
      ],
      ratios: [
        { name: 'two slots / one slot', of: 'two slots', against: 'one slot', bar: 1.7 },
        { name: 'one slot / readline', of: 'one slot', against: 'readline and a Map', bar: 1 },
      ],
      extra: () => ({
        ...Object.fromEntries([...rss].map(([name, kib]) => [`resident MiB, ${name}`, Math.round(kib / 1024)])),
        'resident set, whole text / a quarter of it': (
          rss.get('two slots')! / rss.get('two slots, a quarter of the text')!
        ).toFixed(2),
      }),
      dispose: () => rmSync(directory, { recursive: true, force: true }),
    }
  },
}

/** Runs Node on a script; answers the largest resident set seen, in KiB. */
async function runProcess(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  let kibMax = 0
  const sampler = setInterval(() => (kibMax = Math.max(kibMax, residentKiB(child.pid!))), rssSampleMs)
  const code = await new Promise((resolve) => child.on('close', resolve))
  clearInterval(sampler)
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${String(code)}\n${errors}`)
  return kibMax
}

/** The kernel's own high-water mark, so that nothing between two samples is missed; 0 where it cannot be read. */
function residentKiB(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** Of the sorted lines of a file or of all files in a directory. */
function checksumOf(path: string): string {
  const files = path.endsWith('readline') ? [path] : readdirSync(path).map((name) => join(path, name))
  const lines = files.flatMap((file) => readFileSync(file, 'utf8').split('\n')).filter((line) => line !== '')
  return createHash('sha256').update(lines.toSorted().join('\n')).digest('hex').slice(0, 16)
}

if (import.meta.main) await main(bench)
