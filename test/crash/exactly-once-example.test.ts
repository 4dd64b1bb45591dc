/** The example, as a user runs it, killed at random moments: files in, files out, every id once, every sum right. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { prng } from '../../src/common/prng.ts'
import { startCli } from '../support/start-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const isFull = process.env['MILLRACE_FULL'] === '1'
const seed = Number(process.env['MILLRACE_SEED'] ?? 1)
const example = fileURLToPath(new URL('../../examples/exactly-once.ts', import.meta.url))
const recordCount = 150_000
const keyCount = 1_000

interface Change {
  readonly id: number
  readonly key: string
  readonly value: number
}

function writeInput(directory: string): Change[] {
  mkdirSync(directory)
  const random = prng(seed)
  const all = Array.from({ length: recordCount }, (_, id): Change => {
    return { id, key: `k${random.nextBelow(keyCount)}`, value: 1 + random.nextBelow(100) }
  })
  for (let file = 0; file < 5; file++) {
    const lines = all.filter(({ id }) => id % 5 === file).map((one) => `${JSON.stringify({ ...one, ts: one.id })}\n`)
    writeFileSync(join(directory, `${file}.ndjson`), lines.join(''))
  }
  return all
}

function readOutput(directory: string): { id: number; key: string; sum: number }[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  expect(names.filter((name) => name.startsWith('.'))).toEqual([])
  return names
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { id: number; key: string; sum: number })
}

function expectExactlyOnce(output: ReturnType<typeof readOutput>, input: readonly Change[]): void {
  expect(output.length).toBe(input.length)
  expect(new Set(output.map(({ id }) => id)).size).toBe(input.length)
  const sums = new Map<string, number>()
  for (const { id, key, sum } of output.toSorted((a, b) => a.sum - b.sum)) {
    const expected = (sums.get(key) ?? 0) + input[id]!.value
    sums.set(key, expected)
    if (sum !== expected || key !== input[id]!.key) expect({ id, key, sum }).toEqual({ ...input[id], sum: expected })
  }
}

test(`the exactly-once example survives SIGKILL at random moments (seed ${seed})`, async () => {
  const directory = temporaryDirectory()
  const input = writeInput(join(directory, 'in'))
  const random = prng(seed)
  let kills = 0
  for (let run = 0; ; run++) {
    const parallelism = String(1 + random.nextBelow(3))
    const backend = process.env['MILLRACE_BACKENDS']?.split(',')[0] ?? 'managed'
    const options = [
      '--job-dir',
      join(directory, 'job'),
      '--quiet',
      '-p',
      parallelism,
      '-D',
      `state.backend.type=${backend}`,
    ]
    const parameters = ['--input', join(directory, 'in'), '--output', join(directory, 'out'), '--interval', '50']
    const running = startCli(['run', example, ...options, '--', ...parameters])
    const isLast = kills >= (isFull ? 40 : 3)
    const timer = setTimeout(() => !isLast && running.child.kill('SIGKILL'), 350 + random.nextBelow(700))
    const { signal, exitCode, stderr } = await running.ended
    clearTimeout(timer)
    if (signal === 'SIGKILL') kills++
    else expect(exitCode, stderr).toBe(0)
    // In the full size a finished job is killed on, too: it must not do anything twice.
    if (isLast || (signal === null && !isFull)) break
  }
  expectExactlyOnce(readOutput(join(directory, 'out')), input)
}, 600_000)
