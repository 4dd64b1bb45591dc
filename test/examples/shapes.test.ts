import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { finished, millrace, startMillrace } from '../support/millrace-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** Runs an example over input files and answers the lines of its output directory, sorted. */
async function lines(example: string, files: Record<string, string>, options: string[] = []): Promise<string[]> {
  const directory = temporaryDirectory()
  const inputs = Object.entries(files).flatMap(([name, text]) => {
    writeFileSync(join(directory, name), text)
    return [`--${name}`, join(directory, name)]
  })
  const output = join(directory, 'out')
  const program = ['--', ...inputs, '--output', output, ...options]
  const { exitCode, stderr } = await millrace('run', `examples/${example}.ts`, '-p', '2', '--quiet', ...program)
  expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' })
  return readdirSync(output)
    .flatMap((name) => readFileSync(join(output, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .toSorted()
}

const ndjson = (...records: readonly unknown[]): string => records.map((one) => `${JSON.stringify(one)}\n`).join('')

describe('web-sessions', () => {
  it('finds the sessions of each user', async () => {
    const log = [
      '2024-05-01T10:00:00Z ann GET /',
      '2024-05-01T10:00:05Z bob GET /',
      '2024-05-01T10:00:03Z ann GET /a',
      'nonsense',
      '2024-05-01T10:06:00Z ann GET /b',
      '2024-05-01T10:06:01Z bob GET /c',
    ]
    expect(await lines('web-sessions', { input: `${log.join('\n')}\n` }, ['--gap-minutes', '5'])).toEqual([
      '{"user":"ann","from":"2024-05-01T10:00:00.000Z","to":"2024-05-01T10:00:03.000Z","pages":2}',
      '{"user":"ann","from":"2024-05-01T10:06:00.000Z","to":"2024-05-01T10:06:00.000Z","pages":1}',
      '{"user":"bob","from":"2024-05-01T10:00:05.000Z","to":"2024-05-01T10:00:05.000Z","pages":1}',
      '{"user":"bob","from":"2024-05-01T10:06:01.000Z","to":"2024-05-01T10:06:01.000Z","pages":1}',
    ])
  })
})

describe('top-speed', () => {
  it('tells the top speed of the last ten seconds at every fifty metres', async () => {
    const { exitCode, stdout } = await millrace(
      'run',
      'examples/top-speed.ts',
      '-p',
      '1',
      '--quiet',
      '--',
      '--count',
      '400',
    )
    expect(exitCode).toBe(0)
    const found = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { car: number; kmh: number; timeMs: number })
    // 200 readings of 2 m each: a car passes 50 m more than before every 26 readings.
    expect(found.filter(({ car }) => car === 0)).toHaveLength(7)
    expect(found.filter(({ car }) => car === 1)).toHaveLength(7)
    for (const { kmh } of found) expect(kmh).toBeLessThanOrEqual(100)
    expect(Math.max(...found.map(({ kmh }) => kmh))).toBe(100)
  })
})

describe('fraud-alerts', () => {
  it('alerts on a small payment followed by a large one in time', async () => {
    const payments = ndjson(
      { account: 'a', amount: 0.5, timeMs: 1_000 },
      { account: 'b', amount: 900, timeMs: 2_000 },
      { account: 'a', amount: 900, timeMs: 3_000 },
      { account: 'b', amount: 0.1, timeMs: 4_000 },
      { account: 'a', amount: 900, timeMs: 5_000 },
      { account: 'b', amount: 900, timeMs: 90_000 },
    )
    const rules = ndjson({ small: 1, large: 500, withinMs: 60_000 })
    expect(await lines('fraud-alerts', { payments, rules })).toEqual(['{"account":"a","amount":900,"timeMs":3000}'])
  })
})

describe('rides-and-fares', () => {
  it('joins each ride with its fare, whichever comes first', async () => {
    const rides = ndjson(
      { rideId: 1, driver: 'ann', timeMs: 0 },
      { rideId: 2, driver: 'bob', timeMs: 1_000 },
      { rideId: 3, driver: 'eve', timeMs: 2_000 },
    )
    const fares = ndjson({ rideId: 2, total: 20.5, timeMs: 0 }, { rideId: 1, total: 10, timeMs: 5_000 })
    expect(await lines('rides-and-fares', { rides, fares })).toEqual([
      '{"rideId":1,"driver":"ann","total":10}',
      '{"rideId":2,"driver":"bob","total":20.5}',
    ])
  })
})

describe('exactly-once', () => {
  it('gives every id once and every sum right, also when it is killed and run again', async () => {
    const directory = temporaryDirectory()
    const [input, output, jobDir] = ['in', 'out', 'state'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ]
    mkdirSync(input)
    const count = 20_000
    const changes = Array.from({ length: count }, (_, id) => ({ id, key: `k${id % 7}`, value: id % 5, ts: id }))
    writeFileSync(join(input, 'changes.ndjson'), ndjson(...changes))
    const args = ['run', 'examples/exactly-once.ts', '-p', '2', '--quiet', '--job-dir', jobDir]
    const program = ['--', '--input', input, '--output', output, '--interval', '20']
    for (const afterMs of [400, 600, 800]) {
      const killed = startMillrace([...args, ...program])
      const timer = setTimeout(() => killed.kill('SIGKILL'), afterMs)
      await finished(killed)
      clearTimeout(timer)
    }
    expect(await millrace(...args, ...program)).toMatchObject({ exitCode: 0, stderr: '' })
    const visible = readdirSync(output).filter((name) => !name.startsWith('.'))
    const echoes = visible
      .flatMap((name) => readFileSync(join(output, name), 'utf8').split('\n'))
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { id: number; key: string; sum: number })
    expect(echoes.toSorted((a, b) => a.id - b.id).map(({ id }) => id)).toEqual(changes.map(({ id }) => id))
    const sums = new Map<string, number>()
    for (const { id, key, sum } of echoes) {
      const value = (sums.get(key) ?? 0) + changes[id]!.value
      sums.set(key, value)
      expect(sum).toBe(value)
    }
  })
})
